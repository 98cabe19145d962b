#include "libs/data/class_folders.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/files.h"
#include "libs/base/paths.h"
#include "libs/base/printable.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/base/utf8.h"
#include "libs/data/findings.h"
#include "libs/data/image_io.h"
#include "libs/data/picture_folder.h"

namespace trainyard::data {
namespace {

// The names of the sub-folders, and of pictures that lie beside them.
struct TopLevel {
  std::vector<std::string> folders, pictures;
};

absl::StatusOr<TopLevel> ListTop(const std::string& root) {
  if (!FolderExists(root)) {
    return absl::NotFoundError(absl::StrCat("there is no data set folder '", root, "'"));
  }
  TY_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListFolder(root));
  TopLevel top;
  for (const std::string& name : names) {
    if (IsHiddenName(name)) continue;
    if (FolderExists(JoinPath(root, name))) {
      top.folders.push_back(name);
    } else if (HasImageExtension(name)) {
      top.pictures.push_back(name);
    }
  }
  return top;
}

std::string BesideNote(const TopLevel& top) {
  return absl::StrCat(Counted(static_cast<int64_t>(top.pictures.size()), "picture"),
                      " beside the class folders (", SomeOf(top.pictures),
                      ") belong to no class and are not read");
}

bool HasLabelBreak(absl::string_view name) { return name.find_first_of(";\n\r") != name.npos; }

// Adds what is wrong with the folders as classes.
void CheckTop(const std::string& root, const TopLevel& top, DataUse use, Problems& problems) {
  for (const std::string& name : top.folders) {
    if (IsUtf8(name)) continue;
    problems.Add("", "the name of class folder '%s' in '%s' is not UTF-8; rename it", Shown(name),
                 root);
  }
  for (const std::string& name : top.folders) {
    if (use != DataUse::kTraining || !HasLabelBreak(name)) continue;
    problems.Add("",
                 "class folder '%s' in '%s' has a semicolon or a line break in its name, which "
                 "separate labels in the files of a model; rename it",
                 Shown(name), root);
  }
  if (top.folders.empty()) {
    problems.Add("",
                 "'%s' has no sub-folder; expected one for each class, with its pictures in it%s",
                 root, top.pictures.empty() ? "" : absl::StrCat("; ", BesideNote(top)));
  } else if (top.folders.size() == 1 && use == DataUse::kTraining) {
    problems.Add("", "'%s' has one class folder only ('%s'); more than one class is required%s",
                 root, Shown(top.folders.front()),
                 top.pictures.empty() ? "" : absl::StrCat("; ", BesideNote(top)));
  }
}

// Whether a class folder is a link to the folder around it, or to one above that.
bool LeadsAround(const std::string& root, const std::string& folder) {
  const std::string around = CanonicalPath(root) + "/", target = CanonicalPath(folder) + "/";
  return absl::StartsWith(around, target);
}

absl::StatusOr<ClassFolder> ListClass(const std::string& root, const std::string& name, DataUse use,
                                      std::vector<std::string>& notes, Problems& problems) {
  const std::string folder = JoinPath(root, name);
  if (LeadsAround(root, folder)) {
    problems.Add("", "class folder '%s' in '%s' is a link to the data set itself; remove it",
                 Shown(name), root);
    return ClassFolder{.name = name};
  }
  TY_ASSIGN_OR_RETURN(PicturesBelow found, ListPicturesBelow(folder));
  const std::vector<std::string> left_out = found.Notes();
  if (found.pictures.empty() && use == DataUse::kTraining) {
    problems.Add("", "class folder '%s' in '%s' holds no picture (.jpg, .jpeg, .png)%s%s", name,
                 root, left_out.empty() ? "" : "; ", absl::StrJoin(left_out, "; "));
  }
  for (const std::string& note : left_out) {
    notes.push_back(absl::StrCat("class folder '", Shown(name), "': ", note));
  }
  return ClassFolder{.name = name, .pictures = std::move(found.pictures)};
}

}  // namespace

std::vector<std::string> ClassFolders::Names() const {
  std::vector<std::string> names;
  for (const ClassFolder& one : classes) names.push_back(one.name);
  return names;
}

absl::StatusOr<ClassFolders> ListClassFolders(const std::string& root, DataUse use) {
  TY_ASSIGN_OR_RETURN(const TopLevel top, ListTop(root));
  Problems problems;
  CheckTop(root, top, use, problems);
  ClassFolders found{.root = root};
  if (!top.pictures.empty()) found.notes.push_back(BesideNote(top));
  bool any = false;
  for (const std::string& name : top.folders) {
    TY_ASSIGN_OR_RETURN(ClassFolder one, ListClass(root, name, use, found.notes, problems));
    any = any || !one.pictures.empty();
    found.classes.push_back(std::move(one));
  }
  if (!any && !top.folders.empty() && use != DataUse::kTraining) {
    problems.Add("", "no class folder in '%s' (%s) holds a picture (.jpg, .jpeg, .png)%s%s", root,
                 SomeOf(top.folders), found.notes.empty() ? "" : "; ",
                 absl::StrJoin(found.notes, "; "));
  }
  TY_RETURN_IF_ERROR(problems.ToStatus());
  return found;
}

absl::StatusOr<std::vector<std::string>> ListClassNames(const std::string& root) {
  TY_ASSIGN_OR_RETURN(TopLevel top, ListTop(root));
  Problems problems;
  CheckTop(root, top, DataUse::kTraining, problems);
  TY_RETURN_IF_ERROR(problems.ToStatus());
  return std::move(top.folders);
}

}  // namespace trainyard::data
