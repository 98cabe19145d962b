#pragma once

#include <string>

#include "absl/status/status.h"

namespace onnx {
class ModelProto;
}  // namespace onnx

namespace trainyard::graph::internal {

/// Brings every tensor that lies in a file beside the model into the model itself, as raw_data.
///
/// kInvalidArgument, naming the tensor: `folder` is "" , the location is absolute or leaves the
/// folder, or offset and length are no numbers; kNotFound: no such file; kDataLoss: the file is
/// shorter than offset + length, or the length is not what the tensor's shape needs.
absl::Status LoadExternalData(onnx::ModelProto& model, const std::string& folder);

}  // namespace trainyard::graph::internal
