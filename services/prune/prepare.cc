#include "services/prune/prepare.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/pruning/prune_task.h"
#include "services/stage_request/stage_request.h"

namespace trainyard::services {
namespace {

void AskOptions(StageRequest& request, const v1::PruneOptions& proto,
                worker::v1::PruneTask& task) {
  const pruning::PruneOptions defaults;
  const std::vector<std::string> normalizers = {"max", "L2"};
  const std::vector<std::string> criteria = {"union", "intersection", "arithmetic_mean",
                                             "geometric_mean"};
  const std::string normalizer =
      request.OneOf("options.normalizer", proto.normalizer(), normalizers);
  const std::string criterion =
      request.OneOf("options.equalization_criterion", proto.equalization_criterion(), criteria);
  // The numbers are checked beside names that are known, so that all problems are told at once.
  task.set_normalizer(normalizers.front());
  task.set_equalization_criterion(criteria.front());
  task.set_granularity(proto.has_granularity() ? proto.granularity() : defaults.granularity);
  task.set_threshold(proto.has_threshold() ? proto.threshold() : defaults.threshold);
  task.set_min_num_filters(proto.has_min_num_filters() ? proto.min_num_filters()
                                                       : defaults.min_filters);
  *task.mutable_excluded_layers() = proto.excluded_layers();
  task.set_tao_compat(proto.tao_compat());
  for (const Problem& problem : ProblemsFrom(pruning::PruneOptionsOf(task).status())) {
    request.Add(absl::StrCat("options.", problem.field),
                absl::InvalidArgumentError(problem.description));
  }
  task.set_normalizer(normalizer);
  task.set_equalization_criterion(criterion);
  if (!proto.has_remove()) return;
  task.set_remove(proto.remove());
  request.InRange("options.remove", proto.remove(), 0.01, 0.99);
}

}  // namespace

absl::StatusOr<service::StageRun> PreparePrune(const v1::PruneRequest& proto,
                                               const service::Workspace& workspace) {
  StageRequest request(proto.stage(), workspace);
  request.KnownNetwork();
  worker::v1::WorkerJob job;
  worker::v1::PruneTask& task = *job.mutable_prune();
  task.set_model(request.Input("model", StageRequest::kRequired));
  task.set_output(
      request.SealedFile("model", StageRequest::kRequired, sealing::SealedKind::kCheckpoint));
  task.set_results_dir(request.OutputFolder("results", StageRequest::kOptional));
  request.NoOtherNames();
  request.NoSpec();
  AskOptions(request, proto.options(), task);
  if (proto.validate_only()) {
    request.ModelFile("stage.inputs[model]", task.model(), {sealing::SealedKind::kCheckpoint});
  }
  TY_RETURN_IF_ERROR(request.Status());
  job.set_network(proto.stage().network());
  std::vector<std::string> warnings;
  if (!absl::EndsWith(task.output(), ".tlt")) {
    warnings.push_back(absl::StrCat("'", task.output(), "' is a .tlt, whatever its ending"));
  }
  return WorkerStage(kStageWorker, std::move(job), "", std::move(warnings), workspace);
}

}  // namespace trainyard::services
