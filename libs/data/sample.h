#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "libs/tensor/tensor.h"

namespace trainyard::data {

/// What is true of a sample. Each task has its own kind (box_truth.h), and reads no other.
struct Truth {
  virtual ~Truth() = default;
};

/// A decoded image and its truth. The image is u8 RGB, [height, width, 3].
struct Sample {
  /// "images/000012" for messages: image folder and frame.
  std::string id;
  Tensor image;
  /// Null for an image without labels.
  std::shared_ptr<const Truth> truth;
};

/// Samples by index. Thread-safe: loaders read from several threads.
class SampleSource {
 public:
  virtual ~SampleSource() = default;
  virtual int64_t size() const = 0;
  /// For messages, without reading the image.
  virtual std::string Id(int64_t index) const = 0;
  /// Decodes sample `index`. kDataLoss for an image that cannot be decoded.
  virtual absl::StatusOr<Sample> Get(int64_t index) const = 0;
};

}  // namespace trainyard::data
