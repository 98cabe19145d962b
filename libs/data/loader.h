#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "libs/data/augmentation.h"
#include "libs/data/box.h"
#include "libs/data/sample.h"
#include "libs/tensor/tensor.h"
#include "trainyard/model/v1/model_record.pb.h"

namespace trainyard {

struct LoaderOptions {
  uint64_t seed = 42;
  /// Samples of this rank in a batch. >= 1.
  int batch_size = 1;
  /// Threads that decode and augment. >= 1.
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
  /// Absent: images are only resized (validation), boxes as BoxesToInput says.
  std::optional<AugmentationOptions> augmentation;
  model::v1::Preprocess preprocess;
  /// Training targets of one sample from its boxes in pixels of the network input; the same shapes
  /// and dtypes for each. Called from the threads. May be empty: then there are no targets.
  std::function<absl::StatusOr<std::vector<Tensor>>(absl::Span<const LabelledBox>)> encode_targets;
  /// Where to start, and the epoch before which to end (-1 = never).
  int64_t first_epoch = 0;
  int64_t first_step = 0;
  int64_t end_epoch = -1;
};

struct Batch {
  /// f32 [n, C, H, W].
  Tensor images;
  /// Each [n, ...].
  std::vector<Tensor> targets;
  /// Indices into the source, ids, and boxes in pixels of the network input, one per sample.
  std::vector<int64_t> indices;
  std::vector<std::string> ids;
  std::vector<std::vector<LabelledBox>> boxes;
  int64_t epoch = 0;
  int64_t step = 0;
  bool last_of_epoch = false;
};

/// The order in which the samples of an epoch are taken: a Fisher-Yates shuffle of 0..n-1 by
/// Philox(seed, epoch, 0, kOrder). Pure.
std::vector<int64_t> EpochOrder(uint64_t seed, int64_t epoch, int64_t n);

/// Decodes, augments and encodes batches ahead of their use.
///
/// What a batch holds is a function of (seed, epoch, step, rank, world size, batch size), whatever
/// the number of threads: order from EpochOrder, augmentation from Philox(seed, epoch, index of the
/// sample, kAugmentation); for the k-th repetition of a sample in its epoch, index + k * samples. A
/// loader that starts at (epoch, step) goes on exactly
/// as one that came there. The memory of a batch is used again once its tensors are gone.
///
/// Next() is for one thread at a time. Destruction stops the threads after the sample in hand.
class BatchLoader {
 public:
  /// kInvalidArgument naming each option out of range, an empty source, or a first step beyond the
  /// epoch. `source` is shared with the threads.
  static absl::StatusOr<std::unique_ptr<BatchLoader>> Create(
      std::shared_ptr<const SampleSource> source, LoaderOptions options);
  ~BatchLoader();
  BatchLoader(const BatchLoader&) = delete;
  BatchLoader& operator=(const BatchLoader&) = delete;

  /// The next batch in order; waits for it. kOutOfRange after the last one. An error of a sample
  /// comes when its batch is due, with the sample's id in front, and again on each further call.
  absl::StatusOr<Batch> Next();

  /// ceil(samples / (batch_size * world_size)).
  int64_t steps_per_epoch() const;

 private:
  class Impl;
  explicit BatchLoader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace trainyard
