#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "trainyard/v1/artifact.pb.h"
#include "trainyard/v1/orchestrator.pb.h"

namespace trainyard::orchestrator {

using MetricList = google::protobuf::RepeatedPtrField<v1::Metric>;

/// `mAP`, or `AP[nut]` for a class.
struct MetricName {
  std::string name;
  std::string class_name;
  static MetricName Parse(absl::string_view text);
  std::string ToString() const;
  bool operator==(const MetricName&) const = default;
};

/// What a stage's metrics must fulfil, and what happens when they do not.
struct Gates {
  enum class OnFail {
    /// The stage fails, and with it the run.
    kStop,
    /// The stage succeeds; its reason says which gate broke.
    kContinue,
    /// The stage is done once more with `retry_overrides`; a second break stops.
    kRetry,
  };
  /// The least, or the largest, that a metric may be.
  struct Bound {
    MetricName metric;
    double value = 0;
  };
  struct MaxDrop {
    MetricName metric;
    /// Largest loss against `from`, in the metric's unit; a rise where less is better.
    double value = 0;
    /// The stage to compare with.
    std::string from;
  };
  std::vector<Bound> minimums, maximums;
  std::vector<MaxDrop> max_drops;
  OnFail on_fail = OnFail::kStop;
  std::vector<std::string> retry_overrides;
  bool empty() const { return minimums.empty() && maximums.empty() && max_drops.empty(); }
};

/// nullptr when there is none.
const v1::Metric* FindMetric(const MetricList& metrics, const MetricName& name);

using BrokenGates = google::protobuf::RepeatedPtrField<v1::Run::BrokenGate>;

/// The gates that do not hold: minimums, maximums, drops. A metric that is missing, or not a number, does not
/// hold. `metrics_of` returns nullptr for a stage that has measured nothing. Pure.
BrokenGates FindBrokenGates(
    const Gates& gates, const MetricList& metrics,
    const std::function<const MetricList*(const std::string&)>& metrics_of);

/// FindBrokenGates as a status. kFailedPrecondition lists every gate that does not hold, with both
/// numbers.
absl::Status CheckGates(const Gates& gates, const MetricList& metrics,
                        const std::function<const MetricList*(const std::string&)>& metrics_of);

}  // namespace trainyard::orchestrator
