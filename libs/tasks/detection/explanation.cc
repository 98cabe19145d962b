#include "libs/tasks/detection/explanation.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/tasks/detection/bootstrap.h"
#include "libs/tasks/detection/calibration_bins.h"
#include "libs/tasks/detection/f1_curve.h"
#include "libs/tasks/detection/judged_file.h"
#include "libs/tasks/detection/match_boxes.h"

namespace trainyard::tasks {
namespace {

std::string JsonOf(const ApIntervals& intervals, const std::vector<std::string>& classes) {
  JsonMembers members = {{"level", JsonNumber(intervals.level)},
                         {"resamples", absl::StrCat(intervals.resamples)},
                         {"mAP", JsonOf(intervals.mean)}};
  for (size_t c = 0; c < classes.size(); ++c) {
    members.emplace_back("AP_" + classes[c], JsonOf(intervals.classes[c]));
  }
  return JsonObject(members);
}

template <typename Boxes>
std::vector<double> AreasOf(const Boxes& boxes) {
  std::vector<double> areas;
  for (const auto& one : boxes) areas.push_back(AreaOf(one.box));
  return areas;
}

}  // namespace

absl::StatusOr<std::vector<std::pair<std::string, std::string>>> Explanation::Files() const {
  auto all = files;
  if (read == nullptr) return all;
  TY_ASSIGN_OR_RETURN(auto pictures, DrawWorstCases(worst, classes, read));
  for (auto& picture : pictures) all.push_back(std::move(picture));
  return all;
}

Explainer::Explainer(std::vector<std::string> classes, const EvaluationPlan& plan,
                     ExplanationOptions options)
    : classes_(std::move(classes)),
      options_(std::move(options)),
      sizes_(classes_, plan),
      confusion_(static_cast<int>(classes_.size()), plan.iou_threshold, kShownScore),
      worst_(plan.iou_threshold, kShownScore) {}

void Explainer::Add(const ExplainedImage& image) {
  images_.push_back(image.name);
  sizes_.Add(image.compared_objects, image.compared_detections, AreasOf(image.objects),
             AreasOf(image.detections));
  confusion_.Add(image.compared_objects, image.compared_detections);
  worst_.Add(image.index, image.name, image.objects, image.detections, image.verdicts);
}

Explanation Explainer::Finish(const JudgedSet& judged) {
  Explanation result{.worst = worst_, .classes = classes_, .read = options_.read};
  const ApIntervals intervals = IntervalsOf(judged, {.threads = options_.threads});
  std::optional<std::string> file = EncodeJudged(judged, images_);
  result.json = {{"intervals", JsonOf(intervals, classes_)},
                 {"sizes", tasks::JsonOf(sizes_.Compute())},
                 {"confusion", confusion_.Json(classes_)},
                 {"f1", F1Json(judged)},
                 {"calibration", CalibrationJson(judged)},
                 {"worst", worst_.Json(classes_, options_.read != nullptr)},
                 {"judged", file ? JsonText(kJudgedFile) : "null"}};
  if (file) result.files.emplace_back(kJudgedFile, *std::move(file));
  return result;
}

}  // namespace trainyard::tasks
