#include <memory>
#include <optional>
#include <string>

#include "cli/network/sub_task.h"
#include "libs/base/status.h"
#include "trainyard/v1/convert.pb.h"

namespace trainyard::cli::network {
namespace {

struct Flags : SubTask {
  std::string output, class_names;
  int validation_fold = 0;
  bool strict = false;
  std::optional<uint64_t> seed;
};

absl::StatusOr<v1::ConvertRequest> RequestOf(const Flags& flags) {
  v1::ConvertRequest request;
  v1::StageInput& stage = *request.mutable_stage();
  TY_ASSIGN_OR_RETURN(stage, StageOf(flags));
  AddInput(stage, "class_names", flags.class_names);
  AddOutput(stage, "dataset", flags.output);
  request.mutable_options()->set_strict(flags.strict);
  if (flags.seed.has_value()) request.mutable_options()->set_random_seed(*flags.seed);
  return request;
}

int RunDatasetConvert(const Flags& flags) { return Send(flags, RequestOf(flags)); }

}  // namespace

void AddDatasetConvert(CLI::App& network, Run& run) {
  auto flags = std::make_shared<Flags>();
  CLI::App& command = *network.add_subcommand("dataset_convert", "convert KITTI or COCO data to TFRecords");
  command
      .add_option("-d,--dataset_export_spec,--dataset-export-spec", flags->spec,
                  "dataset export spec file")
      ->required();
  command.add_option("-o,--output_filename", flags->output, "path prefix of the shards")
      ->required();
  command.add_option("-f,--validation_fold", flags->validation_fold, "accepted for TAO; no effect");
  command.add_option("-r,--results_dir", flags->results_dir, "accepted for TAO; no effect");
  command.add_option("-c,--class_names_file", flags->class_names, "class names, one a line");
  command.add_flag("--strict", flags->strict, "stop at the first refused label");
  command.add_option("--random_seed", flags->seed, "seed of the partition (42)")
      ->check(CLI::NonNegativeNumber);
  flags->session.words.insert({{"stage.inputs[class_names]", "-c"},
                               {"stage.outputs[dataset]", "-o"},
                               {"stage.spec_text", "-d"}});
  AddSubTaskFlags(command, *flags);
  WhenTyped(command, run, flags, RunDatasetConvert);
}

}  // namespace trainyard::cli::network
