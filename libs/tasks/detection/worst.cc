#include "libs/tasks/detection/worst.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "libs/base/json.h"

namespace trainyard::tasks {
namespace {

// Puts `one` where `before` wants it; the last one goes when there are too many.
template <typename Before>
void Keep(std::vector<WorstCase>& kept, WorstCase one, const Before& before) {
  const auto place = std::upper_bound(kept.begin(), kept.end(), one, before);
  if (place == kept.end() && kept.size() >= kWorstTold) return;
  kept.insert(place, std::move(one));
  if (kept.size() > kWorstTold) kept.pop_back();
}

bool ScoresHigher(const WorstCase& a, const WorstCase& b) { return a.score > b.score; }
bool IsLarger(const WorstCase& a, const WorstCase& b) { return AreaOf(a.box) > AreaOf(b.box); }

std::string JsonOf(const WorstCase& one, const std::vector<std::string>& classes,
                   const std::string& picture) {
  const data::Box& box = one.box;
  JsonMembers members = {
      {"image", JsonText(one.image)},
      {"class", JsonText(classes[one.class_id - 1])},
      {"score", JsonNumber(one.score)},
      {"box", absl::StrCat("[", JsonNumber(box.x1), ", ", JsonNumber(box.y1), ", ",
                           JsonNumber(box.x2), ", ", JsonNumber(box.y2), "]")},
      {"best_iou", JsonNumber(one.best_iou)}};
  if (!picture.empty()) members.emplace_back("picture", JsonText(picture));
  return JsonObject(members);
}

std::string JsonOf(const std::vector<WorstCase>& cases, bool misses,
                   const std::vector<std::string>& classes, bool drawn) {
  std::vector<std::string> texts;
  for (size_t i = 0; i < cases.size(); ++i) {
    const bool has_picture = drawn && i < kWorstDrawn;
    texts.push_back(JsonOf(cases[i], classes, has_picture ? WorstPictureName(misses, i) : ""));
  }
  return absl::StrCat("[", absl::StrJoin(texts, ", "), "]");
}

}  // namespace

WorstCases::WorstCases(double iou_threshold, double score_threshold)
    : iou_threshold_(iou_threshold), score_threshold_(score_threshold) {}

void WorstCases::Add(int64_t image_index, const std::string& image,
                     absl::Span<const data::LabelledBox> objects,
                     absl::Span<const data::Detection> detections, const ImageVerdicts& verdicts) {
  for (size_t d = 0; d < detections.size(); ++d) {
    if (verdicts.detections[d] != Verdict::kFalsePositive) continue;
    const data::Detection& found = detections[d];
    WorstCase one{image_index, image, found.box, found.class_id, found.score, 0};
    if (false_positives_.size() >= kWorstTold && !ScoresHigher(one, false_positives_.back())) {
      continue;
    }
    for (const data::LabelledBox& object : objects) {
      if (object.class_id != found.class_id) continue;
      one.best_iou = std::max(one.best_iou, PreciseIoU(found.box, object.box));
    }
    Keep(false_positives_, std::move(one), ScoresHigher);
  }
  for (size_t o = 0; o < objects.size(); ++o) {
    const data::LabelledBox& object = objects[o];
    if (object.difficult || object.class_id < 1) continue;
    if (verdicts.found_score[o] >= static_cast<float>(score_threshold_)) continue;
    WorstCase one{image_index, image, object.box, object.class_id, 0, 0};
    for (const data::Detection& found : detections) {
      if (found.class_id != object.class_id) continue;
      const double iou = PreciseIoU(found.box, object.box);
      one.best_iou = std::max(one.best_iou, iou);
      if (iou >= iou_threshold_) one.score = std::max<double>(one.score, found.score);
    }
    Keep(misses_, std::move(one), IsLarger);
  }
}

std::string WorstCases::Json(const std::vector<std::string>& classes, bool drawn) const {
  return JsonObject({{"score_threshold", JsonNumber(score_threshold_)},
                     {"false_positives", JsonOf(false_positives_, false, classes, drawn)},
                     {"misses", JsonOf(misses_, true, classes, drawn)}});
}

std::string WorstPictureName(bool miss, size_t place) {
  return absl::StrFormat("worst_%s_%02d.jpg", miss ? "miss" : "false_positive",
                         static_cast<int>(place) + 1);
}

}  // namespace trainyard::tasks
