#pragma once

#include "absl/status/status.h"

namespace onnx {
class ModelProto;
}  // namespace onnx

namespace trainyard::graph::internal {

/// kInvalidArgument, naming every break, when the model is larger or deeper than any network: more
/// than a million nodes and tensors, bodies in bodies in bodies beyond eight, values with
/// dimensions beyond 2^31 or more than 32 of them; or when it has functions of its own. What reads
/// a model after this may walk it recursively.
absl::Status CheckLimits(const onnx::ModelProto& model);

}  // namespace trainyard::graph::internal
