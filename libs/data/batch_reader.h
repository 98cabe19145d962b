#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/data/image_io.h"
#include "libs/data/sample.h"
#include "libs/tensor/tensor.h"
#include "trainyard/model/v1/model_record.pb.h"

namespace trainyard {

/// A run of preprocessed images, in order.
struct InputBatch {
  /// f32 [n, C, H, W].
  Tensor input;
  /// The n samples that it was made of (without their images unless they are kept), the sizes of
  /// their images, and their indices.
  std::vector<Sample> samples;
  std::vector<ImageSize> sizes;
  std::vector<int64_t> indices;
  /// One status for each image that could not be read.
  std::vector<absl::Status> skipped;
};

/// Reads and preprocesses images in threads of its own, a few batches ahead of whoever runs the
/// network. Which images form a batch depends on the images alone, not on the number of threads.
class BatchReader {
 public:
  /// Reads image `index`; called from the reader's threads.
  using Read = std::function<absl::StatusOr<Sample>(int64_t index)>;

  struct Options {
    /// >= 1, both.
    int batch_size = 1;
    int threads = 1;
    /// Keep the decoded images, which may be many times larger than the inputs.
    bool keep_images = false;
    /// Whether the threads work while nobody waits in Next(); else they read the next batch alone.
    bool runs_ahead = true;
  };

  /// Images 0 .. count - 1; `preprocess` must be one that CheckPreprocess takes.
  BatchReader(int64_t count, const Options& options, model::v1::Preprocess preprocess, Read read);
  /// Stops and joins; prompt but for the images that are being decoded.
  ~BatchReader();
  BatchReader(const BatchReader&) = delete;
  BatchReader& operator=(const BatchReader&) = delete;

  /// The next batch, or nothing after the last. A batch whose images all failed has no input. From
  /// one thread only.
  std::optional<InputBatch> Next();

 private:
  struct Image {
    absl::StatusOr<Sample> sample = absl::UnknownError("not read");
    ImageSize size;
    Tensor input;
  };
  void Work();
  Image MakeImage(int64_t index) const;

  const int64_t count_;
  const Options options_;
  const model::v1::Preprocess preprocess_;
  const Read read_;
  const int64_t window_;

  std::mutex mutex_;
  std::condition_variable room_, ready_;
  bool stopping_ = false;
  int64_t next_to_read_ = 0;
  int64_t next_to_give_ = 0;
  /// The image before which the threads stop.
  int64_t limit_ = 0;
  /// Image i waits in slot i % window_.
  std::vector<std::optional<Image>> slots_;
  std::vector<std::thread> threads_;
};

}  // namespace trainyard
