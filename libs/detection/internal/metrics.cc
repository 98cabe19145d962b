#include "libs/detection/internal/metrics.h"

namespace trainyard {

void AddSpeedMetrics(double network_ms_per_image, double total_ms_per_image,
                     std::vector<v1::Metric>& metrics) {
  v1::Metric latency;
  latency.set_name("ms_per_image");
  latency.set_value(network_ms_per_image);
  latency.set_unit("ms");
  metrics.push_back(latency);
  if (total_ms_per_image <= 0) return;
  v1::Metric rate;
  rate.set_name("images_per_second");
  rate.set_value(1000 / total_ms_per_image);
  rate.set_unit("images/s");
  rate.set_higher_is_better(true);
  metrics.push_back(rate);
}

void ScaleToImage(std::vector<Detection>& detections, ImageSize size) {
  const auto w = static_cast<float>(size.width), h = static_cast<float>(size.height);
  for (Detection& one : detections) {
    one.box = {one.box.x1 * w, one.box.y1 * h, one.box.x2 * w, one.box.y2 * h};
  }
}

}  // namespace trainyard
