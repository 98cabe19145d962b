#include "libs/tasks/output_folder.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "libs/base/files.h"
#include "libs/base/paths.h"
#include "libs/base/status.h"
#include "libs/data/image_io.h"

namespace trainyard::tasks {
namespace {

constexpr int64_t kMaxLedgerBytes = int64_t{64} << 20;

// The names that inferences wrote into a folder, one a line: what may be replaced there. A hidden
// file beside the folder, so that the folder holds outputs alone. A line break in a name is /, which
// no name has.
std::string LedgerOf(const std::string& folder) {
  return JoinPath(DirName(folder), absl::StrCat(".trainyard_inference_", BaseName(folder)));
}

absl::StatusOr<std::set<std::string>> ReadLedger(const std::string& folder) {
  const std::string path = LedgerOf(folder);
  if (!FileExists(path)) return std::set<std::string>();
  TY_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxLedgerBytes));
  std::set<std::string> names;
  for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    names.insert(absl::StrReplaceAll(line, {{"/", "\n"}}));
  }
  return names;
}

}  // namespace

void CheckNamesDiffer(absl::Span<const std::string> image_paths,
                      const std::function<std::string(const std::string& path)>& name_of,
                      Problems& problems) {
  std::map<std::string, std::string> owners;
  for (const std::string& path : image_paths) {
    const std::string name = name_of(path);
    const auto [owner, fresh] = owners.emplace(name, path);
    if (fresh) continue;
    problems.Add(path, "has the same name as %s; both would be written to '%s'", owner->second, name);
  }
}

void CheckInputsStay(absl::Span<const std::string> image_paths, const std::string& folder,
                     absl::string_view what, Problems& problems) {
  if (folder.empty()) return;
  const std::string canonical = CanonicalPath(folder);
  std::set<std::string> inputs;
  for (const std::string& path : image_paths) inputs.insert(CanonicalPath(path));
  for (const std::string& path : image_paths) {
    const std::string target = JoinPath(canonical, BaseName(path));
    if (CanonicalPath(DirName(path)) != canonical && !inputs.contains(CanonicalPath(target))) continue;
    problems.Add("images",
                 "the output folder '%s' holds the input '%s', and %s would replace it; choose another "
                 "output folder",
                 folder, path, what);
    return;
  }
}

void CheckThreshold(double threshold, Problems& problems) {
  if (threshold > 0 && threshold < 1) return;
  problems.Add("threshold", "is %g; expected above 0 and below 1", threshold);
}

absl::Status ClaimOutputs(const std::string& folder, const std::set<std::string>& names,
                          absl::string_view what, std::vector<std::string>& left) {
  TY_ASSIGN_OR_RETURN(std::set<std::string> ours, ReadLedger(folder));
  std::vector<std::string> foreign;
  for (const std::string& name : names) {
    if (!ours.contains(name) && FileExists(JoinPath(folder, name))) foreign.push_back(name);
  }
  if (!foreign.empty()) {
    return absl::AlreadyExistsError(
        absl::StrCat("the output folder '", folder, "' holds ", foreign.size(), " ", what, " (",
                     data::SomeOf(foreign),
                     ") that no inference wrote and this one would replace; choose "
                     "another output folder, or move them away"));
  }
  for (const std::string& name : ours) {
    if (!names.contains(name) && FileExists(JoinPath(folder, name))) left.push_back(name);
  }
  ours.insert(names.begin(), names.end());
  TY_RETURN_IF_ERROR(MakeFolders(folder));
  const std::string lines =
      absl::StrReplaceAll(absl::StrJoin(ours, "/"), {{"/", "\n"}, {"\n", "/"}});
  return WriteFileAtomically(LedgerOf(folder), lines + "\n");
}

absl::Status ClaimFolder(const std::string& folder, const std::set<std::string>& names,
                         absl::string_view what, data::Findings& findings) {
  if (folder.empty()) return absl::OkStatus();
  std::vector<std::string> left;
  TY_RETURN_IF_ERROR(ClaimOutputs(folder, names, absl::StrCat(what, "s"), left));
  if (left.empty()) return absl::OkStatus();
  findings.notes.push_back(absl::StrCat(
      "'", folder, "' still holds ",
      data::Counted(static_cast<int64_t>(left.size()), std::string(what)),
      " of an earlier inference (", data::SomeOf(left), "), of pictures that are not among these"));
  return absl::OkStatus();
}

absl::Status WritePicture(const std::string& folder, const std::string& name,
                          const Tensor& picture) {
  const bool png = absl::AsciiStrToLower(Extension(name)) == ".png";
  TY_ASSIGN_OR_RETURN(const std::string bytes,
                      png ? data::EncodePng(picture) : data::EncodeJpeg(picture));
  return WriteFileAtomically(JoinPath(folder, name), bytes);
}

FlatNames::FlatNames(absl::Span<const std::string> image_paths) {
  if (image_paths.empty()) return;
  // The common beginning of all paths, cut behind its last slash.
  std::string common = image_paths.front();
  for (const std::string& path : image_paths) {
    const auto differs = std::mismatch(common.begin(), common.end(), path.begin(), path.end());
    common.erase(differs.first, common.end());
  }
  const size_t slash = common.rfind('/');
  common_ = slash == std::string::npos ? 0 : slash + 1;
}

std::string FlatNames::Of(const std::string& image_path) const {
  return absl::StrReplaceAll(image_path.substr(common_), {{"/", "_"}});
}

std::vector<std::pair<std::string, std::string>> FoldersOf(const PredictionOptions& options) {
  std::vector<std::pair<std::string, std::string>> folders;
  if (!options.annotated_dir.empty()) folders.emplace_back("images", options.annotated_dir);
  if (!options.labels_dir.empty()) folders.emplace_back("labels", options.labels_dir);
  return folders;
}

std::string FloatText(float value) {
  char text[64];
  const auto end = std::to_chars(text, text + sizeof(text), value, std::chars_format::fixed).ptr;
  std::string result(text, end);
  if (result.find_first_of(".ni") == std::string::npos) result += ".0";
  return result;
}

}  // namespace trainyard::tasks
