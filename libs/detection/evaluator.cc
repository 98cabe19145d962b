#include "libs/detection/evaluator.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/data/preprocess.h"
#include "libs/detection/internal/batches.h"
#include "libs/detection/internal/metrics.h"
#include "libs/detection/internal/network_call.h"

namespace trainyard {
namespace {

using model::v1::ModelRecord;
using model::v1::Preprocess;

absl::Status Check(const ModelRecord& record, const EvaluationPlan& plan,
                   const EvaluationOptions& options) {
  TY_RETURN_IF_ERROR(CheckPreprocess(record.preprocess()));
  Problems problems;
  if (record.classes().empty()) problems.Add("classes", "is empty; expected at least one class");
  if (!(plan.iou_threshold > 0 && plan.iou_threshold < 1)) {
    problems.Add("matching_iou_threshold", "is %g; expected above 0 and below 1",
                 plan.iou_threshold);
  }
  if (plan.batch_size < 1) {
    problems.Add("batch_size", "is %d; expected at least 1", plan.batch_size);
  }
  if (options.loader_threads < 1) {
    problems.Add("loader_threads", "is %d; expected at least 1", options.loader_threads);
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

// The state of one evaluation.
class Evaluation {
 public:
  Evaluation(NetworkCall network, const ModelRecord& record, const Decoder& decoder,
             const EvaluationPlan& plan, const EvaluationOptions& options)
      : network_(std::move(network)),
        preprocess_(record.preprocess()),
        decoder_(decoder),
        plan_(plan),
        options_(options),
        ap_({record.classes().begin(), record.classes().end()}, plan) {
    if (plan.matching == Matching::kCoco) return;
    EvaluationPlan other = plan;
    other.matching = OtherThan(plan.matching);
    beside_.emplace(std::vector<std::string>(record.classes().begin(), record.classes().end()),
                    other);
  }

  absl::Status Add(const InputBatch& batch) {
    for (const absl::Status& status : batch.skipped) {
      if (!options_.skipped) return status;
      options_.skipped(status);
      ++result_.images_skipped;
    }
    if (batch.samples.empty()) return absl::OkStatus();
    TY_ASSIGN_OR_RETURN(const std::vector<Tensor> outputs, network_.Run(batch.input));
    std::vector<std::vector<LabelledBox>> objects;
    for (size_t i = 0; i < batch.samples.size(); ++i) {
      objects.push_back(BoxesToInput(batch.samples[i].boxes, batch.sizes[i], preprocess_));
    }
    if (options_.raw_outputs) {
      TY_RETURN_IF_ERROR(options_.raw_outputs({.outputs = outputs, .objects = objects}));
    }
    TY_ASSIGN_OR_RETURN(const auto detections, decoder_.Decode(outputs));
    if (detections.size() != batch.samples.size()) {
      return absl::InternalError(absl::StrCat("the decoder returned ", detections.size(),
                                              " images; expected ", batch.samples.size()));
    }
    for (size_t i = 0; i < detections.size(); ++i) {
      TY_RETURN_IF_ERROR(Judge(batch, i, objects[i], detections[i]));
    }
    rate_.Note(result_.images);
    return absl::OkStatus();
  }

  absl::StatusOr<EvaluationResult> Finish() {
    result_.ap = ap_.Compute();
    result_.matching = plan_.matching;
    result_.ap_mode = plan_.ap_mode;
    if (beside_) {
      result_.beside = beside_->Compute();
      result_.beside_matching = OtherThan(plan_.matching);
    }
    result_.total_ms_per_image = rate_.MsPerImage();
    if (options_.measures_latency) {
      TY_ASSIGN_OR_RETURN(result_.latency, network_.MeasureLatency());
    }
    return std::move(result_);
  }

  int64_t images() const { return result_.images; }

 private:
  absl::Status Judge(const InputBatch& batch, size_t i, absl::Span<const LabelledBox> objects,
                     std::vector<Detection> detections) {
    const Sample& sample = batch.samples[i];
    ++result_.images;
    result_.objects += static_cast<int64_t>(sample.boxes.size());
    result_.detections += static_cast<int64_t>(detections.size());
    std::vector<Detection> rounded;
    for (const Detection& one : detections) rounded.push_back(InNetworkPixels(one, preprocess_));
    ScaleToImage(detections, batch.sizes[i]);
    const auto add = [&](Matching matching, AveragePrecision& ap) {
      if (matching == Matching::kTao) {
        ap.Add(objects, rounded);
      } else {
        ap.Add(sample.boxes, detections);
      }
    };
    add(plan_.matching, ap_);
    if (beside_) add(OtherThan(plan_.matching), *beside_);
    if (!options_.judged) return absl::OkStatus();
    return options_.judged({.index = batch.indices[i],
                            .id = sample.id,
                            .image = sample.image,
                            .objects = sample.boxes,
                            .detections = detections});
  }

  NetworkCall network_;
  const Preprocess& preprocess_;
  const Decoder& decoder_;
  const EvaluationPlan& plan_;
  const EvaluationOptions& options_;
  AveragePrecision ap_;
  std::optional<AveragePrecision> beside_;
  SteadyRate rate_;
  EvaluationResult result_;
};

}  // namespace

std::vector<v1::Metric> EvaluationResult::AccuracyMetrics() const {
  std::vector<v1::Metric> metrics = ap.Metrics(matching);
  if (!beside) return metrics;
  for (v1::Metric& metric : beside->Metrics(beside_matching)) {
    metric.set_name(absl::StrCat(metric.name(), "_", NameOf(beside_matching)));
    metric.set_primary(false);
    metrics.push_back(std::move(metric));
  }
  return metrics;
}

std::vector<v1::Metric> EvaluationResult::Metrics() const {
  std::vector<v1::Metric> metrics = AccuracyMetrics();
  AddSpeedMetrics(latency, total_ms_per_image, metrics);
  return metrics;
}

absl::StatusOr<EvaluationResult> Evaluate(GraphRunner& runner, const ModelRecord& record,
                                          const Decoder& decoder, const SampleSource& source,
                                          const EvaluationPlan& plan,
                                          const EvaluationOptions& options) {
  TY_RETURN_IF_ERROR(Check(record, plan, options));
  TY_ASSIGN_OR_RETURN(NetworkCall network, NetworkCall::Create(runner, decoder));
  Evaluation evaluation(std::move(network), record, decoder, plan, options);
  BatchReader reader(source.size(),
                     {.batch_size = plan.batch_size,
                      .threads = options.loader_threads,
                      .keep_images = options.judged != nullptr,
                      .runs_ahead = options.runs_ahead},
                     record.preprocess(), [&](int64_t index) { return source.Get(index); });
  int64_t done = 0;
  while (true) {
    if (options.stop.stop_requested()) return absl::CancelledError("the evaluation was cancelled");
    const std::optional<InputBatch> batch = reader.Next();
    if (!batch.has_value()) break;
    TY_RETURN_IF_ERROR(evaluation.Add(*batch));
    done += static_cast<int64_t>(batch->samples.size() + batch->skipped.size());
    if (options.progress) options.progress(done, source.size());
  }
  if (evaluation.images() == 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("there is no image to evaluate on (", source.size(), " in the source)"));
  }
  return evaluation.Finish();
}

}  // namespace trainyard
