#include "libs/tasks/detection/detection_evaluator.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/data/box_truth.h"
#include "libs/data/preprocess.h"
#include "libs/model/model.h"
#include "libs/tasks/detection/average_precision.h"
#include "libs/tasks/detection/detection_evaluation.h"

namespace trainyard::tasks {
namespace {

using model::v1::ModelRecord;
using model::v1::Preprocess;

absl::Status Check(const ModelRecord& record, const EvaluationPlan& plan) {
  Problems problems;
  if (record.classes().empty()) problems.Add("classes", "is empty; expected at least one class");
  if (!(plan.iou_threshold > 0 && plan.iou_threshold < 1)) {
    problems.Add("matching_iou_threshold", "is %g; expected above 0 and below 1",
                 plan.iou_threshold);
  }
  return problems.ToStatus();
}

// TAO compares whole pixels: std::nearbyint rounds half to even, as NumPy does.
float ToPixel(float normalised, int size) {
  return std::clamp(std::nearbyint(normalised * static_cast<float>(size)), 0.0f,
                    static_cast<float>(size));
}

data::Detection InNetworkPixels(data::Detection one, const Preprocess& preprocess) {
  const int w = preprocess.width(), h = preprocess.height();
  one.box = {ToPixel(one.box.x1, w), ToPixel(one.box.y1, h), ToPixel(one.box.x2, w),
             ToPixel(one.box.y2, h)};
  return one;
}

// The rule that is shown beside another: published numbers need both.
Matching OtherThan(Matching matching) {
  return matching == Matching::kTao ? Matching::kVoc : Matching::kTao;
}

class DetectionEvaluator final : public Evaluator {
 public:
  DetectionEvaluator(const Decoder& decoder, const ModelRecord& record, const EvaluationPlan& plan,
                     std::optional<ExplanationOptions> explanation)
      : decoder_(decoder),
        preprocess_(record.preprocess()),
        plan_(plan),
        ap_(trainyard::ClassesOf(record), plan) {
    if (explanation)
      explainer_.emplace(trainyard::ClassesOf(record), plan, *std::move(explanation));
    if (plan.matching == Matching::kCoco) return;
    EvaluationPlan other = plan;
    other.matching = OtherThan(plan.matching);
    beside_.emplace(trainyard::ClassesOf(record), other);
  }

  std::vector<std::string> output_names() const override { return decoder_.output_names(); }

  absl::Status Add(const data::Batch& batch, absl::Span<const Tensor> outputs) override {
    TY_ASSIGN_OR_RETURN(auto found, DecodeBatch(decoder_, outputs, batch.samples.size()));
    for (size_t i = 0; i < found.size(); ++i) {
      Judge(batch.samples[i], batch.indices[i], std::move(found[i]));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::shared_ptr<const Evaluation>> Finish() override {
    result_->ap = ap_.Compute();
    result_->matching = plan_.matching;
    result_->ap_mode = plan_.ap_mode;
    result_->pr_curve = plan_.pr_curve;
    if (beside_) {
      result_->beside = beside_->Compute();
      result_->beside_matching = OtherThan(plan_.matching);
    }
    if (explainer_) result_->explanation = explainer_->Finish(ap_.judged());
    return std::move(result_);
  }

 private:
  // `detections` are normalised.
  void Judge(const data::PreparedSample& sample, int64_t index,
             std::vector<data::Detection> detections) {
    const std::vector<data::LabelledBox>& objects = data::BoxesOf(sample.sample.truth.get());
    result_->objects += static_cast<int64_t>(objects.size());
    result_->detections += static_cast<int64_t>(detections.size());
    // Those that the input still holds, in pixels of the original and of the input.
    std::vector<data::LabelledBox> held, scaled;
    for (const data::LabelledBox& one : objects) {
      for (const data::LabelledBox& moved :
           data::BoxesToInput({&one, 1}, sample.size, preprocess_)) {
        held.push_back(one);
        scaled.push_back(moved);
      }
    }
    std::vector<data::Detection> rounded;
    for (const data::Detection& one : detections)
      rounded.push_back(InNetworkPixels(one, preprocess_));
    ScaleToImage(detections, sample.size);
    const bool tao = plan_.matching == Matching::kTao;
    ExplainedImage image{.index = index,
                         .name = sample.sample.id,
                         .objects = objects,
                         .compared_objects = objects,
                         .detections = detections,
                         .compared_detections = detections};
    if (tao) {
      image.objects = held;
      image.compared_objects = scaled;
      image.compared_detections = rounded;
    }
    image.verdicts = ap_.Add(image.compared_objects, image.compared_detections);
    if (explainer_) explainer_->Add(image);
    if (beside_ && tao) beside_->Add(objects, detections);
    if (beside_ && !tao) beside_->Add(scaled, rounded);
  }

  const Decoder& decoder_;
  const Preprocess preprocess_;
  const EvaluationPlan plan_;
  AveragePrecision ap_;
  std::optional<AveragePrecision> beside_;
  std::optional<Explainer> explainer_;
  std::shared_ptr<DetectionEvaluation> result_ = std::make_shared<DetectionEvaluation>();
};

}  // namespace

absl::StatusOr<std::unique_ptr<Evaluator>> MakeDetectionEvaluator(
    const Decoder& decoder, const ModelRecord& record, const EvaluationPlan& plan,
    std::optional<ExplanationOptions> explanation) {
  TY_RETURN_IF_ERROR(Check(record, plan));
  return std::make_unique<DetectionEvaluator>(decoder, record, plan, std::move(explanation));
}

}  // namespace trainyard::tasks
