#include "libs/tasks/detection/confusion.h"

#include <algorithm>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/json.h"
#include "libs/tasks/detection/match_boxes.h"

namespace trainyard::tasks {
namespace {

struct Pair {
  double iou = 0;
  size_t object = 0, detection = 0;
};

// Largest overlap first, then the order of the detections, which are best first.
bool Before(const Pair& a, const Pair& b) {
  return std::tuple(-a.iou, a.detection, a.object) < std::tuple(-b.iou, b.detection, b.object);
}

// Background, for what is not paired.
constexpr int kNone = -1;

// The object of each detection.
std::vector<int> PairUp(absl::Span<const data::LabelledBox> objects,
                        absl::Span<const data::Detection> detections, double iou_threshold) {
  std::vector<Pair> pairs;
  for (size_t d = 0; d < detections.size(); ++d) {
    for (size_t o = 0; o < objects.size(); ++o) {
      const double iou = PreciseIoU(detections[d].box, objects[o].box);
      if (iou >= iou_threshold) pairs.push_back({iou, o, d});
    }
  }
  std::sort(pairs.begin(), pairs.end(), Before);
  std::vector<int> object_of(detections.size(), kNone);
  std::vector<bool> taken(objects.size());
  for (const Pair& pair : pairs) {
    if (taken[pair.object] || object_of[pair.detection] != kNone) continue;
    taken[pair.object] = true;
    object_of[pair.detection] = static_cast<int>(pair.object);
  }
  return object_of;
}

}  // namespace

DetectionConfusion::DetectionConfusion(int classes, double iou_threshold, double score_threshold)
    : iou_threshold_(iou_threshold),
      score_threshold_(score_threshold),
      counts_(classes + 1, std::vector<int64_t>(classes + 1)) {}

void DetectionConfusion::Add(absl::Span<const data::LabelledBox> objects,
                             absl::Span<const data::Detection> detections) {
  const auto background = static_cast<int>(counts_.size()) - 1;
  const auto known = [&](int class_id) { return class_id >= 1 && class_id <= background; };
  std::vector<data::LabelledBox> counted, difficult;
  for (const data::LabelledBox& one : objects) {
    if (known(one.class_id)) (one.difficult ? difficult : counted).push_back(one);
  }
  std::vector<data::Detection> found;
  for (const data::Detection& one : detections) {
    if (known(one.class_id) && one.score >= static_cast<float>(score_threshold_))
      found.push_back(one);
  }
  std::stable_sort(
      found.begin(), found.end(),
      [](const data::Detection& a, const data::Detection& b) { return a.score > b.score; });
  const std::vector<int> object_of = PairUp(counted, found, iou_threshold_);
  std::vector<bool> missed(counted.size(), true);
  for (size_t d = 0; d < found.size(); ++d) {
    const int column = found[d].class_id - 1;
    if (object_of[d] != kNone) {
      missed[object_of[d]] = false;
      ++counts_[counted[object_of[d]].class_id - 1][column];
    } else if (std::none_of(difficult.begin(), difficult.end(), [&](const data::LabelledBox& one) {
                 return PreciseIoU(found[d].box, one.box) >= iou_threshold_;
               })) {
      ++counts_[background][column];
    }
  }
  for (size_t o = 0; o < counted.size(); ++o) {
    if (missed[o]) ++counts_[counted[o].class_id - 1][background];
  }
}

std::string DetectionConfusion::Json(const std::vector<std::string>& classes) const {
  std::vector<std::string> labels, rows;
  for (const std::string& name : classes) labels.push_back(JsonText(name));
  labels.push_back(JsonText("background"));
  for (const std::vector<int64_t>& row : counts_) {
    rows.push_back(absl::StrCat("[", absl::StrJoin(row, ", "), "]"));
  }
  return JsonObject({{"iou", JsonNumber(iou_threshold_)},
                     {"score", JsonNumber(score_threshold_)},
                     {"labels", absl::StrCat("[", absl::StrJoin(labels, ", "), "]")},
                     {"counts", absl::StrCat("[", absl::StrJoin(rows, ", "), "]")}});
}

}  // namespace trainyard::tasks
