#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace trainyard::sealing {

/// The kInvalidArgument (kDataLoss for an empty file) that says what a file is that does not begin
/// like ours: NVIDIA's .tlt or .etlt, Keras HDF5, ONNX, a zip archive, or something
/// unknown; with what can be done with it. `first_bytes` are its first 300 or fewer.
absl::Status DescribeForeign(const std::string& path, absl::string_view first_bytes,
                             int64_t file_size);

}  // namespace trainyard::sealing
