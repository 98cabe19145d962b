#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/data/data_use.h"

namespace trainyard::data {

/// What the name of a shard says: `<prefix>-fold-000-of-002-shard-00003-of-00010`.
struct ShardName {
  /// With its folder.
  std::string prefix;
  int fold = 0;
  int folds = 1;
  /// 0 and 0 for the one file of a fold that has no shards.
  int shard = 0;
  int shards = 0;
};
/// The parts of a shard's path; nullopt when it is not named that way.
std::optional<ShardName> ParseShardName(absl::string_view path);
/// The path of a shard; `shards` 0 leaves that part out.
std::string FormatShardName(const ShardName& name);

/// Whether a file beside shards is one of their companions and holds no records of samples: indexes
/// (`idx-...`), warnings, manifest, ledger, work in progress.
bool IsShardCompanion(absl::string_view path);

/// The shards that a `tfrecords_path` means: a file; all files of a folder; a glob; else all files
/// that begin so, but none of a set whose name is longer (`tf/t` is not `tf/tt-fold-...`). Sorted,
/// companions left out. kInvalidArgument when a copy lies beside a shard: a file whose name goes on
/// where the shard's ends.
///
/// `validation_fold` >= 0: training gets the other folds, validation that fold. -1: training fails
/// with kInvalidArgument when the match reaches the validation fold (000) of a set and another fold
/// of it; validation takes fold 000 of a set of which several folds match.
/// kNotFound when nothing (or nothing of the fold) matches.
absl::StatusOr<std::vector<std::string>> FindShards(const std::string& tfrecords_path, DataUse use,
                                                    int validation_fold);

}  // namespace trainyard::data
