#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/data/image_io.h"
#include "libs/data/tfrecord/example.h"

namespace trainyard::data::internal {

/// Whether a name that a file holds leads to a place below a folder: no part of it is empty, "." or
/// "..".
bool IsBelowFolder(absl::string_view name);

/// A record of a shard, and what looking at it gave.
struct Record {
  std::string bytes;
  int64_t offset = 0;
  /// In its shard, from 1.
  int64_t number = 0;
  absl::StatusOr<DetectionExample> example = absl::UnknownError("not looked at");
  absl::StatusOr<ImageSize> size = absl::UnknownError("not looked at");
  ImageFacts facts;
  /// Where the picture lies, when the record only names it.
  std::string picture_path;

  /// Reads `bytes`, which are gone then, and looks the picture through: the one inside, or, for a
  /// record of DetectNet_v2, the one below `image_dir` whose name its id is, with one of the endings
  /// .png, .jpg and .jpeg in small or capital letters. Any thread.
  void Look(const std::string& image_dir);
};

}  // namespace trainyard::data::internal
