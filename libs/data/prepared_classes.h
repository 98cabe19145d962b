#pragma once

#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "libs/data/prepared_source.h"
#include "trainyard/model/v1/model_record.pb.h"

namespace trainyard::data {

/// What a training of image classification does to pictures, with TAO's numbers.
///
/// Seven numbers are drawn for each picture, whatever it is and whatever is switched on, so that a
/// switch changes nothing but its own part: whether it is mirrored; the part that is seen; its left
/// and its upper edge; the changes of hue, of saturation and of contrast.
struct ClassAugmentation {
  /// Half of the pictures are mirrored, left to right.
  bool horizontal_flip = true;
  /// Pictures are scaled, keeping their aspect ratio, until the network's input is u in [0.45, 1)
  /// of one side and no more of the other; sides are rounded down to whole pixels. The input is cut
  /// out of that anywhere, each place alike. Takes the place of the record's `resize`.
  bool random_crop = false;
  /// Hue is turned by up to 25 degrees either way, up to 0.2 is added to or taken from the
  /// saturation, and the contrast is changed by up to 0.1 around 0.5, all on the scale of 0-1. Acts
  /// on random crops of three channels, as in TAO; on 8-bit values at the size of the input.
  bool color = false;
};

/// How pictures with a class become what a classifier learns from.
struct ClassPreparation {
  /// Absent: pictures are preprocessed only (validation).
  std::optional<ClassAugmentation> augmentation;
  model::v1::Preprocess preprocess;
  /// Of the network. >= 1.
  int classes = 0;
};

/// Samples with ClassTruth, made ready: one target, the class as i32 [], and `seen` is the truth.
/// Without a random crop pictures of a training are scaled as the record says, like others.
/// kInvalidArgument as CheckPreprocess, and for no classes. Prepare fails as the source does, with
/// kInvalidArgument for a sample whose class is missing or outside of [0, classes).
///
/// Source: TAO's data loading of image classification. It takes a picture of the input's size as it
/// is; here such a picture is cropped like others. It rounds pictures to 8 bits after scaling; here
/// they stay in floats unless their colours change.
absl::StatusOr<std::shared_ptr<const PreparedSource>> PrepareClasses(
    std::shared_ptr<const SampleSource> source, ClassPreparation preparation);

}  // namespace trainyard::data
