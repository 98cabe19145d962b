#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/data/formats/data_set.h"
#include "libs/data/internal/frame_scan.h"
#include "libs/data/kitti_folder.h"
#include "libs/data/ledger.h"
#include "libs/data/partition.h"
#include "trainyard/spec/dataset/v1/dataset_export_config.pb.h"

namespace trainyard::data::internal {

/// Where the frames of a conversion to records come from, and which of them are one fold. A frame
/// is known by its KittiFrame::name, of which no two are equal. Not thread-safe.
class FrameSource {
 public:
  virtual ~FrameSource() = default;

  virtual int folds() const = 0;
  /// Of a fold; 0 is one file, whose name does not count it.
  virtual uint32_t Shards(int fold) const = 0;
  /// Where images are, for messages.
  virtual std::string Place() const = 0;

  /// Looks all frames through, as ScanKittiFolder.
  virtual absl::StatusOr<Ledger> Scan(int threads, const std::function<void(KittiFrame)>& keep,
                                      const GoOn& go_on) = 0;
  /// Divides the frames that are good.
  virtual Folds Partition(std::vector<std::string> names) = 0;
  /// Why a fold is empty, for people; "" when nobody wonders. `total`: of all folds.
  virtual std::string EmptyFoldNote(int fold, int64_t total) const = 0;

  /// A frame without its size and labels, and its labels once more, for a picture of `size`.
  virtual KittiFrame Frame(const std::string& name) const = 0;
  virtual absl::StatusOr<KittiLabels> Labels(const KittiFrame& frame, ImageSize size) const = 0;

  /// The key of a degenerate box in TAO's list of them.
  virtual std::string WarningKey(const std::string& label_path, const DegenerateBox& box) const = 0;
  /// How the set was made, for its manifest, complete after Partition.
  virtual std::map<std::string, std::string> Options() const = 0;
  /// For the log, complete after Partition.
  const std::vector<std::string>& notes() const { return notes_; }

 protected:
  std::vector<std::string> notes_;
};

/// The source that a spec (checked, with its defaults) names, below `root`. `seed` is of the order
/// of KITTI's images. Fails as ReadSequences and ReadCoco; kInvalidArgument for annotations whose
/// categories are not the same in all partitions.
absl::StatusOr<std::unique_ptr<FrameSource>> OpenFrameSource(
    const spec::dataset::v1::DatasetExportConfig& config, const std::string& root, uint64_t seed);

/// A part of a set in any format that has frames, in random order as KITTI's: fold 0 gets
/// `val_split` per cent. Keeps the labels of all frames in memory, some 200 bytes for each box.
std::unique_ptr<FrameSource> PartSource(const std::string& folder, DataFormat format,
                                        const DataPart& part, double val_split, uint32_t num_shards,
                                        uint64_t seed);

}  // namespace trainyard::data::internal
