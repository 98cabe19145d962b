#include "libs/data/tfrecord/manifest.h"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/files.h"
#include "libs/base/json.h"
#include "libs/base/status.h"
#include "libs/data/ledger.h"

namespace trainyard::data {
namespace {

constexpr int64_t kMaxManifestBytes = int64_t{64} << 20;
constexpr int kVersion = 1;

std::string CountsJson(const std::map<std::string, int64_t>& counts) {
  return absl::StrCat("{",
                      absl::StrJoin(counts, ", ",
                                    [](std::string* out, const auto& entry) {
                                      absl::StrAppend(out, JsonText(entry.first), ": ",
                                                      entry.second);
                                    }),
                      "}");
}

std::string FoldJson(const Manifest::Fold& fold) {
  return absl::StrCat("{\"fold\": ", fold.number, ", \"use\": ", JsonText(fold.use),
                      ", \"images\": ", fold.images, ", \"objects\": ", CountsJson(fold.objects),
                      "}");
}

std::string ShardJson(const Manifest::Shard& shard) {
  return absl::StrCat("{\"file\": ", JsonText(shard.file), ", \"fold\": ", shard.fold,
                      ", \"records\": ", shard.records, ", \"size_bytes\": ", shard.size_bytes,
                      ", \"sha256\": ", JsonText(shard.sha256), "}");
}

template <typename List, typename Format>
std::string Lines(const List& list, const Format& format) {
  if (list.empty()) return "[]";
  std::vector<std::string> lines;
  for (const auto& element : list) lines.push_back(absl::StrCat("    ", format(element)));
  return absl::StrCat("[\n", absl::StrJoin(lines, ",\n"), "\n  ]");
}

using google::protobuf::Struct;
using google::protobuf::Value;

// Fields that are not there read as empty: newer and older manifests differ by fields only.
const Value& Get(const Struct& object, const std::string& name) {
  static const Value* const kNothing = new Value;
  const auto it = object.fields().find(name);
  return it == object.fields().end() ? *kNothing : it->second;
}
int64_t GetInt(const Struct& object, const std::string& name) {
  return static_cast<int64_t>(Get(object, name).number_value());
}
std::map<std::string, int64_t> GetCounts(const Struct& object, const std::string& name) {
  std::map<std::string, int64_t> counts;
  for (const auto& [key, value] : Get(object, name).struct_value().fields()) {
    counts[key] = static_cast<int64_t>(value.number_value());
  }
  return counts;
}

Manifest FromJson(const Struct& root) {
  Manifest manifest;
  for (const Value& name : Get(root, "classes").list_value().values()) {
    manifest.classes.push_back(name.string_value());
  }
  manifest.unmapped = GetCounts(root, "unmapped");
  manifest.refused_images = GetInt(root, "refused_images");
  manifest.refused_lines = GetInt(root, "refused_lines");
  for (const Value& value : Get(root, "folds").list_value().values()) {
    const Struct& fold = value.struct_value();
    manifest.folds.push_back({.number = static_cast<int>(GetInt(fold, "fold")),
                              .use = Get(fold, "use").string_value(),
                              .images = GetInt(fold, "images"),
                              .objects = GetCounts(fold, "objects")});
  }
  for (const Value& value : Get(root, "shards").list_value().values()) {
    const Struct& shard = value.struct_value();
    manifest.shards.push_back({.file = Get(shard, "file").string_value(),
                               .fold = static_cast<int>(GetInt(shard, "fold")),
                               .records = GetInt(shard, "records"),
                               .size_bytes = GetInt(shard, "size_bytes"),
                               .sha256 = Get(shard, "sha256").string_value()});
  }
  for (const auto& [key, value] : Get(root, "options").struct_value().fields()) {
    manifest.options[key] = value.string_value();
  }
  return manifest;
}

}  // namespace

std::string ManifestPath(const std::string& prefix) { return prefix + "_manifest.json"; }

std::string ManifestToJson(const Manifest& manifest) {
  const std::string options =
      absl::StrJoin(manifest.options, ", ", [](std::string* out, const auto& entry) {
        absl::StrAppend(out, JsonText(entry.first), ": ", JsonText(entry.second));
      });
  const std::string classes = absl::StrJoin(
      manifest.classes, ", ",
      [](std::string* out, const std::string& name) { absl::StrAppend(out, JsonText(name)); });
  return absl::StrCat("{\n  \"version\": ", kVersion, ",\n  \"classes\": [", classes,
                      "],\n  \"unmapped\": ", CountsJson(manifest.unmapped),
                      ",\n  \"refused_images\": ", manifest.refused_images,
                      ",\n  \"refused_lines\": ", manifest.refused_lines, ",\n  \"options\": {",
                      options, "},\n  \"folds\": ", Lines(manifest.folds, FoldJson),
                      ",\n  \"shards\": ", Lines(manifest.shards, ShardJson), "\n}\n");
}

absl::StatusOr<Manifest> ReadManifest(const std::string& path) {
  TY_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxManifestBytes));
  Struct root;
  const auto parsed = google::protobuf::util::JsonStringToMessage(text, &root);
  if (!parsed.ok()) {
    return absl::DataLossError(
        absl::StrCat("manifest '", path, "' is no JSON object: ", std::string(parsed.message())));
  }
  if (GetInt(root, "version") != kVersion) {
    return absl::DataLossError(absl::StrCat("manifest '", path, "' has version ",
                                            GetInt(root, "version"), "; expected ", kVersion));
  }
  return FromJson(root);
}

}  // namespace trainyard::data
