#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/network/sub_task.h"
#include "libs/base/status.h"
#include "trainyard/v1/prune.pb.h"

namespace trainyard::cli::network {
namespace {

struct Flags : SubTask {
  std::string output, normalizer, criterion;
  int granularity = 8, min_filters = 16;
  std::optional<double> threshold, remove;
  std::vector<std::string> excluded;
  bool tao_compat = false;
  int gpus = 1, gpu_index = 0;
};

absl::StatusOr<v1::PruneRequest> RequestOf(const Flags& flags) {
  if (flags.remove.has_value() && flags.threshold.has_value()) {
    return absl::InvalidArgumentError(
        "--remove searches the threshold that -pth gives; give one of them");
  }
  v1::PruneRequest request;
  v1::StageInput& stage = *request.mutable_stage();
  TY_ASSIGN_OR_RETURN(stage, StageOf(flags));
  AddInput(stage, "model", flags.model);
  AddOutput(stage, "model", flags.output);
  AddOutput(stage, "results", flags.results_dir);
  v1::PruneOptions& options = *request.mutable_options();
  options.set_normalizer(flags.normalizer);
  options.set_equalization_criterion(flags.criterion);
  options.set_granularity(flags.granularity);
  if (flags.threshold.has_value()) options.set_threshold(*flags.threshold);
  options.set_min_num_filters(flags.min_filters);
  for (const std::string& layer : flags.excluded) options.add_excluded_layers(layer);
  options.set_tao_compat(flags.tao_compat);
  if (flags.remove.has_value()) options.set_remove(*flags.remove);
  return request;
}

int RunPrune(const Flags& flags) { return Send(flags, RequestOf(flags)); }

}  // namespace

void AddPrune(CLI::App& network, Run& run) {
  auto flags = std::make_shared<Flags>();
  CLI::App& command = *network.add_subcommand("prune", "remove the channels that matter least");
  command.add_option("-m,--model,--pretrained_model", flags->model, ".tlt to prune")->required();
  command.add_option("-o,--output_file", flags->output, ".tlt to write")->required();
  command.add_option("--results_dir", flags->results_dir, "folder for status.json");
  command.add_option("-n,--normalizer", flags->normalizer, "max or L2 (max)");
  command.add_option("--equalization_criterion", flags->criterion,
                     "-eq: union, intersection, arithmetic_mean, geometric_mean (union)");
  command.add_option("--pruning_granularity", flags->granularity,
                     "-pg: multiple of kept channels (8)");
  command.add_option("--pruning_threshold", flags->threshold,
                     "-pth: norms not above this go (0.1)");
  command.add_option("--min_num_filters", flags->min_filters,
                     "-nf: fewest channels of a layer (16)");
  command
      .add_option("--excluded_layers", flags->excluded,
                  "-el: layers that keep their channels, separated by commas or blanks")
      ->delimiter(',');
  command.add_option("--remove", flags->remove,
                     "fraction of the parameters to remove; the threshold is searched");
  command.add_flag("--tao-compat", flags->tao_compat, "the factor N of TAO's L2 normalizer");
  command.add_option("--gpus", flags->gpus, "accepted for TAO; no effect");
  command.add_option("--gpu_index", flags->gpu_index, "accepted for TAO; no effect");
  flags->session.words.insert({{"stage.inputs[model]", "-m"},
                               {"stage.outputs[model]", "-o"},
                               {"options.normalizer", "-n"},
                               {"options.equalization_criterion", "-eq"},
                               {"options.granularity", "-pg"},
                               {"options.threshold", "-pth"},
                               {"options.min_num_filters", "-nf"},
                               {"options.min_filters", "-nf"},
                               {"options.excluded_layers", "-el"},
                               {"options.remove", "--remove"}});
  AddSubTaskFlags(command, *flags);
  WhenTyped(command, run, flags, RunPrune);
}

}  // namespace trainyard::cli::network
