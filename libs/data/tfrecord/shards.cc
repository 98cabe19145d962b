#include "libs/data/tfrecord/shards.h"

#include <map>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/data/findings.h"

namespace trainyard::data {
namespace {

// Takes "<marker><digits>-of-<digits>" off the end of `text`.
bool ConsumeNumbering(absl::string_view& text, absl::string_view marker, int& number, int& total) {
  const size_t place = text.rfind(marker);
  if (place == absl::string_view::npos) return false;
  const absl::string_view numbers = text.substr(place + marker.size());
  const size_t middle = numbers.find("-of-");
  if (middle == absl::string_view::npos) return false;
  if (!absl::SimpleAtoi(numbers.substr(0, middle), &number) ||
      !absl::SimpleAtoi(numbers.substr(middle + 4), &total) || number < 0 || total < 1) {
    return false;
  }
  text = text.substr(0, place);
  return true;
}

// Whether a file that begins with `prefix` belongs to what it means: to the set of that name, not
// to one whose name is longer (`tf/t` is not `tf/tt-fold-...`). Files that are not named as shards
// have no set.
bool IsMeantBy(absl::string_view prefix, const std::string& file) {
  const auto name = ParseShardName(file);
  return !name || name->prefix.size() <= prefix.size();
}

// The sets whose names are longer than what was given, for a message.
std::string LongerNames(const std::string& path) {
  if (path.find_first_of("*?[") != std::string::npos) return "";
  std::set<std::string> sets;
  for (const std::string& file : Glob(path + "*")) {
    const auto name = ParseShardName(file);
    if (name && !IsShardCompanion(file)) sets.insert(name->prefix);
  }
  if (sets.empty()) return "";
  return absl::StrCat("; there are the sets ", absl::StrJoin(sets, ", "),
                      " (a * at the end means all that begin so)");
}

// What a pattern that matches nothing may have been meant as.
std::string BracketHint(absl::string_view path) {
  return path.find('[') == absl::string_view::npos
             ? ""
             : "; [ begins a list of letters: write [[] where a name has one, or give the folder";
}

// A copy of a shard that lies beside it would be read as well, and in whichever fold: nothing in its
// name says which it belongs to.
absl::Status RefuseCopies(const std::vector<std::string>& sorted) {
  std::vector<std::string> copies;
  std::string shard;
  for (const std::string& path : sorted) {
    if (ParseShardName(path)) {
      shard = path;
    } else if (!shard.empty() && absl::StartsWith(path, shard)) {
      copies.push_back(path);
    }
  }
  if (copies.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(SomeOf(copies), copies.size() == 1 ? " lies" : " lie",
                   " beside the shard of that name, whose records would count twice; move it away"));
}

absl::StatusOr<std::vector<std::string>> Match(const std::string& path) {
  std::vector<std::string> candidates;
  if (FolderExists(path)) {
    TY_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListFolder(path));
    for (const std::string& name : names) candidates.push_back(JoinPath(path, name));
  } else if (FileExists(path)) {
    candidates.push_back(path);
  } else if (path.find_first_of("*?[") != std::string::npos) {
    candidates = Glob(path);
  } else {
    // The prefix may hold no pattern, or the branch above had taken it.
    candidates = Glob(path + "*");
    std::erase_if(candidates, [&](const std::string& file) { return !IsMeantBy(path, file); });
  }
  std::vector<std::string> shards;
  for (std::string& candidate : candidates) {
    if (!IsShardCompanion(candidate) && FileExists(candidate)) {
      shards.push_back(std::move(candidate));
    }
  }
  return shards;
}

}  // namespace

std::optional<ShardName> ParseShardName(absl::string_view path) {
  ShardName name;
  absl::string_view rest = path;
  ConsumeNumbering(rest, "-shard-", name.shard, name.shards);
  if (!ConsumeNumbering(rest, "-fold-", name.fold, name.folds)) return std::nullopt;
  name.prefix = std::string(rest);
  return name;
}

std::string FormatShardName(const ShardName& name) {
  std::string path = absl::StrFormat("%s-fold-%03d-of-%03d", name.prefix, name.fold, name.folds);
  if (name.shards > 0) {
    absl::StrAppendFormat(&path, "-shard-%05d-of-%05d", name.shard, name.shards);
  }
  return path;
}

bool IsShardCompanion(absl::string_view path) {
  const std::string name = BaseName(path);
  return absl::StartsWith(name, "idx-") || absl::StartsWith(name, ".") ||
         absl::EndsWith(name, ".json") || absl::EndsWith(name, ".jsonl") ||
         absl::EndsWith(name, ".txt") || absl::EndsWith(name, ".yaml");
}

absl::StatusOr<std::vector<std::string>> FindShards(const std::string& tfrecords_path, DataUse use,
                                                    int validation_fold) {
  TY_ASSIGN_OR_RETURN(const std::vector<std::string> matches, Match(tfrecords_path));
  if (matches.empty()) {
    return absl::NotFoundError(absl::StrCat("no TFRecord files match '", tfrecords_path,
                                            "'; expected a prefix, file, folder or glob",
                                            LongerNames(tfrecords_path),
                                            BracketHint(tfrecords_path)));
  }
  TY_RETURN_IF_ERROR(RefuseCopies(matches));
  std::map<std::string, std::set<int>> folds_of_set;
  for (const std::string& path : matches) {
    if (const auto name = ParseShardName(path)) folds_of_set[name->prefix].insert(name->fold);
  }
  for (const auto& [prefix, folds] : folds_of_set) {
    if (use == DataUse::kTraining && validation_fold < 0 && folds.size() > 1 && folds.count(0)) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "tfrecords_path '%s' matches fold 000 of '%s', which is its validation fold, beside "
          "fold %03d; name the training fold ('%s-fold-%03d*') or set validation_fold: 0",
          tfrecords_path, prefix, *folds.rbegin(), prefix, *folds.rbegin()));
    }
  }
  std::vector<std::string> chosen;
  for (const std::string& path : matches) {
    const auto name = ParseShardName(path);
    const bool several = name && folds_of_set[name->prefix].size() > 1;
    bool wanted = true;
    if (validation_fold >= 0) {
      const bool in_fold = name && name->fold == validation_fold;
      wanted = use == DataUse::kValidation ? in_fold : !in_fold;
    } else if (use == DataUse::kValidation && several) {
      wanted = name->fold == 0;
    }
    if (wanted) chosen.push_back(path);
  }
  if (chosen.empty()) {
    return absl::NotFoundError(absl::StrFormat(
        "'%s' matches %d TFRecord files, none of them for %s with validation_fold %d",
        tfrecords_path, matches.size(), use == DataUse::kTraining ? "training" : "validation",
        validation_fold));
  }
  return chosen;
}

}  // namespace trainyard::data
