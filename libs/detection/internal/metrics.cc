#include "libs/detection/internal/metrics.h"

namespace trainyard {

void AddSpeedMetrics(const Latency& latency, double total_ms_per_image,
                     std::vector<v1::Metric>& metrics) {
  const auto add = [&metrics](const char* name, double value, const char* unit) -> v1::Metric& {
    v1::Metric& metric = metrics.emplace_back();
    metric.set_name(name);
    metric.set_value(value);
    metric.set_unit(unit);
    return metric;
  };
  if (latency.runs > 0) {
    add("ms_per_image", latency.ms_per_image, "ms");
    add("latency_batch_size", latency.batch_size, "images");
  }
  if (total_ms_per_image <= 0) return;
  add("images_per_second", 1000 / total_ms_per_image, "images/s").set_higher_is_better(true);
}

void ScaleToImage(std::vector<Detection>& detections, ImageSize size) {
  const auto w = static_cast<float>(size.width), h = static_cast<float>(size.height);
  for (Detection& one : detections) {
    one.box = {one.box.x1 * w, one.box.y1 * h, one.box.x2 * w, one.box.y2 * h};
  }
}

}  // namespace trainyard
