#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "libs/data/box.h"
#include "libs/data/image_io.h"
#include "libs/tasks/task.h"
#include "libs/tensor/tensor.h"

namespace trainyard::tasks {

/// The head of a detector: scores, boxes, suppression. Thread-safe.
class Decoder : public Head {
 public:
  /// Detections per image, `outputs` in the order of output_names(). Boxes are in units of the network
  /// input's width and height, i.e. normalised to [0, 1] but not clipped.
  virtual absl::StatusOr<std::vector<std::vector<data::Detection>>> Decode(
      absl::Span<const Tensor> outputs) const = 0;
  /// What is not above this score is dropped; no threshold brings it back.
  virtual float confidence_threshold() const { return 0; }
};

/// `head` as a detector's. kInternal when it is another task's.
absl::StatusOr<const Decoder*> DecoderOf(const Head& head);

/// Decode, and kInternal unless it found something, or nothing, in each of `images` images.
absl::StatusOr<std::vector<std::vector<data::Detection>>> DecodeBatch(
    const Decoder& decoder, absl::Span<const Tensor> outputs, size_t images);

/// Normalised boxes to pixels of an image, neither rounded nor clipped.
void ScaleToImage(std::vector<data::Detection>& detections, data::ImageSize size);

}  // namespace trainyard::tasks
