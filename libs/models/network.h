#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "libs/data/augmentation.h"
#include "libs/data/box.h"
#include "libs/data/sample.h"
#include "libs/data/sources.h"
#include "libs/detection/decoder.h"
#include "libs/detection/evaluation_plan.h"
#include "libs/model/model.h"
#include "libs/tensor/tensor.h"

namespace trainyard {

/// Soft-start annealing (TAO `soft_start_annealing_schedule`): exponential ramps.
struct LearningRateSchedule {
  double min_rate = 0, max_rate = 0;
  /// Fractions of the training, 0 < soft_start < annealing < 1.
  double soft_start = 0, annealing = 0;
};

enum class Regularizer { kNone, kL1, kL2 };

/// What a training does, whatever the network.
struct TrainingPlan {
  uint64_t seed = 42;
  int batch_size = 1;
  int epochs = 1;
  LearningRateSchedule learning_rate;
  double momentum = 0.9;
  Regularizer regularizer = Regularizer::kNone;
  double regularizer_weight = 0;
  /// A checkpoint after every k-th epoch, and after the last.
  int checkpoint_interval = 1;
  /// Loader threads; 0 = choose from the budget. Prefetched batches.
  int workers = 0;
  int max_queue_size = 20;
  /// Label class -> training class, both lower-cased.
  std::vector<std::pair<std::string, std::string>> class_mapping;
  std::vector<DataSource> data_sources;
  std::vector<DataSource> validation_sources;
  /// The fold of a converted set that is validation data; -1 = none.
  int validation_fold = -1;
  bool include_difficult = true;
  /// The size of the network's input.
  ImageSize input;
  AugmentationOptions augmentation;
  int validation_period = 10;
  struct EarlyStopping {
    bool on_validation_loss = false;
    double min_delta = 0;
    int patience = 0;
  };
  std::optional<EarlyStopping> early_stopping;
  bool visualize = false;
  int visualize_images = 0;
};

/// One network family: what the stages need to know of it, behind one interface, so that adding one
/// touches no service. Free of LibTorch; its loss is registered under the same
/// name in libs/training/losses (docs/decisions). Thread-safe after creation.
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
  virtual EvaluationPlan evaluation_plan() const = 0;
  /// Sorted, lower-cased, without background.
  virtual std::vector<std::string> classes() const = 0;

  /// Puts the spec's inference settings (NMS thresholds, top_k) into a record that was loaded.
  virtual void ApplyInferenceSettings(ModelRecord& record) const = 0;

  /// Training targets of one sample whose boxes are in pixels of the network input, for the record's
  /// head. SSD: {i32 [A] class per anchor, -1 = neutral; f32 [A, 4] offsets}. Called from loader
  /// threads. `encoder` state that is costly (anchors) is made once by MakeTargetEncoder.
  using TargetEncoder =
      std::function<absl::StatusOr<std::vector<Tensor>>(absl::Span<const LabelledBox> boxes)>;
  virtual absl::StatusOr<TargetEncoder> MakeTargetEncoder(const ModelRecord& record) const = 0;
};

/// Makes the network `name` from a canonical spec text (libs/spec). kNotFound with the known names;
/// kInvalidArgument / kUnimplemented as ParseExperiment says.
absl::StatusOr<std::unique_ptr<Network>> CreateNetwork(absl::string_view name,
                                                       absl::string_view spec_text,
                                                       absl::string_view spec_name);
std::vector<std::string> NetworkNames();

/// The decoder of the record's head. kUnimplemented when its network has none that is known.
absl::StatusOr<std::unique_ptr<Decoder>> CreateDecoder(const ModelRecord& record);

}  // namespace trainyard
