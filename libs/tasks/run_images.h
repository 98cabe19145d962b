#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/data/loader.h"
#include "libs/data/prepared_source.h"
#include "libs/tasks/network_call.h"
#include "libs/tensor/tensor.h"

namespace trainyard::tasks {

/// Where a run stands: called from the calling thread, after each batch.
using ProgressFunction = std::function<void(int64_t done, int64_t total)>;

/// How a network is run over images.
struct RunOptions {
  /// Images of a batch. >= 1.
  int batch_size = 1;
  /// Threads that decode and preprocess. >= 1.
  int loader_threads = 1;
  /// Whether they work while the network does; false where both would share the same cores.
  bool runs_ahead = true;
  /// Measure the network's time behind the last image: a batch is run again, warm, for up to a
  /// second or two.
  bool measures_latency = false;
  /// Looked at before every batch.
  std::stop_token stop;
  ProgressFunction progress;
  /// Called with each batch and what the network made of it, in the order of the outputs that were
  /// asked for, before anything else sees it; a failure ends the run.
  std::function<absl::Status(const data::Batch&, absl::Span<const Tensor> outputs)> ran;
  /// Called for an image that cannot be read. Set: the image is left out. Not set: the run fails.
  std::function<void(const absl::Status&)> skipped;
};

/// What a run amounted to.
struct RunCounts {
  /// Images that were run and left out.
  int64_t images = 0, images_skipped = 0;
  /// The network alone, warm, when it was measured; else 0.
  Latency latency;
  /// All of it, decoding of images included: wall time over images, from the end of the first batch
  /// on (of a single batch, all of it).
  double total_ms_per_image = 0;
};

/// kInvalidArgument when an option breaks its range.
absl::Status CheckRun(const RunOptions& options);

/// Runs a network over all samples of a source in their order and gives each batch to `use` with the
/// outputs of `network`.
///
/// Samples are made ready by `loader_threads` threads, at most a few batches ahead, while the network
/// works; batches do not depend on the number of threads. `network` and the callbacks are used from the
/// calling thread only.
///
/// Fails with kCancelled on request ("the <what> was cancelled"), as CheckRun, and as the source, the
/// network or a callback do.
absl::StatusOr<RunCounts> RunImages(
    NetworkCall& network, std::shared_ptr<const data::PreparedSource> source,
    const RunOptions& options, absl::string_view what,
    const std::function<absl::Status(data::Batch&, absl::Span<const Tensor> outputs)>& use);

}  // namespace trainyard::tasks
