#include "libs/models/prepare_spec.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/models/network.h"
#include "libs/spec/paths.h"
#include "libs/spec/ssd_spec.h"
#include "libs/spec/text_format.h"

namespace trainyard {
namespace {

SsdTask SsdTaskOf(NetworkTask task) {
  switch (task) {
    case NetworkTask::kTrain:
      return SsdTask::kTrain;
    case NetworkTask::kEvaluate:
      return SsdTask::kEvaluate;
    case NetworkTask::kInference:
      return SsdTask::kInference;
    case NetworkTask::kExport:
      return SsdTask::kExport;
  }
  return SsdTask::kTrain;
}

std::string InitialModelOf(const spec::common::v1::TrainingConfig& training) {
  if (!training.pruned_model_path().empty()) return training.pruned_model_path();
  return training.pretrain_model_path();
}

}  // namespace

absl::StatusOr<PreparedSpec> PrepareSpec(
    absl::string_view network, absl::string_view text, absl::string_view file_name,
    absl::Span<const std::string> overrides, NetworkTask task,
    const std::function<absl::StatusOr<std::string>(absl::string_view)>& resolve) {
  if (network != "ssd") {
    const std::vector<std::string> names = NetworkNames();
    return absl::NotFoundError(absl::StrCat("there is no network '", network,
                                            "'; known: ", absl::StrJoin(names, ", "),
                                            DidYouMean(network, names)));
  }
  PreparedSpec prepared;
  TY_ASSIGN_OR_RETURN(
      spec::ssd::v1::Experiment experiment,
      LoadExperiment(text, file_name, overrides, SsdTaskOf(task), &prepared.warnings));
  TY_RETURN_IF_ERROR(RewritePaths(&experiment, resolve));
  prepared.initial_model = InitialModelOf(experiment.training_config());
  prepared.freezes_blocks = experiment.ssd_config().freeze_blocks_size() > 0;
  prepared.canonical_text = PrintCanonical(experiment);
  return prepared;
}

}  // namespace trainyard
