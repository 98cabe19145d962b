#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace trainyard::data {

/// The forms of labelled records, told apart by the names of their features.
enum class RecordForm {
  /// TAO's converter for the detectors that train from records alone, and ours: frame/encoded,
  /// target/object_class_id.
  kTao,
  /// TAO's converter for DetectNet_v2: frame/id is the path of the picture, target/object_class.
  kDetectNet,
  /// TensorFlow's Object Detection API: image/encoded, image/object/bbox/xmin. TAO's EfficientDet and
  /// Mask R-CNN have it too.
  kObjectDetection,
};
/// What a message calls it: "a record of TAO's converter with its picture".
absl::string_view NameOf(RecordForm form);

/// One image and its objects as a tf.train.Example stores them. The lists have one element an object,
/// or are empty.
struct DetectionExample {
  /// `<image folder>/<frame>` without extension. May be empty in kObjectDetection.
  std::string id;
  /// Pixels of the original. Both 0 when the record does not tell (kObjectDetection).
  int64_t height = 0, width = 0;
  /// The bytes of the image file, unchanged; empty in kDetectNet.
  std::string encoded;
  /// 1-based; stored as float. In kTao, of which the records hold numbers.
  std::vector<float> class_ids;
  std::vector<float> truncation;
  std::vector<int64_t> occlusion;
  std::vector<float> observation_angle;
  /// Divided by the image's width or height, whatever the form stores; not clipped.
  std::vector<float> x1, y1, x2, y2;
  /// Columns 9 to 15 of KITTI.
  std::vector<float> world_h, world_w, world_l, world_x, world_y, world_z, world_rot_y;
  RecordForm form = RecordForm::kTao;
  /// The label class of each object, in the two forms that hold names. An object of kObjectDetection
  /// that has a number alone is called by it.
  std::vector<std::string> class_names;

  size_t objects() const { return form == RecordForm::kTao ? class_ids.size() : class_names.size(); }
};

/// The serialized tf.train.Example in the form kTao: the features of TAO by name, sorted, numeric
/// lists packed. Deterministic.
std::string EncodeExample(const DetectionExample& example);

/// Reads a record of any of the forms; features by other names are ignored. In kObjectDetection an
/// object that is difficult, or stands for a crowd, is occluded.
///
/// kInvalidArgument for records that mix the features of two forms, and for records of
/// classification. kDataLoss naming the feature when the bytes are no Example, a feature has another
/// type, a needed one is missing, lists differ in length, or classes and corners hold what is not
/// finite. Sizes are checked against the bytes before anything is allocated.
///
/// Source: TAO's `dataset_convert`; models/research/object_detection/dataset_tools of TensorFlow.
absl::StatusOr<DetectionExample> DecodeExample(absl::string_view bytes);

}  // namespace trainyard::data
