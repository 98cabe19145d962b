#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/data/formats/data_set.h"
#include "libs/data/kitti_folder.h"
#include "libs/data/ledger.h"

namespace trainyard::data {

/// Looks the labelled pictures of one part of a data set through, whatever their format, as
/// ScanDataPart does and fails: `keep` gets each frame that can be used, in a fixed order.
using FrameScan = std::function<absl::StatusOr<Ledger>(
    int threads, const std::function<void(KittiFrame frame)>& keep,
    const std::function<bool(int64_t done, int64_t total)>& go_on)>;

/// What the parts of a folder are for.
struct DataLayout {
  DataFormat format = DataFormat::kKitti;
  FrameScan training;
  /// Null when the folder has no such part. What a folder calls `test` nothing may be chosen by.
  FrameScan validation, test;
  /// For people: what else lies there, and what could be meant otherwise.
  std::vector<std::string> notes;
};

/// Tells the parts of a data set (RecognizeDataSet, of several formats the likeliest) by their names:
/// `train` (trainval, training), `val` (valid, validation) and `test` (testing), in any case of letters,
/// in folders or not, with a year or without (`train2017`). A set of one part is all for training. Of
/// two parts for one purpose the first of these names is taken; the others are noted.
///
/// Fails as RecognizeDataSet; kInvalidArgument, saying what there is, for a format without frames and
/// for several parts of which none is to be trained on.
absl::StatusOr<DataLayout> RecogniseData(const std::string& folder);

}  // namespace trainyard::data
