#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/model/model.h"
#include "libs/pretrained/entry.h"
#include "libs/weights/weight_file.h"

namespace trainyard::pretrained {

/// A model that was made of a file, ready to be stored.
struct ImportedModel {
  Model model;
  /// The entry that was asked for, with what the file says: network, backbone, parameters.
  PretrainedModel entry;
  /// The name of the file, without folders, and its digest.
  std::string source, source_sha256;
  /// What the user should know, a sentence each.
  std::vector<std::string> notes;
};

/// kInvalidArgument unless `file` is the one that the entry names: "'a.pth' is another file than
/// efficientnet_lite0's: expected sha256 ..., is ...". OK when the entry names none. Fails as
/// FileDigest. Reads, and does no more.
absl::Status CheckDigest(const std::string& file, const PretrainedModel& entry);

/// Makes a backbone of a file of weights: the graph is an input of the entry's size and
/// layers::AddBackbone, and ends with the backbone's last map. Options are the architecture's
/// defaults, so that EfficientNet-Lites mean the same as where they were trained; of a file with
/// other names or none in the table, biases, batch normalizations and projections on shortcuts are
/// those that the file has weights for. One step of lineage, "import", names the file's digest, its
/// origin and licence. The same file and entry give the same model.
///
/// Fails with
/// * what CheckDigest, ReadFile and ParseWeights say, with the file's name;
/// * kInvalidArgument, with a list of layers, unless every tensor of the backbone comes from the
///   file: a model with some fresh weights is not pretrained; for a backbone that is not offered.
absl::StatusOr<ImportedModel> ImportWeights(const std::string& file, const PretrainedModel& entry);

/// The same of weights in memory.
absl::StatusOr<ImportedModel> ImportWeights(const weights::NamedWeights& weights,
                                            absl::string_view source,
                                            absl::string_view source_sha256,
                                            const PretrainedModel& entry);

/// Takes a sealed checkpoint (.tlt) as it is, without its training state. Network, backbone and
/// pixels of the entry are the file's. Fails as LoadModel; kInvalidArgument when the entry names
/// another backbone.
absl::StatusOr<ImportedModel> ImportCheckpoint(const std::string& file, absl::string_view key,
                                               const PretrainedModel& entry);

}  // namespace trainyard::pretrained
