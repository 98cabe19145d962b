#include "libs/training/throughput.h"

#include <algorithm>

namespace trainyard::training {
namespace {

constexpr absl::Duration kWindow = absl::Seconds(1);

}  // namespace

double Throughput::Window::Rate() const {
  const double seconds = absl::ToDoubleSeconds(time);
  return seconds > 0 ? static_cast<double>(images) / seconds : 0;
}

void Throughput::Step(int64_t images, absl::Time now) {
  Window& window = started_ ? open_ : first_;
  window.images += images;
  window.time += now - last_;
  last_ = now;
  if (!started_) {
    started_ = true;
    start_up_ = now - began_;
  } else if (open_.time >= kWindow) {
    rates_.push_back(open_.Rate());
    open_ = Window();
  }
}

double Throughput::ImagesPerSecond() const {
  if (rates_.empty()) return open_.images > 0 ? open_.Rate() : first_.Rate();
  std::vector<double> rates = rates_;
  const auto middle = rates.begin() + static_cast<ptrdiff_t>(rates.size() / 2);
  std::nth_element(rates.begin(), middle, rates.end());
  return *middle;
}

}  // namespace trainyard::training
