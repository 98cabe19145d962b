#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/data/kitti.h"

namespace trainyard::report {

/// One image with what is on it and what was found.
struct Picture {
  std::string name;
  /// The file's bytes, or a smaller JPEG of it; and its media type.
  std::string bytes;
  std::string media_type;
  /// Pixels of the original, in which the boxes are.
  int64_t width = 0, height = 0;
  std::vector<data::KittiObject> truth;
  /// With scores.
  std::vector<data::KittiObject> found;
};

/// Collects up to `count` images of `images_dir`, evenly over the folder, with the detections of
/// `labels_dir` (KITTI files by the images' base names) and the truth of `truth_dir` ("" or absent =
/// none). trainyard-stage-worker reads them, as ShrinkPictures says, so that no picture can end the
/// caller. kNotFound when `images_dir` or the program is not there; as worker::RunAlone.
absl::StatusOr<std::vector<Picture>> CollectPictures(const std::string& images_dir,
                                                     const std::string& labels_dir,
                                                     const std::string& truth_dir, int count,
                                                     int max_side);

/// The picture as inline SVG over a data URI: truth dashed, detections in the colour of their class
/// (by its place in `classes`) with class and score. Pure.
std::string DrawPicture(const Picture& picture, const std::vector<std::string>& classes);

}  // namespace trainyard::report
