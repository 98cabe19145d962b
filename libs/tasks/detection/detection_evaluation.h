#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "libs/tasks/detection/average_precision.h"
#include "libs/tasks/detection/evaluation_plan.h"
#include "libs/tasks/detection/explanation.h"
#include "libs/tasks/task.h"
#include "libs/tensor/tensor.h"

namespace trainyard::tasks {

/// How objects were found.
class DetectionEvaluation final : public Evaluation {
 public:
  ApResult ap;
  Matching matching = Matching::kTao;
  ApMode ap_mode = ApMode::kSample;
  /// Objects (difficult ones too) and detections in all images.
  int64_t objects = 0, detections = 0;
  /// By the other rule: kVoc beside kTao, kTao beside kVoc; nothing beside kCoco.
  std::optional<ApResult> beside;
  Matching beside_matching = Matching::kVoc;
  /// Whether Files has PR_curve.png.
  bool pr_curve = false;
  /// When it was asked for.
  std::optional<Explanation> explanation;

  /// ap.Metrics, and those of the other rule as `mAP_voc` and `AP_voc` (or `_tao`).
  std::vector<trainyard::v1::Metric> Metrics() const override;
  /// Between two lines of 31 asterisks, a line per class (name to 14 columns, `AP` to 6, value) and the
  /// `mAP` line.
  std::string Table(int decimals) const override;
  /// `AP_<class>` per class and `mAP`, as TAO's readers expect, then what we add: `mAP50` and
  /// `AP50_<class>` for coco, `matching`, `average_precision_mode`, counts, the other rule's
  /// numbers in `matching_voc` or `matching_tao`, and `pr_curves` {class: {recall, precision,
  /// score}} thinned to at most 200 points; last what the explanation says.
  JsonMembers Json() const override;
  /// PR_curve.png, and the explanation's.
  absl::StatusOr<std::vector<std::pair<std::string, std::string>>> Files() const override;
};

/// Precision over recall of every class, as a picture: u8 RGB [h, w, 3]. kIntegrate draws
/// envelopes.
Tensor DrawPrCurves(const DetectionEvaluation& evaluation);

}  // namespace trainyard::tasks
