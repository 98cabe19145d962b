#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/data/ledger.h"
#include "libs/data/review/finding.h"
#include "libs/data/review/frame.h"
#include "libs/data/review/prior_fit.h"

namespace trainyard::data {

/// A data set as it is reviewed.
struct ReviewSet {
  /// What messages call it.
  std::string name;
  std::vector<ReviewFrame> frames;
  /// What its reader left out and noticed.
  Ledger ledger;
};

struct ReviewOptions {
  /// The boxes of the network that is to be trained; none = they are not asked for.
  Priors priors;
  /// >= 1.
  int threads = 1;
  /// Hears how many pictures of both sets were looked at; false ends the review. May be empty.
  std::function<bool(int64_t done, int64_t total)> go_on;
};

/// Looks a data set through before a training is paid for: copies of pictures, in the set and between
/// it and `against` (null = none); classes; boxes; how well these fit the network. Errors come first,
/// then warnings and notes, each in the order of ReviewKind. The findings depend on no thread. Memory
/// holds the frames and a fingerprint a picture, and a decoded picture a thread.
///
/// kInvalidArgument for a set without frames; kCancelled when `go_on` returned false. A picture that
/// cannot be read is a finding.
absl::StatusOr<std::vector<ReviewFinding>> ReviewData(const ReviewSet& set,
                                                      const ReviewSet* against,
                                                      const ReviewOptions& options);

}  // namespace trainyard::data
