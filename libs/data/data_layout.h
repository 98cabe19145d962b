#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/data/kitti_folder.h"
#include "libs/data/ledger.h"

namespace trainyard::data {

/// Looks the labelled pictures of one part of a data set through, whatever their format, as
/// ScanKittiFolder does and fails: `keep` gets each frame that can be used, in a fixed order.
using FrameScan = std::function<absl::StatusOr<Ledger>(
    int threads, const std::function<void(KittiFrame frame)>& keep,
    const std::function<bool(int64_t done, int64_t total)>& go_on)>;

/// What a folder holds, told by its names alone.
struct DataLayout {
  /// "kitti".
  std::string format;
  FrameScan training;
  /// Null when the folder has no such part. What a folder calls `test` nothing may be chosen by.
  FrameScan validation, test;
  /// For people: what else lies there.
  std::vector<std::string> notes;
};

/// Tells the format and the parts of a data set. KITTI: `images` and `labels`, or both in folders `train`
/// (trainval, training), `val` (valid, validation) and `test` (testing); also called image, image_2 and
/// label, label_2. Another format is another line of the list in data_layout.cc.
///
/// kNotFound when the folder is not there; kInvalidArgument, saying what lies there and what was
/// expected, when no format fits.
absl::StatusOr<DataLayout> RecogniseData(const std::string& folder);

}  // namespace trainyard::data
