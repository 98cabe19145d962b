#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace onnx {
class ModelProto;
}  // namespace onnx

namespace trainyard::graph::internal {

/// One dimension of a value: its size, or -1 and the name that those of the same size share ("" =
/// it has none).
struct Dim {
  int64_t size = -1;
  std::string name;
};
using DimsByValue = std::map<std::string, std::vector<Dim>>;

/// Dimensions of all values and initializers by ONNX's shape inference. Operators beside the common
/// ones of vision networks are not asked; what they make is left out, as is every value whose rank
/// is not known. kInvalidArgument naming the node that contradicts itself.
///
/// `model` must have passed Graph::Parse or Graph::Check: the library divides by what it says.
absl::StatusOr<DimsByValue> InferDims(const onnx::ModelProto& model);

}  // namespace trainyard::graph::internal
