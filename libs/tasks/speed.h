#pragma once

#include <cstdint>
#include <vector>

#include "libs/tasks/network_call.h"
#include "libs/tasks/run_images.h"
#include "trainyard/v1/artifact.pb.h"

namespace trainyard::tasks {

/// Appends `ms_per_image` of the network alone with its `latency_batch_size` (when it was
/// measured), and `images_per_second` of the whole.
void AddSpeedMetrics(const RunCounts& run, std::vector<trainyard::v1::Metric>& metrics);

/// How long an image takes in the long run: what happens up to the end of the first batch (a
/// runner's first call, the loader's first images) is told apart from the rest.
class SteadyRate {
 public:
  explicit SteadyRate(NetworkCall::Clock clock = NetworkCall::SteadyMs)
      : clock_(std::move(clock)), began_ms_(clock_()) {}
  /// After each batch: the images done so far.
  void Note(int64_t images) {
    last_ms_ = clock_();
    if (first_images_ == 0) first_images_ = images, first_ms_ = last_ms_;
    images_ = images;
  }
  /// From the end of the first batch on; of a single batch, all of it; 0 without images.
  double MsPerImage() const {
    if (images_ == 0) return 0;
    const bool single = images_ == first_images_;
    const double took = last_ms_ - (single ? began_ms_ : first_ms_);
    return took / static_cast<double>(images_ - (single ? 0 : first_images_));
  }

 private:
  NetworkCall::Clock clock_;
  double began_ms_, first_ms_ = 0, last_ms_ = 0;
  int64_t images_ = 0, first_images_ = 0;
};

}  // namespace trainyard::tasks
