#include "cli/ssd/task.h"

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"

namespace trainyard::cli {
namespace ssd {

void AddTaskFlags(CLI::App& command, Task& task) {
  AddSessionFlags(command, task.session);
  command.add_option("-k,--key", task.key, "key of sealed models: env:NAME, file:PATH or the key");
  task.session.words.merge(FlagWords{{"stage.key", "-k"}, {"stage.overrides", "--set"}});
  command.add_option("--set", task.overrides, "change the spec: path=value (repeatable)");
  command.add_option("--num_processes", task.ignored_processes, "accepted for TAO; no effect");
  command.add_flag("-v,--verbose", task.verbose, "accepted for TAO; no effect");
}

CLI::Option* AddSpec(CLI::App& command, Task& task) {
  task.session.words["stage.spec_text"] = "-e";
  return command.add_option("-e,--experiment_spec,--experiment_spec_file,--config_path", task.spec,
                            "experiment spec file");
}

absl::StatusOr<v1::StageInput> StageOf(const Task& task) {
  v1::StageInput stage;
  stage.set_network("ssd");
  stage.set_key(task.key);
  if (task.spec.empty() && !task.overrides.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--set ", task.overrides.front(), " changes a spec, and this command was given none"));
  }
  if (!task.spec.empty()) TY_RETURN_IF_ERROR(ReadSpecInto(stage, task.spec, task.overrides));
  return stage;
}

}  // namespace ssd

void AddSsdCommands(CLI::App& app, Run& run) {
  CLI::App& ssd = *app.add_subcommand("ssd", "TAO's sub-tasks of the SSD detector");
  ssd.require_subcommand(1);
  ssd::AddDatasetConvert(ssd, run);
  ssd::AddTrain(ssd, run);
  ssd::AddEvaluate(ssd, run);
  ssd::AddPrune(ssd, run);
  ssd::AddExport(ssd, run);
  ssd::AddGenTrtEngine(ssd, run);
  ssd::AddInference(ssd, run);
}

}  // namespace trainyard::cli
