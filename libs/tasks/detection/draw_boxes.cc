#include "libs/tasks/detection/draw_boxes.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/tasks/draw.h"

namespace trainyard::tasks {
namespace {

std::string ClassName(absl::Span<const std::string> classes, int class_id) {
  if (class_id >= 1 && class_id <= static_cast<int>(classes.size())) return classes[class_id - 1];
  return absl::StrCat("class ", class_id);
}

}  // namespace

absl::Status DrawDetections(Tensor& image, absl::Span<const data::Detection> detections,
                            absl::Span<const std::string> classes) {
  std::vector<data::Detection> order(detections.begin(), detections.end());
  std::stable_sort(
      order.begin(), order.end(),
      [](const data::Detection& a, const data::Detection& b) { return a.score < b.score; });
  for (const data::Detection& one : order) {
    const std::string tag =
        absl::StrFormat("%s: %.2f", ClassName(classes, one.class_id), one.score);
    const absl::Status status = DrawBox(image, one.box, ColorOf(one.class_id), tag);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status DrawObjects(Tensor& image, absl::Span<const data::LabelledBox> objects,
                         absl::Span<const std::string> classes) {
  for (const data::LabelledBox& one : objects) {
    data::Box outer = one.box;
    outer.x1 -= 1, outer.y1 -= 1, outer.x2 += 1, outer.y2 += 1;
    const std::string tag =
        absl::StrCat(ClassName(classes, one.class_id), one.difficult ? "*" : "");
    absl::Status status = DrawBox(image, outer, {0, 0, 0}, "");
    if (status.ok()) status = DrawBox(image, one.box, {255, 255, 255}, tag);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace trainyard::tasks
