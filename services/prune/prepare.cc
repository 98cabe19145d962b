#include "services/prune/prepare.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/digest.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/pruning/prune.h"
#include "libs/sealing/model_store.h"
#include "services/stage_request/stage_request.h"

namespace trainyard {
namespace {

PruneOptions OptionsOf(StageRequest& request, const v1::PruneOptions& proto) {
  PruneOptions options;
  const std::string normalizer =
      request.OneOf("options.normalizer", proto.normalizer(), {"max", "L2"});
  options.normalizer = normalizer == "L2" ? Normalizer::kL2 : Normalizer::kMax;
  const std::string criterion =
      request.OneOf("options.equalization_criterion", proto.equalization_criterion(),
                    {"union", "intersection", "arithmetic_mean", "geometric_mean"});
  options.equalization = criterion == "intersection"      ? Equalization::kIntersection
                         : criterion == "arithmetic_mean" ? Equalization::kArithmeticMean
                         : criterion == "geometric_mean"  ? Equalization::kGeometricMean
                                                          : Equalization::kUnion;
  if (proto.has_granularity()) options.granularity = proto.granularity();
  if (proto.has_threshold()) options.threshold = proto.threshold();
  if (proto.has_min_num_filters()) options.min_filters = proto.min_num_filters();
  options.excluded_layers.assign(proto.excluded_layers().begin(), proto.excluded_layers().end());
  options.tao_compat = proto.tao_compat();
  for (const Problem& problem : ProblemsFrom(Validate(options))) {
    request.Add(absl::StrCat("options.", problem.field),
                absl::InvalidArgumentError(problem.description));
  }
  return options;
}

absl::StatusOr<v1::StageResult> RunPrune(service::OperationContext& context,
                                         const std::string& input, const std::string& output,
                                         PruneOptions options, double remove,
                                         const service::Workspace& workspace) {
  context.Progress(0, 3, "steps", "reading the model");
  TY_ASSIGN_OR_RETURN(const SealedModel sealed,
                      LoadModel(input, {SealedKind::kCheckpoint}, context.key()));
  TY_RETURN_IF_ERROR(context.CheckStop());
  context.Progress(1, 3, "steps", "removing channels");
  if (remove > 0) {
    TY_ASSIGN_OR_RETURN(options.threshold, ThresholdForRatio(sealed.model, options, remove));
  }
  TY_ASSIGN_OR_RETURN(PruneResult pruned, Prune(sealed.model, options));
  for (const std::string& warning : pruned.warnings) {
    context.Warn(absl::FailedPreconditionError(warning));
  }
  model::v1::LineageStep& step = *pruned.model.record.add_lineage();
  step.set_stage("prune");
  step.set_note(absl::StrFormat("kept %.1f %% of %d parameters", 100 * pruned.ratio,
                                pruned.parameters_before));
  TY_ASSIGN_OR_RETURN(const std::string parent, FileDigest(input));
  step.set_parent_sha256(parent);
  TY_RETURN_IF_ERROR(context.CheckStop());
  context.Progress(2, 3, "steps", "writing the model");
  TY_RETURN_IF_ERROR(MakeFolders(DirName(output)));
  TY_RETURN_IF_ERROR(
      SaveModel(output, SealedKind::kCheckpoint, pruned.model, Sections(), context.key()));

  v1::StageResult result;
  TY_ASSIGN_OR_RETURN(*result.add_outputs(), workspace.MakeArtifact("model", output, "tlt"));
  TY_ASSIGN_OR_RETURN(const int64_t macs, pruned.model.graph.MacCount());
  *result.add_metrics() = MakeMetric("pruning_ratio", pruned.ratio);
  *result.add_metrics() = MakeMetric("parameters", pruned.parameters_after);
  *result.add_metrics() = MakeMetric("parameters_before", pruned.parameters_before);
  *result.add_metrics() = MakeMetric("macs", macs);
  *result.add_metrics() = MakeMetric("bytes", result.outputs(0).size_bytes(), "bytes");
  *result.add_metrics() = MakeMetric("threshold", options.threshold);
  result.mutable_metrics(0)->set_primary(true);
  result.add_notes(absl::StrFormat("Pruning ratio (pruned model / original model): %.17g",
                                   pruned.ratio));
  context.ReportMetrics(
      std::vector<v1::Metric>(result.metrics().begin(), result.metrics().end()));
  context.Progress(3, 3, "steps", "done");
  return result;
}

}  // namespace

absl::StatusOr<service::StageRun> PreparePrune(const v1::PruneRequest& proto,
                                               const service::Workspace& workspace) {
  StageRequest request(proto.stage(), workspace);
  request.KnownNetwork();
  const std::string input = request.Input("model", StageRequest::kRequired);
  const std::string output = request.SealedFile("model", StageRequest::kRequired, SealedKind::kCheckpoint);
  request.NoOtherNames();
  request.NoSpec();
  PruneOptions options = OptionsOf(request, proto.options());
  const double remove = proto.options().remove();
  if (proto.options().has_remove()) request.InRange("options.remove", remove, 0.01, 0.99);
  TY_RETURN_IF_ERROR(request.Status());
  return [input, output, options = std::move(options), remove,
          &workspace](service::OperationContext& context) {
    return RunPrune(context, input, output, options, remove, workspace);
  };
}

}  // namespace trainyard
