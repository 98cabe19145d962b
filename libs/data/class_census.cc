#include "libs/data/class_census.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/problems.h"
#include "libs/data/findings.h"

namespace trainyard::data {
namespace {

std::string ListOf(const std::map<std::string, int64_t>& counts) {
  constexpr size_t kMost = 20;
  std::vector<std::string> parts;
  for (const auto& [name, count] : counts) {
    if (parts.size() == kMost) {
      parts.push_back(absl::StrCat("and ", counts.size() - kMost, " more classes"));
      break;
    }
    parts.push_back(absl::StrCat("'", name, "' x ", count));
  }
  return absl::StrJoin(parts, ", ");
}

std::vector<std::string> NamesIn(const std::map<std::string, int64_t>& counts) {
  std::vector<std::string> names;
  for (const auto& [name, count] : counts) names.push_back(name);
  return names;
}

}  // namespace

void ClassCensus::Add(absl::string_view label_class) { ++found_[ClassKey(label_class)]; }

void ClassCensus::AddLeftOut(const std::string& label_class, int64_t objects) {
  left_out_[label_class] += objects;
}

std::map<std::string, int64_t> ClassCensus::Unmapped(const ClassMap& map) const {
  std::map<std::string, int64_t> unmapped = left_out_;
  for (const auto& [name, count] : found_) {
    if (map.Find(name) == 0) unmapped[name] += count;
  }
  return unmapped;
}

absl::Status ClassCensus::Check(const ClassMap& map) const {
  const std::map<std::string, int64_t> unmapped = Unmapped(map);
  bool any = !recorded_.empty();
  for (const auto& [name, count] : found_) any = any || map.Find(name) != 0;
  if (any || unmapped.empty()) return absl::OkStatus();
  const std::vector<std::string> wanted = map.LabelClasses();
  return absl::InvalidArgumentError(absl::StrCat(
      "no object has a class that target_class_mapping looks for (", SomeOf(wanted, 20),
      "); the labels have ", ListOf(unmapped), DidYouMean(wanted.front(), NamesIn(unmapped))));
}

std::vector<std::string> ClassCensus::Describe(const ClassMap& map) const {
  if (is_empty()) return {"the labels hold no object: all images are background"};
  std::vector<std::string> lines;
  const std::map<std::string, int64_t> unmapped = Unmapped(map);
  if (!unmapped.empty()) {
    lines.push_back(
        absl::StrCat("left out are the objects of classes that target_class_mapping does "
                     "not name: ",
                     ListOf(unmapped)));
  }
  std::set<std::string> present;
  for (const auto& [name, count] : recorded_) present.insert(name);
  for (const auto& [name, count] : found_) {
    if (const int id = map.Find(name); id > 0) present.insert(map.classes()[id - 1]);
  }
  for (const std::string& name : map.classes()) {
    if (present.count(name) == 0) lines.push_back(absl::StrCat("class '", name, "' has no object"));
  }
  // Records know their training classes only.
  if (!recorded_.empty()) return lines;
  for (const std::string& name : map.LabelClasses()) {
    if (found_.count(name) > 0) continue;
    lines.push_back(absl::StrCat("no label has the class '", name, "' of target_class_mapping",
                                 DidYouMean(name, NamesIn(unmapped))));
  }
  return lines;
}

}  // namespace trainyard::data
