#include "libs/data/formats/yolo_names.h"

#include <map>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "libs/base/files.h"
#include "libs/base/printable.h"
#include "libs/base/status.h"
#include "libs/base/text_file.h"
#include "libs/base/yaml_document.h"
#include "libs/data/internal/class_name.h"

namespace trainyard::data {
namespace {

constexpr int64_t kMaxFileBytes = 1 << 20;
constexpr absl::string_view kFiles[] = {"data.yaml",   "data.yml",  "dataset.yaml",
                                        "classes.txt", "obj.names", "_darknet.labels"};

absl::Status Unfit(const std::string& file, absl::string_view text) {
  return absl::InvalidArgumentError(absl::StrCat("'", file, "': ", text));
}

absl::StatusOr<std::string> NameFrom(const YAML::Node& node, int64_t number,
                                     const std::string& file) {
  const std::string name = node.IsScalar() ? internal::WithoutBlanks(node.Scalar()) : "";
  if (!name.empty()) return name;
  return Unfit(file, absl::StrCat("the name of class ", number, " is empty or no text"));
}

// As many names as there are entries, numbered from 0.
absl::StatusOr<std::vector<std::string>> NamesOfMap(const YAML::Node& map,
                                                    const std::string& file) {
  std::map<int64_t, std::string> by_number;
  for (const auto& entry : map) {
    int64_t number = -1;
    if (!entry.first.IsScalar() || !absl::SimpleAtoi(entry.first.Scalar(), &number)) {
      return Unfit(file, "a key of names is no number; expected 0, 1, ...");
    }
    TY_ASSIGN_OR_RETURN(by_number[number], NameFrom(entry.second, number, file));
  }
  std::vector<std::string> names;
  for (auto& [number, name] : by_number) {
    if (number != static_cast<int64_t>(names.size())) {
      return Unfit(file,
                   absl::StrCat("names has no class ", names.size(), ", but a class ", number));
    }
    names.push_back(std::move(name));
  }
  return names;
}

absl::StatusOr<std::vector<std::string>> NamesOf(const YAML::Node& node, const std::string& file) {
  if (node.IsMap()) return NamesOfMap(node, file);
  if (!node.IsSequence()) return Unfit(file, "names is neither a list nor a map");
  std::vector<std::string> names;
  for (const YAML::Node& entry : node) {
    TY_ASSIGN_OR_RETURN(names.emplace_back(),
                        NameFrom(entry, static_cast<int64_t>(names.size()), file));
  }
  return names;
}

absl::StatusOr<YoloNames> FromRoot(const YAML::Node& root, const std::string& file) {
  if (!root.IsMap() || !root["names"]) return YoloNames();
  YoloNames found{.source = file};
  TY_ASSIGN_OR_RETURN(found.names, NamesOf(root["names"], file));
  int64_t count = 0;
  const YAML::Node nc = root["nc"];
  if (nc && nc.IsScalar() && absl::SimpleAtoi(nc.Scalar(), &count) &&
      count != static_cast<int64_t>(found.names.size())) {
    return Unfit(file, absl::StrCat("nc is ", count, ", but names has ", found.names.size()));
  }
  return found;
}

}  // namespace

std::string YoloNames::Of(int64_t number) const {
  if (number < 0) return "";
  if (source.empty()) return absl::StrCat("class", number);
  return number < static_cast<int64_t>(names.size()) ? names[static_cast<size_t>(number)] : "";
}

absl::StatusOr<YoloNames> ParseYoloYaml(absl::string_view text, const std::string& file) {
  TY_ASSIGN_OR_RETURN(const YAML::Node root, LoadYaml(text, file, {.holds = "list of classes"}));
  try {
    return FromRoot(root, file);
  } catch (const YAML::Exception& error) {
    return Unfit(file, absl::StrCat("line ", error.mark.line + 1, ": ", Printable(error.msg)));
  }
}

absl::StatusOr<YoloNames> ParseYoloList(absl::string_view text, const std::string& file) {
  TY_RETURN_IF_ERROR(Annotate(ParseNameList(text).status(), absl::StrCat("'", file, "'")));
  YoloNames found{.source = file};
  size_t blank = 0, number = 0;
  for (const absl::string_view line : TextLines(text)) {
    ++number;
    std::string name = internal::WithoutBlanks(line);
    if (name.empty()) {
      if (blank == 0) blank = number;
      continue;
    }
    if (blank > 0) {
      return Unfit(file, absl::StrCat("line ", blank,
                                      " is blank, but names follow; each line is "
                                      "a class, so that this one would have no name"));
    }
    found.names.push_back(std::move(name));
  }
  return found;
}

absl::StatusOr<YoloNames> FindYoloNames(const std::vector<std::string>& folders) {
  for (const std::string& folder : folders) {
    for (const absl::string_view name : kFiles) {
      const std::string path = JoinPath(folder, name);
      if (!FileExists(path)) continue;
      TY_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxFileBytes));
      const bool yaml = absl::EndsWith(name, ".yaml") || absl::EndsWith(name, ".yml");
      TY_ASSIGN_OR_RETURN(YoloNames found,
                          yaml ? ParseYoloYaml(text, path) : ParseYoloList(text, path));
      if (!found.source.empty()) return found;
    }
  }
  return YoloNames();
}

}  // namespace trainyard::data
