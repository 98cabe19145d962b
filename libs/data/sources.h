#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "libs/data/ledger.h"
#include "libs/data/sample.h"
#include "libs/data/tfrecord/shards.h"

namespace trainyard::data {

/// Where labelled images come from: two folders, or TFRecords.
struct DataSource {
  /// Beside TFRecords, the folder below which the pictures lie that records of DetectNet_v2 name.
  std::string image_dir;
  std::string label_dir;
  /// Prefix, file, folder or glob of TFRecord shards.
  std::string tfrecords;
};

/// How sources are read.
struct SourceOptions {
  /// Label class -> training class; empty = each class found to itself.
  std::vector<std::pair<std::string, std::string>> class_mapping;
  /// False makes the boxes that KITTI calls occluded neutral (libs/data/box.h): not learnt from,
  /// and no background either.
  bool include_difficult = true;
  /// Any refused label or image is an error.
  bool strict = false;
  /// Which folds of converted sets are meant; see FindShards.
  DataUse use = DataUse::kTraining;
  int validation_fold = -1;
  /// The network's input, for a word on objects that it does not hold; 0 x 0 = none.
  ImageSize input;
  /// Threads that look the images through while opening. >= 1.
  int threads = 1;
};

/// Opened sources and what was seen on the way.
struct OpenedSources {
  /// The samples of all sources, in the order of the sources; within one sorted by name, or in the
  /// order of the shards.
  std::unique_ptr<SampleSource> source;
  /// The training classes: class_id - 1 is the index.
  std::vector<std::string> classes;
  /// Boxes kept, by training class; neutral ones are not counted.
  std::map<std::string, int64_t> class_counts;
  /// Boxes of mapped classes that are difficult; those of them that are neutral.
  int64_t difficult = 0, neutral = 0;
  /// Boxes of label classes that are not mapped, which are left out, by label class.
  std::map<std::string, int64_t> unmapped_counts;
  Ledger ledger;
  /// Not OK when there are objects, but none of a class of the mapping (libs/data/class_census.h):
  /// then nothing can be learnt from them.
  absl::Status mapped;
  /// For people: an identity mapping, a stale index, a fold that was chosen, classes that are left
  /// out or have no object.
  std::vector<std::string> notes;
  /// Of those, what is said of classes, and of objects that the network's input does not hold.
  std::vector<std::string> warnings;
};

/// Opens KITTI folders and TFRecord shards as one SampleSource.
///
/// A folder's images (.jpg, .jpeg, .png in any case) are looked through once, so that one that
/// cannot be decoded, or has no label file, becomes a ledger entry and is left out; so does every
/// bad label line (libs/data/kitti.h). Shards are read through once: every CRC is checked and each
/// picture is looked through as those of folders are. All records of a source have one form
/// (RecordForm). Where they hold numbers of classes, each must be one of the training classes; where
/// they hold names, the names go through the mapping as those of label files do, and without a mapping
/// are read in a pass of their own. The files of a set must all be there, and a manifest beside them
/// must tell the same classes, mapping and numbers of records (libs/data/tfrecord/set_check.h). Only
/// labels stay in memory; images are read and decoded on each Get.
///
/// Fails with kInvalidArgument for a source with neither or both of folders and TFRecords, a source of
/// records of several forms, one of DetectNet_v2 without image_dir, a bad mapping, a set of
/// other classes or of another mapping, and what Ledger::Check refuses; kNotFound for missing
/// folders or shards and when no sample is left; kDataLoss for damaged and incomplete sets. All
/// sources are checked before it fails, and the first failures of records told together.
absl::StatusOr<OpenedSources> OpenSources(absl::Span<const DataSource> sources,
                                          const SourceOptions& options);

}  // namespace trainyard::data
