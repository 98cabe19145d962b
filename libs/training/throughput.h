#pragma once

#include <cstdint>
#include <vector>

#include "absl/time/time.h"

namespace trainyard::training {

/// How fast a training is: images over the time from one step's end to the next, waiting for data
/// included, validation and checkpoints left out. What happens up to the end of the process's first
/// step (opening data, first calls of kernels, the first batch) is start-up and told apart. The
/// rate is the median over windows of a second or more, so that a pause of the machine does not
/// count. Value semantics; takes times from its caller.
class Throughput {
 public:
  explicit Throughput(absl::Time began) : began_(began) {}

  /// Steps follow from here on: at the begin of an epoch.
  void Resume(absl::Time now) { last_ = now; }
  /// A step has ended.
  void Step(int64_t images, absl::Time now);

  /// Images a second; 0 before the first step. A process that made a single step tells that one's.
  double ImagesPerSecond() const;
  /// From `began` to the end of the first step.
  absl::Duration StartUp() const { return start_up_; }

 private:
  struct Window {
    int64_t images = 0;
    absl::Duration time;
    double Rate() const;
  };
  absl::Time began_, last_;
  absl::Duration start_up_;
  bool started_ = false;
  /// Of the first step alone.
  Window first_;
  Window open_;
  std::vector<double> rates_;
};

}  // namespace trainyard::training
