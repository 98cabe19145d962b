#include "libs/data/class_map.h"

#include <algorithm>
#include <set>

#include "absl/strings/ascii.h"
#include "libs/base/printable.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/base/text_file.h"
#include "libs/base/utf8.h"

namespace trainyard::data {

std::string ClassKey(absl::string_view name) {
  return absl::AsciiStrToLower(IsUtf8(name) ? std::string(name) : Printable(name));
}

// Blanks separate the columns of label files: a name of nothing else is none.
static bool IsName(absl::string_view text) { return !SplitAtBlanks(text).empty(); }

absl::StatusOr<ClassMap> ClassMap::Create(
    absl::Span<const std::pair<std::string, std::string>> mapping) {
  Problems problems;
  std::map<std::string, std::string> targets;
  std::set<std::string> values;
  for (const auto& [raw_key, raw_value] : mapping) {
    const std::string key = ClassKey(raw_key);
    const std::string value = ClassKey(raw_value);
    if (!IsName(key) || !IsName(value)) {
      problems.Add("target_class_mapping", "maps '%s' to '%s'; expected two names", raw_key,
                   raw_value);
      continue;
    }
    const auto [it, is_new] = targets.emplace(key, value);
    if (!is_new && it->second != value) {
      problems.Add("target_class_mapping", "maps '%s' to both '%s' and '%s'", key, it->second,
                   value);
    }
    values.insert(value);
  }
  TY_RETURN_IF_ERROR(problems.ToStatus());

  ClassMap map;
  map.classes_.assign(values.begin(), values.end());
  for (const auto& [key, value] : targets) {
    const auto place = std::lower_bound(map.classes_.begin(), map.classes_.end(), value);
    map.ids_[key] = static_cast<int>(place - map.classes_.begin()) + 1;
  }
  return map;
}

ClassMap ClassMap::Identity(absl::Span<const std::string> classes) {
  std::vector<std::pair<std::string, std::string>> mapping;
  for (const std::string& name : classes) {
    if (IsName(name)) mapping.emplace_back(name, name);
  }
  return Create(mapping).value();  // Names that map to themselves cannot fail.
}

std::vector<std::string> ClassMap::LabelClasses() const {
  std::vector<std::string> names;
  for (const auto& [name, id] : ids_) names.push_back(name);
  return names;
}

int ClassMap::Find(absl::string_view label_class) const {
  const auto it = ids_.find(ClassKey(label_class));
  return it == ids_.end() ? 0 : it->second;
}

}  // namespace trainyard::data
