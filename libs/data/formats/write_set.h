#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/data/formats/data_set.h"
#include "libs/data/ledger.h"

namespace trainyard::data {

struct WriteSetOptions {
  /// A folder that is not there yet, or empty.
  std::string output;
  /// Any refused label or image is an error.
  bool strict = false;
  /// Threads that look the images through. >= 1.
  int threads = 1;
};

struct WriteSetReport {
  int64_t pictures = 0, boxes = 0;
  Ledger ledger;
  /// For the log.
  std::vector<std::string> notes;
};

/// Writes a part of a data set as KITTI or COCO, whatever format it is read in:
///
///     <output>/images/            the files of the pictures, unchanged
///     <output>/labels/<stem>.txt  of KITTI: a line for each box (FormatKittiLine)
///     <output>/annotations.json   of COCO: images, annotations, categories by name from 1
///     <output>/ledger.jsonl       what was left out
///
/// Pictures keep their names; folders in them become `_`, names without the ending of a picture get
/// one, and of two that would have one label file
/// the second gets a number, with a note. Difficult boxes have `occluded` 1 or what KITTI says
/// (KITTI) and `iscrowd` 1 (COCO): evaluation counts both neither for nor against. YOLO says of
/// none. Boxes are two decimals in KITTI lines and as exact as they were read in COCO's.
///
/// All is written to a hidden folder beside `output` and renamed when it is there. Memory holds, of
/// COCO, the text of the annotations. Fails without leaving a file behind: as ScanDataPart;
/// kInvalidArgument for another format, for Ledger::Check, and for an output that lies in the set;
/// kAlreadyExists when `output` holds files; kNotFound when no image can be used; kCancelled by
/// `stop`.
absl::StatusOr<WriteSetReport> WriteDataPart(
    const std::string& folder, DataFormat format, const DataPart& part, DataFormat to,
    const WriteSetOptions& options,
    const std::function<void(int64_t done, int64_t total)>& progress = nullptr,
    std::stop_token stop = {});

}  // namespace trainyard::data
