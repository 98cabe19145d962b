#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "libs/base/random.h"
#include "libs/data/image_io.h"
#include "libs/data/sample.h"
#include "libs/tensor/tensor.h"
#include "trainyard/model/v1/model_record.pb.h"

namespace trainyard::data {

/// A sample as a network takes it, beside its input.
struct PreparedSample {
  /// As it was read. Its image is dropped unless the source keeps images.
  Sample sample;
  /// Of that image.
  ImageSize size;
  /// The truth as the network sees it: moved with the image, in pixels of the input. Null when nobody
  /// asked for it.
  std::shared_ptr<const Truth> seen;
  /// What a loss compares with: as many, of the same shapes and types, for each sample of a source.
  std::vector<Tensor> targets;
};

/// Samples made ready for a network: decoded, augmented or not, preprocessed, encoded. Thread-safe.
class PreparedSource {
 public:
  virtual ~PreparedSource() = default;
  virtual int64_t size() const = 0;
  /// For messages.
  virtual std::string Id(int64_t index) const = 0;
  /// Of one input: {C, H, W}.
  virtual Shape input_shape() const = 0;
  /// Makes sample `index` ready and fills `input`, f32 of input_shape(). May read other samples too.
  /// What it draws comes from `random`, so that equal streams give equal samples.
  virtual absl::StatusOr<PreparedSample> Prepare(int64_t index, Philox& random,
                                                 absl::Span<float> input) const = 0;
};

/// Samples preprocessed as the record says and nothing else, for evaluation and inference. The decoded
/// images stay in them when `keeps_images`. kInvalidArgument as CheckPreprocess.
absl::StatusOr<std::shared_ptr<const PreparedSource>> PreprocessOnly(
    std::shared_ptr<const SampleSource> source, const model::v1::Preprocess& preprocess,
    bool keeps_images = false);

}  // namespace trainyard::data
