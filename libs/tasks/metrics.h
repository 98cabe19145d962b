#pragma once

#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"
#include "trainyard/v1/artifact.pb.h"

namespace trainyard::tasks {

/// A metric's name in one word, as TAO's logs and results have it: `mAP`, `AP_car`.
inline std::string ColumnOf(const trainyard::v1::Metric& metric) {
  if (metric.class_name().empty()) return metric.name();
  return absl::StrCat(metric.name(), "_", metric.class_name());
}

/// Whether `metric` is better than `other`, a value of the same measure, by its direction. Any
/// number is better than NaN, and NaN than nothing.
inline bool IsBetter(const trainyard::v1::Metric& metric, const trainyard::v1::Metric& other) {
  if (std::isnan(metric.value())) return false;
  if (std::isnan(other.value())) return true;
  return metric.higher_is_better() ? metric.value() > other.value()
                                   : metric.value() < other.value();
}

}  // namespace trainyard::tasks
