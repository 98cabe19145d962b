#include "libs/data/formats/folder_tree.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/base/text_file.h"
#include "libs/data/image_io.h"
#include "libs/data/picture_folder.h"
#include "libs/data/tfrecord/shards.h"

namespace trainyard::data::internal {
namespace {

constexpr int kMaxDepth = 6;
constexpr size_t kMaxFolders = 20'000;
// Label files of a folder that are looked into, and how far.
constexpr size_t kMostLooked = 12;
constexpr size_t kMostBytes = 64 << 10;

bool IsNameList(absl::string_view name) {
  return name == "data.yaml" || name == "data.yml" || name == "dataset.yaml" ||
         name == "classes.txt" || name == "obj.names" || name == "_darknet.labels";
}

bool IsFolderBelow(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_directory(std::filesystem::symlink_status(path, ignored)) &&
         !FileExists(JoinPath(path, kProfileMark));
}

// One folder; those below it are added to `below`.
absl::StatusOr<TreeFolder> ReadOne(const std::string& root, const std::string& path,
                                   std::vector<std::string>* below) {
  TY_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListFolder(JoinPath(root, path)));
  TreeFolder folder{.path = path};
  for (const std::string& name : names) {
    if (IsHiddenName(name)) continue;
    if (IsNameList(name)) {
      folder.has_names = true;
    } else if (HasImageExtension(name)) {
      folder.pictures.push_back(Stem(name));
    } else if (absl::EndsWith(name, ".txt")) {
      folder.texts.push_back(name);
    } else if (absl::EndsWith(name, ".xml")) {
      folder.xmls.push_back(name);
    } else if (absl::EndsWithIgnoreCase(name, ".json")) {
      folder.jsons.push_back(name);
    } else if (ParseShardName(name) && !IsShardCompanion(name)) {
      folder.records.push_back(name);
    } else if (IsFolderBelow(JoinPath(JoinPath(root, path), name))) {
      below->push_back(JoinPath(path, name));
    }
  }
  std::sort(folder.pictures.begin(), folder.pictures.end());
  return folder;
}

// NaN for what is no finite number.
double NumberOf(absl::string_view column) {
  double value = 0;
  return absl::SimpleAtod(column, &value) && std::isfinite(value) ? value : std::nan("");
}

bool IsKittiLine(const std::vector<absl::string_view>& columns) {
  if (columns.size() != 15 && columns.size() != 16) return false;
  return std::all_of(columns.begin() + 1, columns.end(),
                     [](absl::string_view column) { return !std::isnan(NumberOf(column)); });
}

bool IsYoloLine(const std::vector<absl::string_view>& columns) {
  const size_t count = columns.size();
  if (count != 5 && count != 6 && (count < 7 || count % 2 == 0)) return false;
  const double number = NumberOf(columns[0]);
  if (!(number >= 0) || number != std::trunc(number)) return false;
  return std::all_of(columns.begin() + 1, columns.end(), [](absl::string_view column) {
    const double value = NumberOf(column);
    return value >= -1 && value <= 2;
  });
}

}  // namespace

absl::StatusOr<std::vector<TreeFolder>> ReadFolderTree(const std::string& root) {
  std::vector<TreeFolder> folders;
  std::vector<std::string> level = {""};
  for (int depth = 0; depth <= kMaxDepth && !level.empty(); ++depth) {
    std::vector<std::string> below;
    for (const std::string& path : level) {
      if (folders.size() >= kMaxFolders) {
        return absl::ResourceExhaustedError(absl::StrCat("'", root, "' has more than ", kMaxFolders,
                                                         " folders; name one that holds one set"));
      }
      TY_ASSIGN_OR_RETURN(folders.emplace_back(), ReadOne(root, path, &below));
    }
    level = std::move(below);
  }
  return folders;
}

std::string ReadEnds(const std::string& path, size_t most) {
  const absl::StatusOr<int64_t> size = FileSize(path);
  const absl::StatusOr<int> fd = OpenRegularFile(path);
  if (!fd.ok()) return "";
  std::string text(most, '\0');
  text.resize(static_cast<size_t>(std::max<ssize_t>(0, pread(*fd, text.data(), most, 0))));
  if (size.ok() && *size > static_cast<int64_t>(most)) {
    const int64_t begin = std::max(static_cast<int64_t>(most), *size - static_cast<int64_t>(most));
    std::string end(most, '\0');
    end.resize(static_cast<size_t>(std::max<ssize_t>(0, pread(*fd, end.data(), most, begin))));
    absl::StrAppend(&text, "\n", end);
  }
  close(*fd);
  return text;
}

LabelLook LookOfText(absl::string_view head) {
  absl::ConsumePrefix(&head, "\xEF\xBB\xBF");
  head = absl::StripLeadingAsciiWhitespace(head);
  if (absl::StartsWith(head, "<")) {
    return absl::StrContains(head, "<annotation") ? LabelLook::kVoc : LabelLook::kNone;
  }
  for (const absl::string_view line : TextLines(head)) {
    const std::vector<absl::string_view> columns = SplitAtBlanks(line);
    if (columns.empty()) continue;
    if (IsKittiLine(columns) && !IsYoloLine(columns)) return LabelLook::kKitti;
    return IsYoloLine(columns) ? LabelLook::kYolo : LabelLook::kNone;
  }
  return LabelLook::kNone;
}

std::map<LabelLook, int> LooksOf(const std::string& root, const TreeFolder& folder) {
  std::map<LabelLook, int> looks;
  for (const auto* names : {&folder.texts, &folder.xmls}) {
    size_t looked = 0;
    for (const std::string& name : *names) {
      const std::string head = ReadEnds(JoinPath(JoinPath(root, folder.path), name), kMostBytes);
      if (absl::StripAsciiWhitespace(head).empty()) continue;
      ++looks[LookOfText(head)];
      if (++looked == kMostLooked) break;
    }
  }
  return looks;
}

}  // namespace trainyard::data::internal
