#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"
#include "services/orchestrator/spec_reader.h"

namespace trainyard::orchestrator {

/// All that decides what a stage makes. The seed lies in the spec or the options.
struct CacheIngredients {
  std::string kind;
  int implementation_version = 0;
  std::string network;
  /// The spec's one form, paths replaced by digests of what lies there.
  std::string canonical_spec;
  /// Deterministic serialization.
  std::string options;
  /// Name and digest, in the order of the pipeline.
  std::vector<std::pair<std::string, std::string>> inputs;
  std::vector<std::string> reads;
  /// Name and URI of what the pipeline places itself, as it is written: what lies at another place is
  /// not what was asked for.
  std::vector<std::pair<std::string, std::string>> outputs;
  /// Devices of the service, for what depends on the machine.
  std::string hardware;
  /// KeyMark of the model key.
  std::string key_mark;
};

/// Lower-case hex SHA-256 over all ingredients; no two lists of ingredients run together, since each
/// part is preceded by its length. Pure.
std::string CacheKey(const CacheIngredients& ingredients);

/// Bytes of a message that do not depend on the order of maps.
std::string DeterministicBytes(const google::protobuf::Message& message);

/// 24 bits that tell two keys apart and tell nobody a key: files sealed under another key must not be
/// taken from the cache. "" for the empty key.
std::string KeyMark(absl::string_view salt, absl::string_view key);

/// The digest of what a path in a spec or a pipeline means: a file, a folder, a pattern, or the prefix
/// of file names (as TFRecord shards have). Links in a folder that lead to folders are followed. Paths to which nothing belongs give "missing:<written>".
/// kFailedPrecondition when `path` holds `results`: the folder changes while the run goes on, so that
/// the stage cannot be looked up. kCancelled after `stop`.
absl::StatusOr<std::string> DigestOfPath(absl::string_view written, const std::string& path,
                                         const std::string& results,
                                         const std::stop_token& stop = {});

}  // namespace trainyard::orchestrator
