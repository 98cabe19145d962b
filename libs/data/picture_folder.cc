#include "libs/data/picture_folder.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <iterator>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/files.h"
#include "libs/base/printable.h"
#include "libs/base/status.h"
#include "libs/data/findings.h"
#include "libs/data/image_io.h"

namespace trainyard::data {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMostBelow = 10'000;
constexpr int kDeepest = 8;

constexpr absl::string_view kSystemNames[] = {
    "thumbs.db", "ehthumbs.db",  "desktop.ini", "__macosx",
    "@eadir",    "$recycle.bin", "icon\r",      "system volume information"};

// Not among them: what lies beside pictures without being one of the set, such as a camera's raw
// files and drawings.
constexpr absl::string_view kUnsupportedEndings[] = {
    ".bmp", ".gif", ".webp", ".tif",  ".tiff", ".jfif", ".jpe", ".jp2",
    ".j2k", ".jxl", ".heic", ".heif", ".avif", ".ppm",  ".pgm", ".pnm"};

template <typename List>
bool IsOneOf(const List& list, absl::string_view word) {
  return std::find(std::begin(list), std::end(list), word) != std::end(list);
}

bool IsUnsupported(absl::string_view name) {
  return IsOneOf(kUnsupportedEndings, absl::AsciiStrToLower(Extension(name)));
}

// Counts the pictures of a folder below, and those below it.
void CountBelow(const fs::path& folder, const std::string& shown, int depth, PictureFolder& found) {
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (found.below >= kMostBelow) return;
    const std::string name = it->path().filename().string();
    if (IsHiddenName(name)) continue;
    const std::string path = absl::StrCat(shown, "/", name);
    std::error_code unknown;
    // Links to folders are not followed: they may lead round in a circle.
    if (it->is_directory(unknown)) {
      if (depth < kDeepest && !it->is_symlink(unknown))
        CountBelow(it->path(), path, depth + 1, found);
    } else if (HasImageExtension(name)) {
      if (found.below++ == 0 || path < found.below_example) found.below_example = path;
    }
  }
}

absl::Status CannotList(const std::string& folder, const std::error_code& error) {
  const std::string message = absl::StrCat("cannot list '", folder, "': ", error.message());
  const bool missing = error.value() == ENOENT || error.value() == ENOTDIR;
  return missing ? absl::NotFoundError(message) : absl::PermissionDeniedError(message);
}

std::string UnsupportedNote(const std::vector<std::string>& names) {
  return absl::StrCat(Counted(static_cast<int64_t>(names.size()), "picture"),
                      " of types that are not read (", SomeOf(names),
                      ") are left out; expected .jpg, .jpeg or .png");
}

// Lists one folder of those below `root`: `below` is its path from there, "" for the root itself.
// `folders` receives the folders in it.
absl::Status AddFolder(const std::string& root, const std::string& below, PicturesBelow& found,
                       std::vector<std::string>& folders) {
  const std::string folder = below.empty() ? root : JoinPath(root, below);
  std::error_code error;
  fs::directory_iterator it(folder, error);
  if (error) return CannotList(folder, error);
  for (const fs::directory_iterator end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (IsHiddenName(name)) continue;
    std::string path = below.empty() ? name : absl::StrCat(below, "/", name);
    std::error_code unknown;
    if (it->is_directory(unknown)) {
      (it->is_symlink(unknown) ? found.links : folders).push_back(std::move(path));
    } else if (HasImageExtension(name)) {
      found.pictures.push_back(std::move(path));
    } else if (IsUnsupported(name)) {
      found.unsupported.push_back(std::move(path));
    }
  }
  if (!error) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("cannot list '", folder, "': ", error.message()));
}

// The one image that a path may name; nothing when it is no file.
absl::StatusOr<std::vector<std::string>> OneImage(const std::string& path) {
  if (!FileExists(path)) return std::vector<std::string>();
  if (HasImageExtension(path)) return std::vector<std::string>{path};
  return absl::InvalidArgumentError(
      absl::StrCat("'", path, "' is no image; expected .jpg, .jpeg or .png"));
}

// The paths of what was found in `folder`; `left_out` goes to `notes`, when given.
absl::StatusOr<std::vector<std::string>> PathsOf(const std::string& folder,
                                                 const std::vector<std::string>& pictures,
                                                 const std::vector<std::string>& left_out,
                                                 std::vector<std::string>* notes) {
  if (pictures.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("folder '", folder, "' holds no images (.jpg, .jpeg, .png)",
                     left_out.empty() ? "" : "; ", absl::StrJoin(left_out, "; ")));
  }
  if (notes != nullptr) notes->insert(notes->end(), left_out.begin(), left_out.end());
  std::vector<std::string> paths;
  for (const std::string& name : pictures) paths.push_back(JoinPath(folder, name));
  return paths;
}

