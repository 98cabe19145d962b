#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace trainyard::tasks {

/// How precision and recall become one number. TAO's `average_precision_mode`.
enum class ApMode {
  /// Mean of the best precision at recall >= 0, 0.1, ..., 1: the eleven points of VOC 2007.
  kSample,
  /// Area under the precision envelope.
  kIntegrate,
};

/// Which detections count as found objects; average_precision.h tells the rules.
enum class Matching { kTao, kVoc, kCoco };

/// The least score of what is shown to people, unless they say otherwise: TAO's default of
/// inference.
inline constexpr double kShownScore = 0.3;

/// How a detector is judged.
struct EvaluationPlan {
  ApMode ap_mode = ApMode::kSample;
  Matching matching = Matching::kTao;
  /// Least IoU of a found object, (0, 1). kCoco also has its own ten.
  double iou_threshold = 0.5;
  /// Draw PR_curve.png (TAO `visualize_pr_curve`).
  bool pr_curve = false;
};

/// `tao`, `voc`, `coco`; "" is `tao`. kInvalidArgument with the names for anything else.
absl::StatusOr<Matching> MatchingFromName(absl::string_view name);
absl::string_view NameOf(Matching matching);
/// "SAMPLE", "INTEGRATE".
absl::string_view NameOf(ApMode mode);

}  // namespace trainyard::tasks
