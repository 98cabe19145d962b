#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/data/augmentation.h"
#include "libs/data/box_source.h"
#include "libs/networks/network.h"
#include "libs/networks/ssd/matching.h"
#include "libs/networks/ssd/ssd_backbone.h"
#include "libs/networks/ssd/ssd_spec.h"
#include "libs/tasks/detection/box_data.h"
#include "libs/tasks/detection/evaluation_plan.h"
#include "trainyard/spec/ssd/v1/experiment.pb.h"

namespace trainyard::networks {

/// The numbers of SSD's loss.
struct SsdLossOptions {
  /// Weight of the location loss. > 0.
  double alpha = 1;
  /// Hard negatives kept per positive. > 0.
  double neg_pos_ratio = 3;
};

/// SSD as TAO's spec describes it: a backbone of libs/layers, six prediction maps. Thread-safe.
class SsdNetwork : public Network {
 public:
  /// From an experiment to which defaults are applied (libs/spec: LoadExperiment). Parts that only
  /// a training needs may be missing; the plans then hold their defaults. Fails as ListsOf does.
  static absl::StatusOr<std::unique_ptr<SsdNetwork>> Create(spec::ssd::v1::Experiment experiment);

  absl::string_view name() const override { return "ssd"; }
  /// kInvalidArgument, all at once: no classes, a backbone, an input or anchors that cannot be;
  /// kUnimplemented: a prediction module.
  absl::StatusOr<Model> Build() const override;
  absl::StatusOr<ModelRecord> Record() const override;
  TrainingPlan training_plan() const override;
  int evaluation_batch_size() const override;
  absl::StatusOr<std::unique_ptr<tasks::Evaluator>> MakeEvaluator(
      const tasks::Head& head, const ModelRecord& record,
      const tasks::EvaluationChoices& choices) const override;
  /// What the spec says of an evaluation; its matching is kTao.
  tasks::EvaluationPlan evaluation_plan() const;
  std::vector<std::string> classes() const override;
  void ApplyInferenceSettings(ModelRecord& record) const override;
  absl::StatusOr<std::optional<data::OpenedData>> OpenData(data::DataUse use,
                                                           const ModelRecord& record, bool strict,
                                                           int threads) const override;
  absl::StatusOr<std::shared_ptr<const data::PreparedSource>> Prepare(
      std::shared_ptr<const data::SampleSource> source, const ModelRecord& record,
      data::DataUse use) const override;
  tasks::BoxDataPlan data_plan() const;
  data::AugmentationOptions augmentation() const;
  /// Targets of boxes in pixels of the input, for the record's head: {i32 [A] class per anchor, -1 =
  /// neutral; f32 [A, 4] offsets}.
  absl::StatusOr<data::BoxTargetEncoder> MakeTargetEncoder(const ModelRecord& record) const;

  SsdLossOptions loss_options() const;

 private:
  SsdNetwork(spec::ssd::v1::Experiment experiment, SsdLists lists);
  model::v1::SsdHead MakeHead(const SsdBackbone& backbone) const;
  MatchThresholds match_thresholds() const;

  const spec::ssd::v1::Experiment experiment_;
  const SsdLists lists_;
};

}  // namespace trainyard::networks