void Sort(PictureFolder& found) {
  for (auto* names : {&found.pictures, &found.unsupported, &found.other_ending}) {
    std::sort(names->begin(), names->end());
  }
}

}  // namespace

bool IsHiddenName(absl::string_view name) {
  return absl::StartsWith(name, ".") || IsOneOf(kSystemNames, absl::AsciiStrToLower(name));
}

absl::StatusOr<PictureFolder> ListPictures(const std::string& folder,
                                           const std::string& extension) {
  std::error_code error;
  fs::directory_iterator it(folder, error);
  if (error) return CannotList(folder, error);
  PictureFolder found;
  for (const fs::directory_iterator end; !error && it != end; it.increment(error)) {
    std::string name = it->path().filename().string();
    if (IsHiddenName(name)) continue;
    std::error_code unknown;
    if (it->is_directory(unknown)) {
      CountBelow(it->path(), name, 1, found);
    } else if (extension.empty() ? HasImageExtension(name)
                                 : absl::EndsWithIgnoreCase(name, extension)) {
      found.pictures.push_back(std::move(name));
    } else if (HasImageExtension(name)) {
      found.other_ending.push_back(std::move(name));
    } else if (IsUnsupported(name)) {
      found.unsupported.push_back(std::move(name));
    } else {
      ++found.others[Extension(name)];
    }
  }
  if (error)
    return absl::InternalError(absl::StrCat("cannot list '", folder, "': ", error.message()));
  Sort(found);
  return found;
}

std::vector<std::string> PictureFolder::Notes(bool tell_unsupported) const {
  std::vector<std::string> notes;
  if (below > 0) {
    notes.push_back(absl::StrCat(below >= kMostBelow ? "at least " : "", Counted(below, "picture"),
                                 " in sub-folders (", Shown(below_example),
                                 ") are not read; name the sub-folder itself to use them"));
  }
  if (!other_ending.empty()) {
    notes.push_back(absl::StrCat(Counted(static_cast<int64_t>(other_ending.size()), "picture"),
                                 " of another ending than image_extension (", SomeOf(other_ending),
                                 ") are not used"));
  }
  if (tell_unsupported && !unsupported.empty()) {
    notes.push_back(UnsupportedNote(unsupported));
  }
  return notes;
}

std::vector<std::string> PicturesBelow::Notes() const {
  std::vector<std::string> notes;
  if (!unsupported.empty()) notes.push_back(UnsupportedNote(unsupported));
  if (!links.empty()) {
    notes.push_back(absl::StrCat(Counted(static_cast<int64_t>(links.size()), "link"),
                                 " to folders (", SomeOf(links),
                                 ") are not followed; put the folders there, or link the files"));
  }
  return notes;
}

absl::StatusOr<PicturesBelow> ListPicturesBelow(const std::string& folder) {
  PicturesBelow found;
  std::vector<std::string> waiting = {""};
  while (!waiting.empty()) {
    const std::string below = std::move(waiting.back());
    waiting.pop_back();
    TY_RETURN_IF_ERROR(AddFolder(folder, below, found, waiting));
  }
  for (auto* names : {&found.pictures, &found.unsupported, &found.links}) {
    std::sort(names->begin(), names->end());
  }
  return found;
}

absl::StatusOr<std::vector<std::string>> ListImages(const std::string& path,
                                                    std::vector<std::string>* notes) {
  TY_ASSIGN_OR_RETURN(std::vector<std::string> one, OneImage(path));
  if (!one.empty()) return one;
  TY_ASSIGN_OR_RETURN(const PictureFolder found, ListPictures(path));
  return PathsOf(path, found.pictures, found.Notes(/*tell_unsupported=*/true), notes);
}

absl::StatusOr<std::vector<std::string>> ListImagesBelow(const std::string& path,
                                                         std::vector<std::string>* notes) {
  TY_ASSIGN_OR_RETURN(std::vector<std::string> one, OneImage(path));
  if (!one.empty()) return one;
  TY_ASSIGN_OR_RETURN(const PicturesBelow found, ListPicturesBelow(path));
  return PathsOf(path, found.pictures, found.Notes(), notes);
}

}  // namespace trainyard::data
