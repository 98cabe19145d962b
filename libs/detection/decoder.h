#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "libs/data/box.h"
#include "libs/tensor/tensor.h"

namespace trainyard {

/// Turns raw outputs of a batch into detections per image: softmax, anchor decoding, NMS. Boxes are
/// in units of the network input's width and height, i.e. normalised to [0, 1] but not clipped.
/// Needs the record alone, so that an engine needs no spec. Thread-safe.
class Decoder {
 public:
  virtual ~Decoder() = default;
  /// `outputs` in the order of output_names().
  virtual absl::StatusOr<std::vector<std::vector<Detection>>> Decode(
      absl::Span<const Tensor> outputs) const = 0;
  virtual std::vector<std::string> output_names() const = 0;
};

}  // namespace trainyard
