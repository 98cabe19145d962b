#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/data/data_use.h"
#include "libs/data/opened_data.h"
#include "libs/data/prepared_source.h"
#include "libs/data/sample.h"
#include "libs/model/model.h"
#include "libs/networks/training_plan.h"
#include "libs/tasks/task.h"

namespace trainyard::networks {

/// A network as a spec describes it: what training and evaluation need to know of it, behind one
/// interface. What is asked without a spec is its family's to say (family.h). Free of LibTorch; its loss
/// is registered under the same name in libs/training/losses (docs/decisions). Thread-safe after
/// creation.
class Network {
 public:
  virtual ~Network() = default;
  virtual absl::string_view name() const = 0;

  /// A fresh model for the spec, weights drawn from Philox(seed, kInitialization). kInvalidArgument
  /// for what the spec cannot mean, kUnimplemented (by name) for architectures that are not offered.
  virtual absl::StatusOr<Model> Build() const = 0;
  /// The record of that model without its weights: cheap. What is frozen is not in it. Fails alike.
  virtual absl::StatusOr<ModelRecord> Record() const = 0;

  virtual TrainingPlan training_plan() const = 0;
  /// Images of a batch of an evaluation. >= 1.
  virtual int evaluation_batch_size() const = 0;
  /// Judges models of this spec. `head` is the record's and outlives the evaluator. kInvalidArgument for
  /// a choice that the task does not have; kInternal for another task's head.
  virtual absl::StatusOr<std::unique_ptr<tasks::Evaluator>> MakeEvaluator(
      const tasks::Head& head, const ModelRecord& record,
      const tasks::EvaluationChoices& choices) const = 0;
  /// Sorted, lower-cased, without background; none where the data say them, not the spec.
  virtual std::vector<std::string> classes() const = 0;

  /// Puts the spec's inference settings (NMS thresholds, top_k) into a record that was loaded.
  virtual void ApplyInferenceSettings(ModelRecord& record) const = 0;

  /// Opens the data that the spec names for a use, for a model with the record's classes and input.
  /// Nothing when it names no validation data. `strict` makes any label or image that would be left out
  /// an error; `threads` look the data through. Fails as the task's data do (OpenBoxData).
  virtual absl::StatusOr<std::optional<data::OpenedData>> OpenData(data::DataUse use,
                                                                   const ModelRecord& record,
                                                                   bool strict,
                                                                   int threads) const = 0;
  /// The samples as the loss of this network takes them, for the record's input and head: augmented for
  /// training, only preprocessed for validation, with targets.
  virtual absl::StatusOr<std::shared_ptr<const data::PreparedSource>> Prepare(
      std::shared_ptr<const data::SampleSource> source, const ModelRecord& record,
      data::DataUse use) const = 0;
};

/// kInvalidArgument, for behind a model's name, when a model is of another network than the spec, or has
/// other classes than it names.
absl::Status CheckBelongs(const Network& network, const ModelRecord& record);

}  // namespace trainyard::networks
