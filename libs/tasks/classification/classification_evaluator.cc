#include "libs/tasks/classification/classification_evaluator.h"

#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/data/class_truth.h"
#include "libs/model/model.h"
#include "libs/tasks/classification/classification_evaluation.h"

namespace trainyard::tasks {
namespace {

// How many classes come before `class_id` by probability, the lower one first among equals.
int PlaceOf(size_t class_id, absl::Span<const float> probabilities) {
  int place = 0;
  for (size_t i = 0; i < probabilities.size(); ++i) {
    const float here = probabilities[i], own = probabilities[class_id];
    place += here > own || (here == own && i < class_id);
  }
  return place;
}

class ClassificationEvaluator final : public Evaluator {
 public:
  ClassificationEvaluator(const ClassifierHead& head, const ModelRecord& record, int top_k)
      : head_(head) {
    result_->classes = trainyard::ClassesOf(record);
    const size_t classes = result_->classes.size();
    result_->counts.resize(classes);
    if (classes <= kMostMatrixClasses) result_->confusion.resize(classes * classes);
    result_->top_k = top_k;
  }

  std::vector<std::string> output_names() const override { return head_.output_names(); }

  absl::Status Add(const data::Batch& batch, absl::Span<const Tensor> outputs) override {
    const size_t classes = result_->classes.size();
    TY_ASSIGN_OR_RETURN(const Tensor probabilities,
                        CheckedProbabilities(head_, batch, outputs, static_cast<int64_t>(classes)));
    for (size_t i = 0; i < batch.samples.size(); ++i) {
      const data::Sample& sample = batch.samples[i].sample;
      const std::optional<int> truth = data::ClassIdOf(sample.truth.get());
      if (!truth || *truth < 0 || *truth >= static_cast<int>(classes)) {
        return absl::InternalError(
            absl::StrCat(sample.id, ": its class is none of the model's ", classes));
      }
      Count(static_cast<size_t>(*truth), probabilities.data<float>().subspan(i * classes, classes));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::shared_ptr<const Evaluation>> Finish() override { return std::move(result_); }

 private:
  void Count(size_t truth, absl::Span<const float> probabilities) {
    const auto told = static_cast<size_t>(BestClass(probabilities));
    ++result_->images;
    ++result_->counts[truth].support;
    ++result_->counts[told].predicted;
    if (told == truth) {
      ++result_->counts[truth].correct;
      ++result_->correct;
    }
    if (PlaceOf(truth, probabilities) < result_->top_k) ++result_->top_k_correct;
    if (!result_->confusion.empty()) {
      ++result_->confusion[truth * result_->classes.size() + told];
    }
  }

  const ClassifierHead& head_;
  std::shared_ptr<ClassificationEvaluation> result_ = std::make_shared<ClassificationEvaluation>();
};

}  // namespace

absl::StatusOr<std::unique_ptr<Evaluator>> MakeClassificationEvaluator(
    const ClassifierHead& head, const model::v1::ModelRecord& record, int top_k) {
  Problems problems;
  if (record.classes().empty()) problems.Add("classes", "is empty; expected at least one class");
  if (top_k < 1) problems.Add("top_k", "is %d; expected at least 1", top_k);
  TY_RETURN_IF_ERROR(problems.ToStatus());
  return std::make_unique<ClassificationEvaluator>(head, record, top_k);
}

}  // namespace trainyard::tasks
