#include "libs/data/tfrecord/set_check.h"

#include <algorithm>
#include <set>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/data/class_map.h"
#include "libs/data/findings.h"
#include "libs/data/tfrecord/shards.h"

namespace trainyard::data {
namespace {

using Mapping = std::map<std::string, std::string>;

constexpr size_t kMissingTold = 5;
constexpr int kMostShards = 100'000;

// The names of the files of a fold, or of all folds: of a manifest, or counted up from the name of
// one of them, which does not tell those of other folds.
std::vector<std::string> FilesOf(const std::string& path, const ShardName& name,
                                 const Manifest* manifest, bool all_folds) {
  std::vector<std::string> files;
  if (manifest != nullptr) {
    for (const Manifest::Shard& shard : manifest->shards) {
      if (all_folds || shard.fold == name.fold) files.push_back(shard.file);
    }
    return files;
  }
  // A name may claim any number, and number its files otherwise; a set of TAO's or ours does not.
  if (name.shards > kMostShards || FormatShardName(name) != path) return files;
  ShardName one = name;
  for (one.shard = 0; one.shard < one.shards; ++one.shard) {
    files.push_back(BaseName(FormatShardName(one)));
  }
  return files;
}

// Null when there is none, or one that lists no files.
const Manifest* ManifestOf(const ShardName& name, const Manifests& manifests) {
  const auto it = manifests.find(name.prefix);
  return it == manifests.end() || it->second.shards.empty() ? nullptr : &it->second;
}

absl::Status CheckListed(const std::string& shard, const std::vector<std::string>& files,
                         const std::string& prefix) {
  if (std::find(files.begin(), files.end(), BaseName(shard)) != files.end()) {
    return absl::OkStatus();
  }
  return absl::DataLossError(absl::StrCat("'", shard, "' is not among the files that '",
                                          ManifestPath(prefix),
                                          "' lists; remove it, or convert the set again"));
}

Mapping Keyed(absl::Span<const std::pair<std::string, std::string>> mapping) {
  Mapping keyed;
  for (const auto& [label, target] : mapping) keyed[ClassKey(label)] = ClassKey(target);
  return keyed;
}

std::string TextOf(const Mapping& mapping) {
  return absl::StrJoin(mapping, ",", absl::PairFormatter("="));
}

// What the set was converted by: the mapping of its manifest's options, or each class as it is. Of
// a manifest without options no more is known than what was left out.
Mapping MappingOf(const Manifest& manifest, const std::string* text, Mapping wanted) {
  if (text == nullptr) {
    for (const auto& [label, objects] : manifest.unmapped) wanted.erase(label);
    return wanted;
  }
  Mapping mapping;
  for (const absl::string_view part : absl::StrSplit(*text, ',', absl::SkipEmpty())) {
    const std::pair<absl::string_view, absl::string_view> names =
        absl::StrSplit(part, absl::MaxSplits('=', 1));
    mapping[ClassKey(names.first)] = ClassKey(names.second);
  }
  if (mapping.empty()) {
    for (const std::string& name : manifest.classes) mapping[name] = name;
  }
  return mapping;
}

// What the set's objects became, where `wanted` says something else; empty when nothing differs.
// `unsaid` receives the label classes that only the conversion names.
std::vector<std::string> Differences(const Manifest& manifest, const Mapping& converted,
                                     const Mapping& wanted, std::vector<std::string>& unsaid) {
  std::vector<std::string> differences;
  for (const auto& [label, target] : converted) {
    const auto it = wanted.find(label);
    if (it == wanted.end()) {
      unsaid.push_back(absl::StrCat("'", label, "' became '", target, "'"));
    } else if (it->second != target) {
      differences.push_back(absl::StrCat("'", label, "' became '", target,
                                         "', where target_class_mapping says '", it->second, "'"));
    }
  }
  for (const auto& [label, target] : wanted) {
    const auto left_out = manifest.unmapped.find(label);
    if (converted.count(label) > 0 || left_out == manifest.unmapped.end()) continue;
    differences.push_back(absl::StrCat("the ", Counted(left_out->second, "object"), " of '", label,
                                       "' were left out, where target_class_mapping says '", target,
                                       "'"));
  }
  return differences;
}

bool IsIdentity(const Mapping& mapping) {
  return std::all_of(mapping.begin(), mapping.end(),
                     [](const auto& entry) { return entry.first == entry.second; });
}

}  // namespace

absl::Status CheckSetsAreWhole(const std::vector<std::string>& shards, const Manifests& manifests,
                               bool all_folds) {
  std::set<std::tuple<std::string, int, int>> looked_at;
  for (const std::string& shard : shards) {
    const auto name = ParseShardName(shard);
    if (!name) continue;
    const Manifest* const manifest = ManifestOf(*name, manifests);
    const std::vector<std::string> files = FilesOf(shard, *name, manifest, all_folds);
    if (manifest != nullptr) TY_RETURN_IF_ERROR(CheckListed(shard, files, name->prefix));
    if (!looked_at.insert({name->prefix, name->fold, name->shards}).second) continue;
    std::vector<std::string> missing;
    for (const std::string& file : files) {
      if (!FileExists(JoinPath(DirName(shard), file))) missing.push_back(file);
    }
    if (missing.empty()) continue;
    const bool whole = all_folds && manifest != nullptr;
    return absl::DataLossError(absl::StrFormat(
        "%d of the %d files of %sthe set '%s' are missing (%s), which %s; restore them, or "
        "convert the set again%s",
        missing.size(), files.size(), whole ? "" : absl::StrFormat("fold %03d of ", name->fold),
        name->prefix, SomeOf(missing, kMissingTold),
        manifest != nullptr ? absl::StrCat("'", ManifestPath(name->prefix), "' lists")
                            : absl::StrCat("'", BaseName(shard), "' counts"),
        whole ? absl::StrCat("; one fold alone is named '", name->prefix, "-fold-001'") : ""));
  }
  return absl::OkStatus();
}

absl::Status CheckRecordCount(const std::string& shard, int64_t records,
                              const Manifests& manifests) {
  const auto name = ParseShardName(shard);
  const Manifest* const manifest = name ? ManifestOf(*name, manifests) : nullptr;
  if (manifest == nullptr) return absl::OkStatus();
  for (const Manifest::Shard& listed : manifest->shards) {
    if (listed.file != BaseName(shard) || listed.records == records) continue;
    return absl::DataLossError(
        absl::StrFormat("the file holds %d records, where '%s' lists %d: convert the set again",
                        records, ManifestPath(name->prefix), listed.records));
  }
  return absl::OkStatus();
}

absl::Status CheckMapping(const std::string& prefix, const Manifest& manifest,
                          const std::vector<std::string>& classes,
                          absl::Span<const std::pair<std::string, std::string>> mapping,
                          std::vector<std::string>& notes) {
  if (manifest.classes != classes) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "the set '%s' was converted for classes [%s]; target_class_mapping has [%s]: convert "
        "it again with this mapping",
        prefix, absl::StrJoin(manifest.classes, ", "), absl::StrJoin(classes, ", ")));
  }
  if (mapping.empty()) return absl::OkStatus();
  const Mapping wanted = Keyed(mapping);
  const auto option = manifest.options.find("target_class_mapping");
  const std::string* const text = option == manifest.options.end() ? nullptr : &option->second;
  // First as a whole: names may hold what separates them.
  if (text != nullptr && ClassKey(*text) == TextOf(wanted)) return absl::OkStatus();
  std::vector<std::string> unsaid;
  std::vector<std::string> differences =
      Differences(manifest, MappingOf(manifest, text, wanted), wanted, unsaid);
  if (!unsaid.empty() && IsIdentity(wanted) && differences.empty()) {
    notes.push_back(absl::StrCat(
        "the set '", prefix,
        "' keeps the mapping that it was converted by: ", absl::StrJoin(unsaid, ", ")));
    return absl::OkStatus();
  }
  for (const std::string& one : unsaid) {
    differences.push_back(absl::StrCat(one, ", which target_class_mapping does not name"));
  }
  if (differences.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the set '", prefix, "' was converted with another target_class_mapping: ",
                   absl::StrJoin(differences, "; "), ": convert it again with this mapping"));
}

}  // namespace trainyard::data
