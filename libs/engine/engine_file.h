#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/engine/backend.h"
#include "libs/engine/fingerprint.h"
#include "libs/model/model.h"

namespace trainyard::engine {

/// The parts of an `.engine`: docs/engine.md, "The file". Not encrypted, as TAO's engines are not;
/// only guarded against damage.
struct EngineFile {
  EngineHeader header;
  ModelRecord record;
  /// What the backend compiled.
  std::string blob;
};

/// Writes the file whole or not at all; sets header.blob_sha256 and header.format_version.
absl::Status SaveEngineFile(EngineFile file, const std::string& path);

/// Reads a file on any machine, without its runtime. kNotFound; kInvalidArgument when it is no
/// engine of ours; kUnimplemented for a newer format, by number; kDataLoss for damage.
absl::StatusOr<EngineFile> LoadEngineFile(const std::string& path);

/// OK when an engine with that header runs here with that backend; else kFailedPrecondition that
/// says all that differs and the command that builds the engine again. `path` is the engine's.
absl::Status CheckRunsHere(const EngineHeader& header, const HardwareFingerprint& here,
                           const BackendCapabilities& backend, const std::string& path);

}  // namespace trainyard::engine
