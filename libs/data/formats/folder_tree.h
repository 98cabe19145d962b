#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace trainyard::data::internal {

/// The file that marks the parts which ProfileData laid out (libs/data/profile.h).
inline constexpr char kProfileMark[] = ".trainyard_profile";

/// What a folder of a data set holds, by what it could be. Names without the folder, sorted.
struct TreeFolder {
  /// Below the set's folder; "" is that folder itself.
  std::string path;
  /// Stems of pictures that are read.
  std::vector<std::string> pictures;
  /// Files that end in .txt, .xml and .json, and shards of records.
  std::vector<std::string> texts, xmls, jsons, records;
  /// Whether it holds a list of classes, as YOLO's sets do.
  bool has_names = false;
};

/// The folders of a data set, the outer before the inner. Hidden names are passed over, links to
/// folders not followed, and what lies more than 6 folders deep is not seen. Nor is what ProfileData laid
/// out below `root`: it is the same set again. kNotFound when `root`
/// is not there; kResourceExhausted beyond 20,000 folders; others as ListFolder.
absl::StatusOr<std::vector<TreeFolder>> ReadFolderTree(const std::string& root);

/// What labels of a folder look like.
enum class LabelLook { kNone, kKitti, kYolo, kVoc };

/// The look of one label file by its first bytes.
LabelLook LookOfText(absl::string_view head);

/// How many of the first few label files of a folder have which look; empty ones are passed over.
std::map<LabelLook, int> LooksOf(const std::string& root, const TreeFolder& folder);

/// Up to `most` bytes from the beginning of a file and, when it is longer, as many from its end; ""
/// when it cannot be read.
std::string ReadEnds(const std::string& path, size_t most);

}  // namespace trainyard::data::internal
