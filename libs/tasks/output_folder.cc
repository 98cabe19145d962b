#include "libs/tasks/output_folder.h"

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "libs/base/files.h"
#include "libs/base/paths.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/base/text_file.h"
#include "libs/data/findings.h"

namespace trainyard {
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

absl::Status ClaimOutputs(const std::string& folder, const std::set<std::string>& names,
                          absl::string_view what, std::vector<std::string>& left) {
  TY_ASSIGN_OR_RETURN(std::set<std::string> ours, ReadLedger(folder));
  std::vector<std::string> foreign;
  for (const std::string& name : names) {
    if (!ours.contains(name) && FileExists(JoinPath(folder, name))) foreign.push_back(name);
  }
  if (!foreign.empty()) {
    return absl::AlreadyExistsError(absl::StrCat(
        "the output folder '", folder, "' holds ", foreign.size(), " ", what, " (", SomeOf(foreign),
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

}  // namespace trainyard
