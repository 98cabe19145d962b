#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/data/prepared_source.h"
#include "libs/tensor/tensor.h"

namespace trainyard::data {

struct LoaderOptions {
  uint64_t seed = 42;
  /// Samples of this rank in a batch. >= 1.
  int batch_size = 1;
  /// Threads that make samples ready. >= 1.
  int threads = 1;
  /// Most batches that are ready or in work (TAO `max_queue_size`), >= 1; fewer when their images
  /// would exceed `queue_bytes`, but never fewer than two.
  int queue_batches = 20;
  int64_t queue_bytes = int64_t{256} << 20;
  /// One permutation of all samples per epoch, from Philox(seed, epoch, 0, kOrder); else in order.
  bool shuffle = true;
  /// The ranks share each permutation: of the positions of a global batch, this one takes every
  /// world_size-th, beginning with its own number.
  int rank = 0, world_size = 1;
  /// Fills the last batch of an epoch up with samples from the start of its permutation (over and
  /// over when there are fewer than the batch has), so that all batches have one shape; else it is
  /// smaller, and empty for a rank for which nothing is left. A sample that comes again within its
  /// epoch is augmented anew.
  bool wrap_tail = false;
  /// Whether the threads work while nobody waits in Next(). False: they prepare the next batch
  /// alone, and only meanwhile, so that caller and loader share the same cores; queue_batches means
  /// nothing then.
  bool runs_ahead = true;
  /// Leave samples that cannot be made ready out of their batch and tell of them there; else the first
  /// of them ends the loading.
  bool skips_failures = false;
  /// Where to start, and the epoch before which to end (-1 = never).
  int64_t first_epoch = 0;
  int64_t first_step = 0;
  int64_t end_epoch = -1;
};

struct Batch {
  /// f32 [n, C, H, W]; empty when all of the batch were skipped.
  Tensor images;
  /// Each [n, ...].
  std::vector<Tensor> targets;
  /// One per sample: its index in the source, and what was made of it (its targets are above).
  std::vector<int64_t> indices;
  std::vector<PreparedSample> samples;
  /// Why samples are missing, in their order.
  std::vector<absl::Status> skipped;
  int64_t epoch = 0;
  int64_t step = 0;
  bool last_of_epoch = false;
};

/// The order in which the samples of an epoch are taken: a Fisher-Yates shuffle of 0..n-1 by
/// Philox(seed, epoch, 0, kOrder). Pure.
std::vector<int64_t> EpochOrder(uint64_t seed, int64_t epoch, int64_t n);

/// Makes batches ready ahead of their use.
///
/// What a batch holds is a function of (seed, epoch, step, rank, world size, batch size), whatever
/// the number of threads: order from EpochOrder, what a sample draws from Philox(seed, epoch, index of
/// the sample, kAugmentation); for the k-th repetition of a sample in its epoch, index + k * samples. A
/// loader that starts at (epoch, step) goes on exactly
/// as one that came there. The memory of a batch is used again once its tensors are gone.
///
/// Next() is for one thread at a time. Destruction stops the threads after the sample in hand.
class BatchLoader {
 public:
  /// kInvalidArgument naming each option out of range, an empty source, or a first step beyond the
  /// epoch. `source` is shared with the threads.
  static absl::StatusOr<std::unique_ptr<BatchLoader>> Create(
      std::shared_ptr<const PreparedSource> source, LoaderOptions options);
  ~BatchLoader();
  BatchLoader(const BatchLoader&) = delete;
  BatchLoader& operator=(const BatchLoader&) = delete;

  /// The next batch in order; waits for it. kOutOfRange after the last one. An error of a sample, when
  /// they are not skipped, comes when its batch is due, with the sample's id in front, and again on each
  /// further call.
  absl::StatusOr<Batch> Next();

  /// ceil(samples / (batch_size * world_size)).
  int64_t steps_per_epoch() const;

 private:
  class Impl;
  explicit BatchLoader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace trainyard::data
