#pragma once

#include <string>

#include "google/protobuf/repeated_ptr_field.h"
#include "trainyard/v1/artifact.pb.h"

namespace trainyard::report {

using Metrics = google::protobuf::RepeatedPtrField<v1::Metric>;

/// The metrics of size and speed that every network has: they alone are known by name.
inline constexpr char kParameters[] = "parameters";
inline constexpr char kMacs[] = "macs";
inline constexpr char kMsPerImage[] = "ms_per_image";
inline constexpr char kPruningRatio[] = "pruning_ratio";

/// What the metrics of a stage say of how good a model's answers are.
struct Accuracy {
  /// The primary metric of all classes, of `metrics` as they were given; nullptr when there is
  /// none. Size and speed, by which a pruning or an engine's build is judged, are not meant.
  const v1::Metric* metric = nullptr;
  /// The name of what is told class by class, such as `AP`: of several the first. "" for none.
  std::string class_metric;

  /// Whether `one` is the metric itself, or what it comes to for a class.
  bool Holds(const v1::Metric& one) const;
};

/// Pure. `metrics` must outlive the answer.
Accuracy FindAccuracy(const Metrics& metrics);

/// "mAP", "WER (%)".
std::string TitleOf(const v1::Metric& metric);

}  // namespace trainyard::report
