#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "libs/base/problems.h"

namespace trainyard::data::internal {

/// A folder of a painted set: "train", and how many pictures are in it.
struct SamplePart {
  std::string name;
  int64_t count = 0;
};

/// Writes picture `index` of `parts[part]` into `folder`. Called on several threads.
using WriteSample =
    std::function<absl::Status(size_t part, int64_t index, const std::string& folder)>;

/// Adds what is wrong with the size of the pictures, [64, 4096] pixels a side, or with `threads`.
void CheckSampleSize(int width, int height, int threads, Problems& problems);

/// Makes `<dir>/<part>` of all parts, each with the folders `below`, by calling `write` for every
/// picture. The parts appear whole at the end. `progress` (may be null) is called by one thread at
/// a time.
///
/// kAlreadyExists when a part is there, kFailedPrecondition when another process writes to `dir`,
/// kCancelled, or the first failure of `write`; nothing stays then.
absl::Status WriteSampleParts(const std::string& dir, absl::Span<const SamplePart> parts,
                              absl::Span<const std::string> below, int threads,
                              const WriteSample& write,
                              const std::function<void(int64_t done, int64_t total)>& progress,
                              std::stop_token stop);

}  // namespace trainyard::data::internal
