#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/data/box.h"
#include "libs/tensor/tensor.h"

namespace trainyard {

/// A decoded image and its labels. The image is u8 RGB, [height, width, 3].
struct Sample {
  /// "images/000012" for messages: image folder and frame.
  std::string id;
  Tensor image;
  std::vector<LabelledBox> boxes;
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
  /// The labels alone, without decoding the image, in pixels of the original.
  virtual absl::StatusOr<std::vector<LabelledBox>> Labels(int64_t index) const = 0;
};

}  // namespace trainyard
