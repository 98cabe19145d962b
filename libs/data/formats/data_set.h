#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/data/kitti_folder.h"
#include "libs/data/ledger.h"

namespace trainyard::data {

/// How the labels of a data set are written. The first four can be read frame by frame.
enum class DataFormat { kKitti, kCoco, kVoc, kYolo, kTfrecord, kClassFolders };
/// "kitti", "coco", "voc", "yolo", "tfrecord", "class_folders".
absl::string_view NameOf(DataFormat format);
/// kInvalidArgument, with the names that there are, for another one.
absl::StatusOr<DataFormat> FindDataFormat(absl::string_view name);
/// Whether ScanDataPart reads it: labelled boxes of pictures in files of their own.
bool HasFrames(DataFormat format);

/// Pictures and labels that belong together. Paths lie below the set's folder; "" is the folder.
struct DataPart {
  /// "train", "val", ...; "" when the set has one part.
  std::string name;
  std::string image_dir;
  /// The folder of label files, of COCO the file of annotations.
  std::string labels;
};

/// A format that a folder can be read in.
struct DataCandidate {
  DataFormat format = DataFormat::kKitti;
  /// By name; of formats without frames none.
  std::vector<DataPart> parts;
  /// What speaks for it, a sentence each.
  std::vector<std::string> reasons;
};

/// What a folder looks like.
struct RecognizedDataSet {
  std::string folder;
  /// The likeliest first; not empty.
  std::vector<DataCandidate> candidates;
  /// What could be meant otherwise, a sentence each: several formats, files of annotations for one
  /// folder of pictures, pictures and labels without each other.
  std::vector<std::string> ambiguities;

  /// The candidate of a format, nullptr when there is none.
  const DataCandidate* Find(DataFormat format) const;
};

/// Says which format a folder is: by the names of its folders and files down to a depth of 6, and
/// by the first bytes of a few label files (at most 2 MiB of each). Pictures are not opened. Links
/// to folders below are not followed, hidden files passed over.
///
/// kNotFound when the folder is not there, and, with what is there, when it is of no format that is
/// known; kResourceExhausted beyond 20,000 folders.
absl::StatusOr<RecognizedDataSet> RecognizeDataSet(const std::string& folder);

/// The candidate of the format that is named so; with "" the first. kInvalidArgument, with the
/// formats that the folder can be read in, for one that is none of them and, with `expect_clear`,
/// for "" when several with frames could be meant.
absl::StatusOr<DataCandidate> ChooseCandidate(const RecognizedDataSet& recognized,
                                              absl::string_view format, bool expect_clear);

/// The part of a candidate that is named so; with "" the only one. kInvalidArgument, with the names
/// that there are.
absl::StatusOr<DataPart> FindPart(const DataCandidate& candidate, absl::string_view name);

/// Looks all frames of a part through, as ScanKittiFolder does: of COCO in the order of the file,
/// else of the pictures' names. Ids begin with the part's image_dir, and ledgers name files by
/// their path below `folder`. kInvalidArgument for a format without frames; others as the format's
/// own reader.
absl::StatusOr<Ledger> ScanDataPart(
    const std::string& folder, DataFormat format, const DataPart& part, int threads,
    const std::function<void(KittiFrame frame)>& keep,
    const std::function<bool(int64_t done, int64_t total)>& go_on = nullptr);

}  // namespace trainyard::data
