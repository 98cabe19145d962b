#include "libs/tasks/speed.h"

namespace trainyard::tasks {

void AddSpeedMetrics(const RunCounts& run, std::vector<trainyard::v1::Metric>& metrics) {
  const auto add = [&metrics](const char* name, double value, const char* unit) -> v1::Metric& {
    trainyard::v1::Metric& metric = metrics.emplace_back();
    metric.set_name(name);
    metric.set_value(value);
    metric.set_unit(unit);
    return metric;
  };
  if (run.latency.runs > 0) {
    add("ms_per_image", run.latency.ms_per_image, "ms");
    add("latency_batch_size", run.latency.batch_size, "images");
  }
  if (run.total_ms_per_image <= 0) return;
  add("images_per_second", 1000 / run.total_ms_per_image, "images/s").set_higher_is_better(true);
}

}  // namespace trainyard::tasks
