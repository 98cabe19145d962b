#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/weights/weight_file.h"

// One reader a format. Each takes the whole file, and fails as ParseWeights says, without the name.

namespace trainyard::weights {

/// Whether the file begins as PyTorch's own pickles before 1.6.
bool LooksLegacyPyTorch(absl::string_view bytes);
absl::StatusOr<NamedWeights> ParseLegacyPyTorch(absl::string_view bytes);

/// Any zip archive: what is none of PyTorch's is named.
absl::StatusOr<NamedWeights> ParsePyTorchZip(absl::string_view bytes);

/// Whether the first eight bytes can be the length of a header of JSON behind them.
bool LooksSafetensors(absl::string_view bytes);
absl::StatusOr<NamedWeights> ParseSafetensors(absl::string_view bytes);

absl::StatusOr<NamedWeights> ParseOnnxWeights(absl::string_view bytes, const std::string& folder);

}  // namespace trainyard::weights
