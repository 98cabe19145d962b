#pragma once

#include <string>
#include <vector>

namespace trainyard::data {

/// An axis-aligned box by its corners. Pixels of the image it belongs to, unless said otherwise;
/// x to the right, y down; width is x2 - x1 (no +1).
struct Box {
  float x1 = 0, y1 = 0, x2 = 0, y2 = 0;
  float width() const { return x2 - x1; }
  float height() const { return y2 - y1; }
  bool operator==(const Box&) const = default;
};

/// Intersection over union; 0 when either is empty.
float IoU(const Box& a, const Box& b);

/// A labelled object. `class_id` is 1-based; 0 is background.
struct LabelledBox {
  Box box;
  int class_id = 0;
  /// KITTI occlusion != 0, COCO iscrowd: counted neither for nor against in evaluation.
  bool difficult = false;
  /// Left out of a training: what a network finds on it is neither right nor wrong.
  bool neutral = false;
};

/// What a network found. Scores in [0, 1]; `class_id` is 1-based.
struct Detection {
  Box box;
  int class_id = 0;
  float score = 0;
};

}  // namespace trainyard::data
