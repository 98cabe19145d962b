#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "libs/base/json.h"
#include "libs/tasks/detection/ap_by_size.h"
#include "libs/tasks/detection/average_precision.h"
#include "libs/tasks/detection/confusion.h"
#include "libs/tasks/detection/worst.h"
#include "libs/tasks/task.h"

namespace trainyard::tasks {

/// Why a detector's metrics are what they are, ready to be written.
struct Explanation {
  /// For results.json, behind the metrics: `intervals` {level, resamples, mAP, AP_<class>: [low,
  /// high]} (bootstrap.h), `sizes` (ap_by_size.h), `confusion`, `f1`, `calibration`, `worst`
  /// (worst.h), and `judged`, the name of the file for comparisons, null when it would be too large
  /// (judged_file.h).
  JsonMembers json;
  /// The file for comparisons, unless it would be too large.
  std::vector<std::pair<std::string, std::string>> files;
  WorstCases worst{0, 0};
  std::vector<std::string> classes;
  /// As ExplanationOptions::read.
  std::function<absl::StatusOr<data::Sample>(int64_t)> read;

  /// `files`, and the pictures of the worst cases. Fails when a picture cannot be encoded.
  absl::StatusOr<std::vector<std::pair<std::string, std::string>>> Files() const;
};

/// One image as the evaluator has it.
struct ExplainedImage {
  /// In the source.
  int64_t index = 0;
  std::string name;
  /// In pixels of the original picture, and as the plan compares them, in the same order.
  absl::Span<const data::LabelledBox> objects, compared_objects;
  absl::Span<const data::Detection> detections, compared_detections;
  ImageVerdicts verdicts;
};

/// Collects, image by image, what an Explanation needs. Used once, by one thread; Finish uses more.
/// Costs three more judgings an image and, at the end, the bootstrap.
class Explainer {
 public:
  Explainer(std::vector<std::string> classes, const EvaluationPlan& plan,
            ExplanationOptions options);
  void Add(const ExplainedImage& image);
  /// `judged` is of the same images.
  Explanation Finish(const JudgedSet& judged);

 private:
  std::vector<std::string> classes_;
  ExplanationOptions options_;
  ApBySize sizes_;
  DetectionConfusion confusion_;
  WorstCases worst_;
  std::vector<std::string> images_;
};

}  // namespace trainyard::tasks
