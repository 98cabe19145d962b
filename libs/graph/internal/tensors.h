#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/problems.h"

namespace onnx {
class GraphProto;
class TensorProto;
}  // namespace onnx

namespace trainyard::graph::internal {

/// Is given a tensor and where it lies: "initializer 'w'", "node 'n': attribute 'value'".
using TensorVisitor = std::function<absl::Status(onnx::TensorProto&, const std::string& where)>;

/// Calls `visit` for every tensor of the graph until one call fails: initializers, both parts of
/// sparse ones, tensors in attributes, and all of these in the bodies of nodes.
absl::Status ForEachTensor(onnx::GraphProto& graph, const TensorVisitor& visit);

/// Bytes that a tensor of this type and these dimensions has as raw_data. kInvalidArgument when a
/// dimension is negative or beyond all reason, or the type is none of IR 8 or strings.
absl::StatusOr<int64_t> PayloadBytes(const onnx::TensorProto& tensor);

/// Adds every tensor whose content is not what its type and dimensions need: bytes or values too
/// few or too many, in the wrong field, in two fields, in pieces, or still in another file. Nothing
/// that reads a tensor of the graph has to ask again.
void CheckPayloads(const onnx::GraphProto& graph, Problems& problems);

}  // namespace trainyard::graph::internal
