#include "libs/tasks/detection/detection_task.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/data/box_truth.h"
#include "libs/tasks/detection/decoder.h"
#include "libs/tasks/detection/detection_writer.h"
#include "libs/tasks/detection/evaluation_plan.h"
#include "libs/tasks/draw.h"

namespace trainyard::tasks {
namespace {

class Detecting final : public Task {
 public:
  absl::string_view name() const override { return "detection"; }
  const char* predicting() const override { return "finding objects"; }

  absl::Status CheckChoices(const EvaluationChoices& choices) const override {
    const std::vector<std::string> known = {"tao", "voc", "coco"};
    if (MatchingFromName(choices.matching).ok()) return absl::OkStatus();
    Problems problems;
    problems.Add("options.matching", "is '%s'; expected one of %s%s", choices.matching,
                 absl::StrJoin(known, ", "), DidYouMean(choices.matching, known));
    return problems.ToStatus();
  }
  EvaluationNames Names(const std::vector<std::string>& classes) const override {
    EvaluationNames names{.columns = {"mAP"}, .primary_title = "mean average precision"};
    for (const std::string& name : classes) names.columns.push_back(absl::StrCat("AP_", name));
    return names;
  }

  absl::Status DrawTruth(const data::Truth& truth, Tensor& picture) const override {
    for (const data::LabelledBox& box : data::BoxesOf(&truth)) {
      if (box.neutral) continue;
      TY_RETURN_IF_ERROR(DrawBox(picture, box.box, {255, 0, 0}, ""));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::unique_ptr<PredictionWriter>> MakeWriter(
      const Head& head, const model::v1::ModelRecord& record,
      PredictionOptions options) const override {
    TY_ASSIGN_OR_RETURN(const Decoder* decoder, DecoderOf(head));
    return MakeDetectionWriter(*decoder, record, std::move(options));
  }
};

}  // namespace

const Task& DetectionTask() {
  static const Detecting kTask;
  return kTask;
}

}  // namespace trainyard::tasks
