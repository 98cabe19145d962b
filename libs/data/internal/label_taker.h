#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "libs/data/image_io.h"
#include "libs/data/kitti.h"
#include "libs/data/ledger.h"

namespace trainyard::data::internal {

/// Takes or refuses the objects of one image by the rules that all formats of labels share: a box
/// has width and height after its corners are truncated to integers, and a pixel in its picture.
class LabelTaker {
 public:
  /// `image` goes into the entries; without `size` boxes are not held against the picture.
  LabelTaker(std::string image, const std::optional<ImageSize>& size)
      : image_(std::move(image)), size_(size) {}

  /// Counts a line (a box) that was looked at.
  void CountLine() { ++labels_.lines; }
  int64_t lines() const { return labels_.lines; }

  void Refuse(const std::string& place, Refusal reason, std::string text);

  /// `corners` are the box's, truncated. `index` and `degenerate_text`, which says why a box has no
  /// width or height, are for one that is degenerate.
  void Take(KittiObject object, const std::array<int, 4>& corners, int64_t index,
            const std::string& place, const std::function<std::string()>& degenerate_text);
  /// With corners from the box, as formats have them that KITTI's columns do not.
  void Take(KittiObject object, int64_t index, const std::string& place);

  Findings& findings() { return labels_.findings; }
  KittiLabels Finish() { return std::move(labels_); }

 private:
  const std::string image_;
  const std::optional<ImageSize> size_;
  KittiLabels labels_;
  std::set<std::tuple<std::string, float, float, float, float>> seen_;
};

}  // namespace trainyard::data::internal
