#include "libs/data/box.h"

#include <algorithm>

namespace trainyard::data {

float IoU(const Box& a, const Box& b) {
  const float width = std::min(a.x2, b.x2) - std::max(a.x1, b.x1);
  const float height = std::min(a.y2, b.y2) - std::max(a.y1, b.y1);
  // Written so that a NaN counts as empty too.
  if (!(width > 0 && height > 0)) return 0;
  const float intersection = width * height;
  return intersection / (a.width() * a.height() + b.width() * b.height() - intersection);
}

}  // namespace trainyard::data
