#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace trainyard {

/// One image and its objects as TAO's converter stores them in a tf.train.Example (its form with
/// the encoded image inside). The lists have one element an object, or are empty.
struct DetectionExample {
  /// `<image folder>/<frame>` without extension.
  std::string id;
  /// Pixels of the original.
  int64_t height = 0, width = 0;
  /// The bytes of the image file, unchanged.
  std::string encoded;
  /// 1-based; stored as float.
  std::vector<float> class_ids;
  std::vector<float> truncation;
  std::vector<int64_t> occlusion;
  std::vector<float> observation_angle;
  /// Divided by the image's width or height; not clipped.
  std::vector<float> x1, y1, x2, y2;
  /// Columns 9 to 15 of KITTI.
  std::vector<float> world_h, world_w, world_l, world_x, world_y, world_z, world_rot_y;
};

/// The serialized tf.train.Example: the features of TAO by name, sorted, numeric lists packed.
/// Deterministic. Source: tensorflow/core/example/{example,feature}.proto.
std::string EncodeExample(const DetectionExample& example);

/// Reads what EncodeExample and TAO's own converter write; features by other names are ignored.
/// kInvalidArgument for records of other tools (TensorFlow's Object Detection API, DetectNet_v2),
/// which are named with the way on. kDataLoss naming the feature when the bytes are no Example, a
/// feature has another type, a needed one is missing, lists differ in length, or classes and
/// corners hold what is not finite. Sizes are checked against the bytes before anything is
/// allocated.
absl::StatusOr<DetectionExample> DecodeExample(absl::string_view bytes);

}  // namespace trainyard
