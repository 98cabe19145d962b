#include "cli/network/sub_task.h"

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/networks/registry.h"

namespace trainyard::cli {
namespace network {
namespace {

struct Row {
  // The kind of the stage behind it (libs/stages).
  absl::string_view stage;
  void (*add)(CLI::App& network, Run& run);
};

// TAO's sub-tasks, in the order of the help.
constexpr Row kSubTasks[] = {
    {"convert", AddDatasetConvert}, {"train", AddTrain},   {"evaluate", AddEvaluate},
    {"prune", AddPrune},            {"export", AddExport}, {"build", AddGenTrtEngine},
    {"infer", AddInference},
};

}  // namespace

void AddSubTaskFlags(CLI::App& command, SubTask& task) {
  task.network = command.get_parent()->get_name();
  AddSessionFlags(command, task.session);
  command.add_option("-k,--key", task.key, "key of sealed models: env:NAME, file:PATH or the key");
  task.session.words.merge(FlagWords{{"stage.key", "-k"}, {"stage.overrides", "--set"}});
  command.add_option("--set", task.overrides, "change the spec: path=value (repeatable)");
  command.add_option("--num_processes", task.ignored_processes, "accepted for TAO; no effect");
  command.add_flag("-v,--verbose", task.verbose, "accepted for TAO; no effect");
}

CLI::Option* AddSpec(CLI::App& command, SubTask& task) {
  task.session.words["stage.spec_text"] = "-e";
  return command.add_option("-e,--experiment_spec,--experiment_spec_file,--config_path", task.spec,
                            "experiment spec file");
}

absl::StatusOr<v1::StageInput> StageOf(const SubTask& task) {
  v1::StageInput stage;
  stage.set_network(task.network);
  stage.set_key(task.key);
  if (task.spec.empty() && !task.overrides.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--set ", task.overrides.front(), " changes a spec, and this command was given none"));
  }
  if (!task.spec.empty()) TY_RETURN_IF_ERROR(ReadSpecInto(stage, task.spec, task.overrides));
  return stage;
}

}  // namespace network

void AddNetworkCommands(CLI::App& app, Run& run) {
  for (const std::string& name : networks::NetworkNames()) {
    const networks::NetworkFamily& family = **networks::FindNetwork(name);
    CLI::App& command =
        *app.add_subcommand(name, absl::StrCat("TAO's sub-tasks of ", family.title()));
    command.require_subcommand(1);
    for (const network::Row& sub_task : network::kSubTasks) {
      if (family.HasStage(sub_task.stage)) sub_task.add(command, run);
    }
  }
}

}  // namespace trainyard::cli
