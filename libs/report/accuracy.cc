#include "libs/report/accuracy.h"

#include "absl/strings/str_cat.h"

namespace trainyard::report {

bool Accuracy::Holds(const v1::Metric& one) const {
  if (metric == nullptr) return false;
  return one.class_name().empty() ? &one == metric : one.name() == class_metric;
}

Accuracy FindAccuracy(const Metrics& metrics) {
  Accuracy accuracy;
  for (const v1::Metric& metric : metrics) {
    if (!metric.class_name().empty()) {
      if (accuracy.class_metric.empty()) accuracy.class_metric = metric.name();
    } else if (accuracy.metric == nullptr && metric.primary() && metric.name() != kMsPerImage &&
               metric.name() != kPruningRatio) {
      accuracy.metric = &metric;
    }
  }
  return accuracy;
}

std::string TitleOf(const v1::Metric& metric) {
  return metric.unit().empty() ? metric.name()
                               : absl::StrCat(metric.name(), " (", metric.unit(), ")");
}

}  // namespace trainyard::report
