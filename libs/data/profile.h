#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>

#include "absl/status/statusor.h"
#include "trainyard/worker/v1/data_profile.pb.h"

namespace trainyard::data {

struct ProfileOptions {
  /// The data set: RecogniseData.
  std::string data;
  /// Folder for the parts: absolute.
  std::string output;
  /// Part of the training pictures that becomes validation data where the set has none. (0, 1).
  double validation_share = 0.2;
  uint64_t random_seed = 42;
  /// Up to so many training pictures are decoded and compared with each other; of a larger set none.
  int64_t most_compared = 0;
  int probe_pictures = 0;
  /// Objects whose shapes are told; about so many of a larger set, evenly over the pictures. >= 1.
  int most_objects = 20'000;
  bool strict = false;
  /// >= 1.
  int threads = 1;
};

/// Looks a data set through and lays its parts out as KITTI folders: `training`, `validation`, `test` and
/// `probe` below the output, each with `images/` (symbolic links to the pictures where they lie) and
/// `labels/`. So the specs of a training name folders, whatever the format, and nothing is copied. An
/// earlier layout there is replaced.
///
/// Classes are those of the labels (ClassKey); KITTI's `DontCare` is none. Memory holds names and boxes.
///
/// Fails as RecogniseData, FrameScan and Ledger::Check do; kInvalidArgument for options out of range, for
/// a set without objects, and with fewer than two training pictures; kAlreadyExists for an output that
/// holds something else; kFailedPrecondition when another process writes there; kCancelled.
absl::StatusOr<worker::v1::DataProfile> ProfileData(
    const ProfileOptions& options,
    const std::function<void(int64_t done, int64_t total)>& progress = nullptr,
    std::stop_token stop = {});

}  // namespace trainyard::data
