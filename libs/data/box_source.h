#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "libs/data/augmentation.h"
#include "libs/data/box.h"
#include "libs/data/prepared_source.h"
#include "libs/tensor/tensor.h"
#include "trainyard/model/v1/model_record.pb.h"

namespace trainyard::data {

/// Training targets of one sample from its boxes in pixels of the network input. Called from
/// several threads.
using BoxTargetEncoder =
    std::function<absl::StatusOr<std::vector<Tensor>>(absl::Span<const LabelledBox>)>;

/// How labelled images become what a detector learns from.
struct BoxPreparation {
  /// Absent: images are only resized (validation), boxes as BoxesToInput says.
  std::optional<AugmentationOptions> augmentation;
  model::v1::Preprocess preprocess;
  /// May be empty: then there are no targets.
  BoxTargetEncoder encode;
};

/// Samples with BoxTruth, made ready; `seen` is a BoxTruth too. kInvalidArgument as CheckPreprocess
/// and CheckAugmentation; kUnimplemented for a centre crop, which boxes do not follow.
absl::StatusOr<std::shared_ptr<const PreparedSource>> PrepareBoxes(
    std::shared_ptr<const SampleSource> source, BoxPreparation preparation);

}  // namespace trainyard::data
