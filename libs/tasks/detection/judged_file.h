#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/tasks/detection/judged_set.h"

namespace trainyard::tasks {

/// Beside results.json: what two evaluations are compared by.
inline constexpr char kJudgedFile[] = "judged.tfrecord";
/// More detections are not written down, and no larger file is read.
inline constexpr int64_t kMostJudged = 4'000'000;
inline constexpr int64_t kMostJudgedBytes = int64_t{128} << 20;

/// A judged set and the names of its images, in order. Names need be neither UTF-8 nor different.
struct NamedSet {
  JudgedSet set;
  std::vector<std::string> images;
};

/// The bytes of the file: TFRecords of tasks.v1.JudgedHeader and JudgedImage. About 8 bytes a
/// detection, 11 for kCoco, and an image's name + 24 + 1 a class for each image; detections behind
/// the last one that finds something are left out, as they change no average precision. Absent when
/// more than kMostJudged are left, or when it would be larger than kMostJudgedBytes.
std::optional<std::string> EncodeJudged(const JudgedSet& set,
                                        const std::vector<std::string>& images);

/// The way back; `path` may be the folder, its results.json or the file. A set that was read gives
/// the same average precision as the one that was written, not the same counts of false positives.
///
/// kNotFound when it is not there, kResourceExhausted when it is too large, kDataLoss with the path
/// for what EncodeJudged does not write, kUnimplemented for a later version.
absl::StatusOr<NamedSet> ReadJudged(const std::string& path);

}  // namespace trainyard::tasks
