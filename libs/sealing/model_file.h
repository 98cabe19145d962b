#pragma once

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace trainyard::sealing {

/// What a sealed file is for; written into its header.
enum class SealedKind : uint16_t { kCheckpoint = 1, kExport = 2, kEngine = 3 };

/// Named parts of a sealed file: `record` (serialized ModelRecord), `model.onnx`, `train_state`,
/// `labels`, `calibration`, `engine`... Each has its own digest in the file.
using Sections = std::map<std::string, std::string>;

/// Writes `sections` under `key` to `path`, whole or not at all. An empty key is allowed (the file
/// is then only authenticated against damage, and says so).
absl::Status SaveSealed(const std::string& path, SealedKind kind, const Sections& sections,
                        absl::string_view key);

/// Opens a sealed file. Fails with
/// * kNotFound: no such file; kInvalidArgument: the key is wrong, or the file is another kind than
///   `kind` or no file of ours (NVIDIA's own .tlt/.etlt, Keras HDF5 and ONNX are recognised and
///   named); kUnimplemented: a newer major version, by number;
/// * kDataLoss: damaged or cut short, with the place. Sizes are checked before allocation.
/// Messages never hold the key.
absl::StatusOr<Sections> LoadSealed(const std::string& path, SealedKind kind,
                                    absl::string_view key);

/// What OpenSealed found.
struct SealedFile {
  SealedKind kind = SealedKind::kCheckpoint;
  Sections sections;
};

/// Like LoadSealed, for callers that take several kinds; an empty list takes every kind.
absl::StatusOr<SealedFile> OpenSealed(const std::string& path,
                                      absl::Span<const SealedKind> accepted, absl::string_view key);

/// "checkpoint (.tlt)", "export (.etlt)", "engine (.engine)": for messages.
absl::string_view NameOf(SealedKind kind);

/// The kind without the key, from the header alone.
absl::StatusOr<SealedKind> PeekSealed(const std::string& path);

}  // namespace trainyard::sealing
