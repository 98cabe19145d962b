#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace trainyard::data {

/// What `<prefix>_manifest.json` says of a converted set. It holds no time, host or absolute path,
/// so that the same conversion gives the same bytes.
struct Manifest {
  struct Shard {
    /// Name without folder.
    std::string file;
    int fold = 0;
    int64_t records = 0;
    int64_t size_bytes = 0;
    std::string sha256;
  };
  struct Fold {
    int number = 0;
    /// "validation" for fold 0, "training" for fold 1.
    std::string use;
    int64_t images = 0;
    /// Objects by training class.
    std::map<std::string, int64_t> objects;
  };
  /// Class id - 1 is the index.
  std::vector<std::string> classes;
  /// Label classes that are not mapped, with their objects.
  std::map<std::string, int64_t> unmapped;
  int64_t refused_images = 0;
  int64_t refused_lines = 0;
  std::vector<Fold> folds;
  std::vector<Shard> shards;
  /// How it was made: "random_seed" -> "42", "val_split" -> "20", ...
  std::map<std::string, std::string> options;
};

std::string ManifestPath(const std::string& prefix);

/// Deterministic JSON, indented by two.
std::string ManifestToJson(const Manifest& manifest);

/// kNotFound when there is none, kDataLoss (with the path) when it cannot be understood.
absl::StatusOr<Manifest> ReadManifest(const std::string& path);

}  // namespace trainyard::data
