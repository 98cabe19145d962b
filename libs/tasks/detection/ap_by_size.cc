#include "libs/tasks/detection/ap_by_size.h"

#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"

namespace trainyard::tasks {
namespace {

std::vector<bool> Outside(const SizeRange& range, absl::Span<const double> areas) {
  std::vector<bool> outside;
  for (const double area : areas) outside.push_back(area < range.least || area > range.most);
  return outside;
}

void LeaveOutWithoutObjects(ApResult& result) {
  double sum = 0;
  int count = 0;
  for (ClassResult& one : result.classes) {
    if (one.objects == 0) {
      one.ap = one.ap50 = std::numeric_limits<double>::quiet_NaN();
      continue;
    }
    sum += one.ap;
    ++count;
  }
  result.mean_ap = count == 0 ? std::numeric_limits<double>::quiet_NaN() : sum / count;
}

}  // namespace

ApBySize::ApBySize(const std::vector<std::string>& classes, const EvaluationPlan& plan)
    : ranges_(kSizeRanges.size(), AveragePrecision(classes, plan)) {}

void ApBySize::Add(absl::Span<const data::LabelledBox> objects,
                   absl::Span<const data::Detection> detections,
                   absl::Span<const double> object_areas,
                   absl::Span<const double> detection_areas) {
  for (size_t i = 0; i < ranges_.size(); ++i) {
    const OutOfRange outside{.objects = Outside(kSizeRanges[i], object_areas),
                             .detections = Outside(kSizeRanges[i], detection_areas)};
    ranges_[i].Add(objects, detections, &outside);
  }
}

std::array<ApResult, 3> ApBySize::Compute() const {
  std::array<ApResult, 3> sizes;
  for (size_t i = 0; i < ranges_.size(); ++i) {
    sizes[i] = ranges_[i].Compute();
    LeaveOutWithoutObjects(sizes[i]);
  }
  return sizes;
}

std::string JsonOf(const std::array<ApResult, 3>& sizes) {
  JsonMembers members;
  for (size_t i = 0; i < sizes.size(); ++i) {
    int64_t objects = 0;
    JsonMembers range, aps;
    for (const ClassResult& one : sizes[i].classes) {
      objects += one.objects;
      aps.emplace_back("AP_" + one.name, JsonNumber(one.ap));
    }
    range.emplace_back("objects", absl::StrCat(objects));
    range.emplace_back("mAP", JsonNumber(sizes[i].mean_ap));
    range.insert(range.end(), aps.begin(), aps.end());
    members.emplace_back(kSizeRanges[i].name, JsonObject(range));
  }
  return JsonObject(members);
}

}  // namespace trainyard::tasks
