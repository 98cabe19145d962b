#include "libs/data/internal/label_taker.h"

#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/printable.h"

namespace trainyard::data::internal {
namespace {

std::string OfType(const KittiObject& object) {
  return absl::StrCat(" of '", Shown(object.type), "'");
}

}  // namespace

void LabelTaker::Refuse(const std::string& place, Refusal reason, std::string text) {
  labels_.refused.push_back(
      {.place = place, .image = image_, .reason = reason, .text = std::move(text)});
}

void LabelTaker::Take(KittiObject object, const std::array<int, 4>& corners, int64_t index,
                      const std::string& place,
                      const std::function<std::string()>& degenerate_text) {
  if (corners[0] >= corners[2] || corners[1] >= corners[3]) {
    Refuse(place, Refusal::kDegenerateBox, degenerate_text());
    labels_.degenerate.push_back({.index = index, .corners = corners});
    return;
  }
  Findings& findings = labels_.findings;
  if (size_ && !findings.AddBox(object.box, *size_, place)) {
    Refuse(place, Refusal::kOutsidePicture, OutsideText(object.box, OfType(object), *size_));
    return;
  }
  if (object.occluded != std::trunc(object.occluded)) findings.fraction.Add(place);
  const Box& b = object.box;
  if (!seen_.insert({object.type, b.x1, b.y1, b.x2, b.y2}).second) findings.duplicate.Add(place);
  labels_.objects.push_back(std::move(object));
}

void LabelTaker::Take(KittiObject object, int64_t index, const std::string& place) {
  const Box& b = object.box;
  const std::array<int, 4> corners = {static_cast<int>(b.x1), static_cast<int>(b.y1),
                                      static_cast<int>(b.x2), static_cast<int>(b.y2)};
  const std::string text = DegenerateText(b, OfType(object));
  Take(std::move(object), corners, index, place, [&] { return text; });
}

}  // namespace trainyard::data::internal
