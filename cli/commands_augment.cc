#include <memory>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/stage_command.h"
#include "trainyard/v1/convert.pb.h"

namespace trainyard::cli {

namespace {

struct Flags {
  Session session;
  std::string spec, output, root;
  std::vector<std::string> overrides;
  bool verbose = false, strict = false;
};

int RunAugment(const Flags& flags) {
  v1::AugmentRequest request;
  v1::StageInput& stage = *request.mutable_stage();
  const auto status = ReadSpecInto(stage, flags.spec, flags.overrides);
  if (!status.ok()) return PrintFailure(flags.session.output, status, FailedAt::kUsage);
  AddInput(stage, "root", flags.root);
  AddOutput(stage, "dataset", flags.output);
  request.mutable_options()->set_strict(flags.strict);
  return RunStage(flags.session, request);
}

}  // namespace

void AddAugmentCommand(CLI::App& app, Run& run) {
  auto flags = std::make_shared<Flags>();
  CLI::App& command = *app.add_subcommand("augment", "write an augmented copy of a KITTI or COCO data set");
  command.add_option("-a,--spec,--augmentation_spec", flags->spec, "augmentation spec file")
      ->required();
  command.add_option("-o,--output,--output_dataset", flags->output, "folder to write")->required();
  command.add_option("-d,--dataset_root", flags->root,
                     "folder the spec's paths lie in; a YAML spec may have whole paths instead");
  command.add_option("--set", flags->overrides, "change the spec: path=value (repeatable)");
  command.add_flag("--strict", flags->strict, "stop at the first refused label");
  command.add_flag("-v,--verbose", flags->verbose, "accepted for TAO; no effect");
  flags->session.words.insert({{"stage.inputs[root]", "-d"},
                               {"stage.outputs[dataset]", "-o"},
                               {"stage.spec_text", "-a"},
                               {"stage.overrides", "--set"}});
  AddSessionFlags(command, flags->session);
  WhenTyped(command, run, flags, RunAugment);
}

}  // namespace trainyard::cli
