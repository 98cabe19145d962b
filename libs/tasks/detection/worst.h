#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "libs/data/box.h"
#include "libs/data/sample.h"
#include "libs/tasks/detection/average_precision.h"

namespace trainyard::tasks {

/// What went most wrong of a kind is told of so many, and drawn of so many.
inline constexpr size_t kWorstTold = 24;
inline constexpr size_t kWorstDrawn = 6;

/// A detection of nothing, or an object that was not found.
struct WorstCase {
  /// In the source, and its name there.
  int64_t image_index = 0;
  std::string image;
  /// Pixels of the original picture.
  data::Box box;
  int class_id = 0;
  /// Of the detection; of an object, the highest of those that overlap it at the plan's IoU and are
  /// of its class, 0 = none.
  double score = 0;
  /// The largest with an object (a detection) of the same class in the image; 0 when there is none.
  double best_iou = 0;
};

/// Keeps the worst of what was seen: the false positives of the highest scores, and the largest
/// objects that no detection at or above `score_threshold` found. Among equals the first.
/// O(kWorstTold) memory. Not thread-safe.
class WorstCases {
 public:
  WorstCases(double iou_threshold, double score_threshold);

  /// The next image. Boxes in pixels of the original picture; `verdicts` are of the same lists.
  void Add(int64_t image_index, const std::string& image,
           absl::Span<const data::LabelledBox> objects,
           absl::Span<const data::Detection> detections, const ImageVerdicts& verdicts);

  /// Worst first.
  const std::vector<WorstCase>& false_positives() const { return false_positives_; }
  const std::vector<WorstCase>& misses() const { return misses_; }

  /// `{"score_threshold": 0.3, "false_positives": [{"image": "images/1", "class": "nut", "score":
  /// 0.9, "box": [x1, y1, x2, y2], "best_iou": 0.4, "picture": "worst_false_positive_01.jpg"}],
  /// "misses":
  /// [...]}`; a case that is not drawn has no picture. An image's name is UTF-8 as JsonText makes
  /// it.
  std::string Json(const std::vector<std::string>& classes, bool drawn) const;

 private:
  double iou_threshold_, score_threshold_;
  std::vector<WorstCase> false_positives_, misses_;
};

/// Pictures of the first kWorstDrawn of both, as JPEGs by the names that Json has: a window of at
/// least 640 pixels around the case (the whole picture when it is smaller), shrunk to at most 640 a
/// side; the case in red, with its class and score or "missed"; the labelled objects of the image
/// in white. Reads each image again by `read`; one that can no longer be read is left out.
///
/// OpenCV's own letters are ASCII (its module for others comes in Debian with Qt, HDF5 and an OCR):
/// a class with another name stands in the tag by its number.
absl::StatusOr<std::vector<std::pair<std::string, std::string>>> DrawWorstCases(
    const WorstCases& worst, const std::vector<std::string>& classes,
    const std::function<absl::StatusOr<data::Sample>(int64_t)>& read);

/// "worst_false_positive_01.jpg" of the first, "worst_miss_01.jpg".
std::string WorstPictureName(bool miss, size_t place);

}  // namespace trainyard::tasks
