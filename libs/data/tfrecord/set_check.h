#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "libs/data/tfrecord/manifest.h"

namespace trainyard::data {

/// Manifests by the prefix of their set (ShardName::prefix).
using Manifests = std::map<std::string, Manifest>;

/// kDataLoss, naming them, when files are missing of the folds that `shards` belong to: those that
/// the set's manifest lists, or, without one, those of the numbers `-of-<n>` of the names; and when
/// a shard is not on its manifest's list. `all_folds`: so for all folds that manifests list, that a
/// lost training fold is not taken for a wish to train on the other. Looks at names only.
absl::Status CheckSetsAreWhole(const std::vector<std::string>& shards, const Manifests& manifests,
                               bool all_folds);

/// kDataLoss when the manifest of the set that `shard` belongs to lists another number of records.
absl::Status CheckRecordCount(const std::string& shard, int64_t records,
                              const Manifests& manifests);

/// kInvalidArgument when the set was converted for other classes than `classes`, or by a mapping
/// that puts its objects elsewhere than `mapping` does: a label class that both name differently,
/// one that the conversion left out, one that it took. A `mapping` of each training class to itself
/// means what the records hold; classes that it does not name then become a line of `notes`.
absl::Status CheckMapping(const std::string& prefix, const Manifest& manifest,
                          const std::vector<std::string>& classes,
                          absl::Span<const std::pair<std::string, std::string>> mapping,
                          std::vector<std::string>& notes);

}  // namespace trainyard::data
