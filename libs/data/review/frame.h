#pragma once

#include <string>
#include <vector>

#include "libs/data/box.h"
#include "libs/data/image_io.h"
#include "libs/data/kitti_folder.h"

namespace trainyard::data {

/// A labelled object, from whatever form of labels.
struct ReviewBox {
  /// As ClassKey (libs/data/class_map.h) makes it.
  std::string class_name;
  /// Pixels of the upright picture.
  Box box;
};

/// A picture of a set and what is labelled in it: all that a review wants of a reader of data sets.
struct ReviewFrame {
  /// What findings call it: "train/images/000012.jpg".
  std::string id;
  std::string image_path;
  /// Of the upright picture.
  ImageSize size;
  std::vector<ReviewBox> boxes;
};

/// The frame of a reader (libs/data/formats) whose images are called `<images_shown>/<name>`. KITTI's
/// `DontCare` is no object.
ReviewFrame ReviewFrameOf(const KittiFrame& frame, const std::string& images_shown);

}  // namespace trainyard::data
