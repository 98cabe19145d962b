#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/model/model.h"
#include "libs/sealing/model_file.h"

namespace trainyard::sealing {

/// Names of the sections that every model file has.
inline constexpr absl::string_view kRecordSection = "record";
inline constexpr absl::string_view kGraphSection = "model.onnx";

/// What a model file holds.
struct SealedModel {
  SealedKind kind = SealedKind::kCheckpoint;
  Model model;
  /// All other sections: `train_state`, `calibration`, `labels`...
  Sections extra;
};

/// Writes `model` and `extra` to `path` under `key`. Equal arguments give equal bytes
/// (docs/sealing.md). kInvalidArgument when `extra` uses a name of ours; otherwise as SaveSealed.
absl::Status SaveModel(const std::string& path, SealedKind kind, const Model& model,
                       const Sections& extra, absl::string_view key);

/// Reads a model file of one of the `accepted` kinds; an empty list accepts every kind. Fails as
/// LoadSealed does, and with kDataLoss, naming file and section, when the record or the graph is
/// absent or cannot be parsed.
absl::StatusOr<SealedModel> LoadModel(const std::string& path,
                                      absl::Span<const SealedKind> accepted, absl::string_view key);

}  // namespace trainyard::sealing
