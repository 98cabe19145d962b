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

namespace trainyard {
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

Detection InNetworkPixels(Detection one, const Preprocess& preprocess) {
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
  DetectionEvaluator(const Decoder& decoder, const ModelRecord& record, const EvaluationPlan& plan)
      : decoder_(decoder),
        preprocess_(record.preprocess()),
        plan_(plan),
        ap_(ClassesOf(record), plan) {
    if (plan.matching == Matching::kCoco) return;
    EvaluationPlan other = plan;
    other.matching = OtherThan(plan.matching);
    beside_.emplace(ClassesOf(record), other);
  }

  std::vector<std::string> output_names() const override { return decoder_.output_names(); }

  absl::Status Add(const Batch& batch, absl::Span<const Tensor> outputs) override {
    TY_ASSIGN_OR_RETURN(auto found, DecodeBatch(decoder_, outputs, batch.samples.size()));
    for (size_t i = 0; i < found.size(); ++i) {
      const PreparedSample& sample = batch.samples[i];
      Judge(BoxesOf(sample.sample.truth.get()), sample.size, std::move(found[i]));
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
    return std::move(result_);
  }

 private:
  // `objects` in pixels of an image of `size`.
  void Judge(absl::Span<const LabelledBox> objects, ImageSize size,
             std::vector<Detection> detections) {
    result_->objects += static_cast<int64_t>(objects.size());
    result_->detections += static_cast<int64_t>(detections.size());
    const std::vector<LabelledBox> scaled = BoxesToInput(objects, size, preprocess_);
    std::vector<Detection> rounded;
    for (const Detection& one : detections) rounded.push_back(InNetworkPixels(one, preprocess_));
    ScaleToImage(detections, size);
    const auto add = [&](Matching matching, AveragePrecision& ap) {
      if (matching == Matching::kTao) {
        ap.Add(scaled, rounded);
      } else {
        ap.Add(objects, detections);
      }
    };
    add(plan_.matching, ap_);
    if (beside_) add(OtherThan(plan_.matching), *beside_);
  }

  const Decoder& decoder_;
  const Preprocess preprocess_;
  const EvaluationPlan plan_;
  AveragePrecision ap_;
  std::optional<AveragePrecision> beside_;
  std::shared_ptr<DetectionEvaluation> result_ = std::make_shared<DetectionEvaluation>();
};

}  // namespace

absl::StatusOr<std::unique_ptr<Evaluator>> MakeDetectionEvaluator(const Decoder& decoder,
                                                                  const ModelRecord& record,
                                                                  const EvaluationPlan& plan) {
  TY_RETURN_IF_ERROR(Check(record, plan));
  return std::make_unique<DetectionEvaluator>(decoder, record, plan);
}

}  // namespace trainyard
