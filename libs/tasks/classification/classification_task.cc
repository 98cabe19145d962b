#include "libs/tasks/classification/classification_task.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/json.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/data/class_truth.h"
#include "libs/tasks/classification/classification_writer.h"
#include "libs/tasks/classification/classifier_head.h"
#include "libs/tasks/draw.h"

namespace trainyard::tasks {
namespace {

class Classifying final : public Task {
 public:
  absl::string_view name() const override { return "classification"; }
  bool reads_folders_below() const override { return true; }
  const char* predicting() const override { return "classifying"; }

  absl::Status CheckChoices(const EvaluationChoices& choices) const override {
    Problems problems;
    if (!choices.matching.empty()) {
      problems.Add("options.matching", "is '%s'; it is of detections, and a classifier has none",
                   choices.matching);
    }
    return problems.ToStatus();
  }
  EvaluationNames Names(const std::vector<std::string>&) const override {
    return {.columns = {"accuracy"}, .primary_title = "accuracy"};
  }

  absl::Status DrawTruth(const data::Truth& truth, Tensor& picture) const override {
    const std::optional<int> class_id = data::ClassIdOf(&truth);
    if (!class_id) return absl::OkStatus();
    return DrawTag(picture, 0, 0, ColorOf(*class_id + 1), absl::StrCat("class ", *class_id));
  }

  absl::StatusOr<std::unique_ptr<PredictionWriter>> MakeWriter(
      const Head& head, const model::v1::ModelRecord& record,
      PredictionOptions options) const override {
    TY_ASSIGN_OR_RETURN(const ClassifierHead* classifier, ClassifierHeadOf(head));
    return MakeClassificationWriter(*classifier, record, std::move(options));
  }
};

}  // namespace

const Task& ClassificationTask() {
  static const Classifying kTask;
  return kTask;
}

std::string ClassMapJson(absl::Span<const std::string> classes) {
  JsonMembers members;
  for (size_t i = 0; i < classes.size(); ++i) members.emplace_back(classes[i], absl::StrCat(i));
  return JsonObject(members);
}

}  // namespace trainyard::tasks
