#include "libs/tasks/classification/class_data.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/files.h"
#include "libs/base/paths.h"
#include "libs/base/printable.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/data/class_folders.h"
#include "libs/data/class_source.h"
#include "libs/data/findings.h"

namespace trainyard::tasks {
namespace {

// Entries of the ledger that a note spells out, and classes that a line names.
constexpr size_t kEntriesTold = 5, kClassesTold = 20;

std::vector<std::string> Without(const std::vector<std::string>& names,
                                 const std::vector<std::string>& others) {
  const std::set<std::string> known(others.begin(), others.end());
  std::vector<std::string> rest;
  for (const std::string& name : names) {
    if (!known.contains(name)) rest.push_back(name);
  }
  return rest;
}

absl::Status CheckClasses(const ClassDataOptions& options, const data::ClassFolders& folders) {
  const std::vector<std::string> names = folders.Names();
  const std::vector<std::string> unknown = Without(names, options.classes);
  const std::vector<std::string> missing = Without(options.classes, names);
  Problems problems;
  for (const std::string& name : unknown) {
    problems.Add("", "class folder '%s' is no class of the model%s", Shown(name),
                 DidYouMean(name, missing.empty() ? options.classes : missing));
  }
  if (options.use == data::DataUse::kTraining) {
    for (const std::string& name : missing) {
      problems.Add("", "class '%s' of the model has no folder%s", Shown(name),
                   DidYouMean(name, unknown));
    }
  }
  if (problems.empty()) return absl::OkStatus();
  problems.Add("", "the folders in '%s' are %s; the model's classes are %s", options.root,
               data::SomeOf(names, kClassesTold), data::SomeOf(options.classes, kClassesTold));
  return problems.ToStatus();
}

// The model's classes without a picture.
std::vector<std::string> EmptyClasses(const std::vector<std::string>& classes,
                                      const std::vector<int64_t>& counts) {
  std::vector<std::string> names;
  for (size_t i = 0; i < classes.size(); ++i) {
    if (counts[i] == 0) names.push_back(classes[i]);
  }
  return names;
}

std::string CountsNote(const ClassDataOptions& options, const data::OpenedClasses& opened) {
  std::vector<std::string> parts;
  size_t classes = 0;
  for (size_t i = 0; i < options.classes.size(); ++i) {
    if (opened.counts[i] == 0) continue;
    ++classes;
    if (parts.size() < kClassesTold) {
      parts.push_back(absl::StrCat(Shown(options.classes[i]), " ", opened.counts[i]));
    }
  }
  if (classes > parts.size())
    parts.push_back(absl::StrCat("and ", classes - parts.size(), " more"));
  return absl::StrCat(data::Counted(opened.source->size(), "picture"), " in ", classes,
                      classes == 1 ? " class (" : " classes (", absl::StrJoin(parts, ", "), ")");
}

std::vector<std::string> Describe(const ClassDataOptions& options,
                                  const data::ClassFolders& folders,
                                  const data::OpenedClasses& opened) {
  std::vector<std::string> lines = {CountsNote(options, opened)};
  const data::Ledger& ledger = opened.ledger;
  if (!ledger.entries.empty()) {
    lines.push_back(absl::StrCat("left out are ", ledger.RefusedImages(), " of ",
                                 data::Counted(ledger.images, "picture")));
  }
  for (const auto& more : {ledger.Describe(kEntriesTold), folders.notes}) {
    lines.insert(lines.end(), more.begin(), more.end());
  }
  for (std::string& line : lines) line = Printable(absl::StrCat(NameOf(options.use), ": ", line));
  return lines;
}

absl::StatusOr<data::OpenedData> Open(const ClassDataOptions& options) {
  TY_ASSIGN_OR_RETURN(const data::ClassFolders folders,
                      data::ListClassFolders(options.root, options.use));
  TY_RETURN_IF_ERROR(CheckClasses(options, folders));
  TY_ASSIGN_OR_RETURN(
      data::OpenedClasses opened,
      data::OpenClassFolders(folders, options.classes,
                             {.strict = options.strict, .threads = options.threads}));
  data::OpenedData data;
  data.notes = Describe(options, folders, opened);
  const std::vector<std::string> empty = EmptyClasses(options.classes, opened.counts);
  if (!empty.empty() && options.use == data::DataUse::kTraining) {
    return absl::InvalidArgumentError(absl::StrCat(
        "no picture can be decoded of ", data::Counted(empty.size(), "class folder"), " (",
        data::SomeOf(empty, kClassesTold), "): ", absl::StrJoin(opened.ledger.Describe(1), "; ")));
  }
  if (!empty.empty()) {
    data.warnings.push_back(absl::StrCat(
        NameOf(options.use), ": ", empty.size(), " of the model's ", options.classes.size(),
        " classes have no picture (", data::SomeOf(empty, kClassesTold),
        "): nothing is said of how well they are recognised"));
    data.notes.push_back(data.warnings.back());
  }
  data.source = std::move(opened.source);
  data.ledger = std::move(opened.ledger);
  return data;
}

// The pictures of a data set by what makes two of them the same; none when it cannot be listed.
struct KnownPicture {
  std::string path;
  // "cats/1.jpg": class and base name.
  std::string key;
};

std::vector<KnownPicture> PicturesOf(const std::string& root) {
  std::vector<KnownPicture> pictures;
  const absl::StatusOr<data::ClassFolders> folders =
      data::ListClassFolders(root, data::DataUse::kValidation);
  if (!folders.ok()) return pictures;
  for (const data::ClassFolder& folder : folders->classes) {
    for (const std::string& picture : folder.pictures) {
      pictures.push_back({.path = JoinPath(JoinPath(root, folder.name), picture),
                          .key = absl::StrCat(folder.name, "/", BaseName(picture))});
    }
  }
  return pictures;
}

std::string FieldOf(const ClassDataOptions& options) {
  return options.field.empty() ? std::string(NameOf(options.use)) : options.field;
}

}  // namespace

absl::StatusOr<data::OpenedData> OpenClassData(const ClassDataOptions& options) {
  absl::StatusOr<data::OpenedData> opened = Open(options);
  if (opened.ok()) return opened;
  const std::string field = options.field.empty() ? "" : absl::StrCat(" (", options.field, ")");
  return Annotate(opened.status(), absl::StrCat(NameOf(options.use), field));
}

std::vector<std::string> WarningsOfSharedPictures(const ClassDataOptions& training,
                                                  const ClassDataOptions& validation) {
  constexpr absl::string_view kMeaning =
      "the accuracy says how well that was learnt, not how well other pictures are recognised";
  if (IsSamePath(training.root, validation.root)) {
    return {Printable(absl::StrCat(FieldOf(validation), " names the folder that is trained on ('",
                                   validation.root, "'): ", kMeaning))};
  }
  std::set<std::string> files;
  // By class, base name and size.
  std::set<std::pair<std::string, int64_t>> trained;
  for (const KnownPicture& one : PicturesOf(training.root)) {
    files.insert(CanonicalPath(one.path));
    trained.emplace(one.key, FileSize(one.path).value_or(-1));
  }
  std::vector<std::string> same, alike;
  const std::vector<KnownPicture> judged = PicturesOf(validation.root);
  for (const KnownPicture& one : judged) {
    if (files.contains(CanonicalPath(one.path))) {
      same.push_back(one.path);
    } else if (trained.contains({one.key, FileSize(one.path).value_or(-2)})) {
      alike.push_back(one.path);
    }
  }
  std::vector<std::string> warnings;
  const auto warn = [&](const std::vector<std::string>& found, absl::string_view how) {
    if (found.empty()) return;
    warnings.push_back(Printable(absl::StrCat(
        found.size(), " of the ", data::Counted(static_cast<int64_t>(judged.size()), "picture"),
        " of ", FieldOf(validation), " (", data::SomeOf(found), ") ", how, " ", FieldOf(training),
        ": ", kMeaning)));
  };
  warn(same, "are files of");
  warn(alike, "have class, name and size of one in");
  return warnings;
}

}  // namespace trainyard::tasks
