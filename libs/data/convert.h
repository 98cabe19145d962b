#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/data/formats/data_set.h"
#include "libs/data/ledger.h"
#include "libs/data/tfrecord/manifest.h"
#include "trainyard/spec/dataset/v1/dataset_export_config.pb.h"

namespace trainyard::data {

struct ConvertOptions {
  /// The data set's folder; empty = the spec's root_directory_path.
  std::string root;
  /// TAO's -o: what the names of all files begin with, with the folder, which is made when it is
  /// not there.
  std::string output_prefix;
  /// TAO's -c: the classes, for a spec without target_class_mapping; empty = those that are found.
  std::vector<std::string> class_names;
  /// Any refused label or image is an error.
  bool strict = false;
  /// Seed of the partition.
  uint64_t random_seed = 42;
  /// Threads that look the images through. >= 1.
  int threads = 1;
};

/// How far a conversion is: first all images are checked, then those that are good are written.
struct ConvertProgress {
  absl::string_view phase;  // "check", "write"
  int64_t done = 0, total = 0;
};

struct ConvertReport {
  Manifest manifest;
  Ledger ledger;
  /// All that was written, with folder: shards, indexes, manifest, ledger, TAO's warnings.
  std::vector<std::string> files;
  std::string manifest_path;
  /// For the log.
  std::vector<std::string> notes;
};

/// Converts a set with KITTI's labels or COCO's to TFRecord shards in TAO's layout (TAO
/// `dataset_convert`):
///
///     <prefix>-fold-000-of-002-shard-00003-of-00010   records of tf.train.Example
///     idx-<shard>                                     offset and length of each record
///     <prefix>_warning.json                           degenerate boxes, when there are any
///     <prefix>_manifest.json, <prefix>_ledger.jsonl   ours: what is in it, what was refused and
///     why
///
/// Which images are in which of the folds: libs/data/partition.h. Random mode makes two, sequence mode
/// as many as num_partitions says; fold 000 is the validation data, the others are for training. An
/// empty fold has no files and keeps its number. Of COCO each file of annotations is a fold, in the order
/// of its images, with shards of its own. With num_shards 0 a fold is one file without the last
/// part of the name. Equal inputs and options give equal bytes. Label lines and images that cannot be
/// used are left out and listed.
///
/// Memory does not grow with the number of images but for their names, of COCO for what its files say
/// (libs/data/formats/coco.h). All files are written to a
/// hidden folder beside the target and renamed at the end, the manifest last; files of an earlier
/// conversion to the same prefix go then. Fails without leaving a file behind:
///   kInvalidArgument  the spec (libs/spec), roots that disagree, or Ledger::Check
///   kNotFound         folders, images, the file that maps sequences to frames
///   kFailedPrecondition  another conversion to this prefix is under way
///   kCancelled        `stop`, looked at for every image
///   kResourceExhausted, kInternal  the disk
///
/// Source: TAO's `dataset_convert`.
absl::StatusOr<ConvertReport> ConvertKitti(
    const spec::dataset::v1::DatasetExportConfig& config, const ConvertOptions& options,
    const std::function<void(const ConvertProgress&)>& progress = nullptr,
    std::stop_token stop = {});

/// ConvertKitti for a part of a set in any format that has frames (libs/data/formats/data_set.h): in random
/// order, `val_split` per cent of the images in fold 000; classes are those that are found. Memory holds
/// the labels. `options.root` and `class_names` have no effect. kInvalidArgument, too, for a `val_split`
/// that is not in [0, 100].
absl::StatusOr<ConvertReport> ConvertDataPart(
    const std::string& folder, DataFormat format, const DataPart& part, double val_split,
    uint32_t num_shards, const ConvertOptions& options,
    const std::function<void(const ConvertProgress&)>& progress = nullptr,
    std::stop_token stop = {});

}  // namespace trainyard::data
