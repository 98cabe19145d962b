#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/networks/network.h"
#include "trainyard/spec/classification/v1/experiment.pb.h"

namespace trainyard::networks {

/// Image classification as TAO's spec describes it: a backbone of libs/layers with a dense head.
/// Thread-safe.
///
/// The classes are the folders of `train_config.train_dataset_path`: Build and Record list them, and
/// fail when they cannot.
class ClassificationNetwork : public Network {
 public:
  /// From an experiment to which defaults are applied. Parts that only a training needs may be missing.
  explicit ClassificationNetwork(spec::classification::v1::Experiment experiment)
      : experiment_(std::move(experiment)) {}

  absl::string_view name() const override { return "classification"; }
  absl::StatusOr<Model> Build() const override;
  absl::StatusOr<ModelRecord> Record() const override;
  TrainingPlan training_plan() const override;
  int evaluation_batch_size() const override;
  absl::StatusOr<std::unique_ptr<tasks::Evaluator>> MakeEvaluator(
      const tasks::Head& head, const ModelRecord& record,
      const tasks::EvaluationChoices& choices) const override;
  /// None: the spec names a folder, of which a model keeps the classes that it was trained on.
  std::vector<std::string> classes() const override { return {}; }
  /// How pictures are cut for an evaluation.
  void ApplyInferenceSettings(ModelRecord& record) const override;
  absl::StatusOr<std::optional<data::OpenedData>> OpenData(data::DataUse use,
                                                           const ModelRecord& record, bool strict,
                                                           int threads) const override;
  absl::StatusOr<std::shared_ptr<const data::PreparedSource>> Prepare(
      std::shared_ptr<const data::SampleSource> source, const ModelRecord& record,
      data::DataUse use) const override;

  double label_smoothing() const { return experiment_.train_config().label_smoothing(); }

 private:
  const spec::classification::v1::Experiment experiment_;
};

}  // namespace trainyard::networks
