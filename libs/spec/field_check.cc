#include "libs/spec/field_check.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "google/protobuf/descriptor.h"
#include "libs/base/text_file.h"
#include "libs/spec/coverage.h"
#include "libs/spec/field_names.h"

namespace trainyard::spec::internal {
namespace {

using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::Message;
using ::google::protobuf::Reflection;

const FieldDescriptor* FieldOf(const Message& message, absl::string_view name) {
  return message.GetDescriptor()->FindFieldByName(std::string(name));
}

double NumberOf(const Message& message, const FieldDescriptor* field) {
  const Reflection* reflection = message.GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return reflection->GetInt32(message, field);
    case FieldDescriptor::CPPTYPE_UINT32:
      return reflection->GetUInt32(message, field);
    case FieldDescriptor::CPPTYPE_FLOAT:
      return reflection->GetFloat(message, field);
    default:
      return reflection->GetDouble(message, field);
  }
}

std::string Quoted(absl::string_view text) {
  return absl::StrCat("\"", absl::Utf8SafeCEscape(text), "\"");
}

}  // namespace

bool Range::Holds(double value) const {
  return std::isfinite(value) && (open_least ? value > least : value >= least) &&
         (open_most ? value < most : value <= most);
}

std::string Range::Text() const {
  if (most == kInfinity)
    return absl::StrFormat("%s %.10g", open_least ? "above" : "at least", least);
  return absl::StrFormat("a number in %c%.10g, %.10g%c", open_least ? '(' : '[', least, most,
                         open_most ? ')' : ']');
}

std::string PlacePrefix(const FieldPlaces& places, FieldPlaces::const_iterator place) {
  return place == places.end() ? "" : place->second + ": ";
}

std::string FieldCheck::PlaceOf(absl::string_view path) const {
  if (places_ == nullptr) return "";
  while (!path.empty()) {
    auto place = places_->find(std::string(path));
    if (place == places_->end()) place = places_->find(absl::StrCat(path, "[0]"));
    if (place != places_->end()) return place->second;
    const size_t dot = path.rfind('.');
    path = path.substr(0, dot == absl::string_view::npos ? 0 : dot);
  }
  return "";
}

void FieldCheck::Missing(absl::string_view path, absl::string_view expected) {
  if (!partial_) Add(path, "is missing; expected %s", expected);
}

void FieldCheck::NotOffered(absl::string_view path, std::string description) {
  not_offered_.AddProblem({std::string(path), std::move(description), PlaceOf(path)});
}

void FieldCheck::NotOfferedIn(const Message& message, absl::Span<const CoverageRule> rules) {
  for (const UnsupportedField& field : FindUnsupported(message, rules)) {
    if (field.support == FieldSupport::kUnimplemented) NotOffered(field.path, field.description);
  }
}

void FieldCheck::Number(const Message& message, absl::string_view prefix, absl::string_view name,
                        const Range& range, Presence presence) {
  const FieldDescriptor* field = FieldOf(message, name);
  const std::string path = JoinField(prefix, name);
  if (!message.GetReflection()->HasField(message, field)) {
    if (presence == Presence::kRequired) Missing(path, range.Text());
    return;
  }
  const double value = NumberOf(message, field);
  if (!range.Holds(value)) Add(path, "is %g; expected %s", value, range.Text());
}

bool FieldCheck::Text(const Message& message, absl::string_view prefix, absl::string_view name,
                      absl::string_view expected) {
  if (!message.GetReflection()->GetString(message, FieldOf(message, name)).empty()) return true;
  Missing(JoinField(prefix, name), expected);
  return false;
}

void FieldCheck::RelativePath(const Message& message, absl::string_view prefix,
                              absl::string_view name) {
  const std::string value = message.GetReflection()->GetString(message, FieldOf(message, name));
  const std::vector<absl::string_view> parts = absl::StrSplit(value, '/');
  if (value.empty()) return;
  if (value[0] == '/' || std::find(parts.begin(), parts.end(), "..") != parts.end()) {
    Add(JoinField(prefix, name), "is %s; expected a path below the root folder, without '..'",
        Quoted(value));
  }
}

void FieldCheck::Choice(const Message& message, absl::string_view prefix, absl::string_view name,
                        absl::Span<const std::string> choices) {
  const std::string value = message.GetReflection()->GetString(message, FieldOf(message, name));
  if (value.empty() || std::find(choices.begin(), choices.end(), value) != choices.end()) return;
  Add(JoinField(prefix, name), "is %s; expected one of %s%s", Quoted(value),
      absl::StrJoin(choices, ", "), DidYouMean(value, choices));
}

void FieldCheck::ClassMapping(const google::protobuf::Map<std::string, std::string>& mapping,
                              absl::string_view path) {
  // By lower-cased key, so that the order of problems does not depend on the map's.
  std::map<std::string, std::string> seen;
  // Classes of the network by their words.
  std::map<std::string, std::string> targets;
  const std::map<std::string, std::string> sorted(mapping.begin(), mapping.end());
  for (const auto& [key, value] : sorted) {
    const std::string entry = absl::StrCat(path, "[", Quoted(key), "]");
    // The columns of labels end at blanks: blanks alone are no class of theirs.
    if (SplitAtBlanks(key).empty()) {
      Add(entry, "has an empty key; expected a class of the labels");
    }
    if (SplitAtBlanks(value).empty()) {
      Add(entry, "is %s; expected a class of the network", value.empty() ? "empty" : "blank");
    }
    const auto [earlier, is_new] = seen.emplace(absl::AsciiStrToLower(key), value);
    if (!is_new && !absl::EqualsIgnoreCase(earlier->second, value)) {
      Add(entry, "is %s, but another key that differs by case alone is %s", Quoted(value),
          Quoted(earlier->second));
    }
    const std::string target = absl::AsciiStrToLower(value);
    const auto same = targets.emplace(absl::StrJoin(SplitAtBlanks(target), " "), target).first;
    if (same->second != target) {
      Add(entry, "is %s, which differs by blanks alone from %s; expected one spelling of a class",
          Quoted(value), Quoted(same->second));
    }
  }
}

absl::Status FieldCheck::ToStatus(const Problems& earlier) const {
  Problems all = earlier;
  all.Merge(invalid_);
  const bool wrong = !all.empty();
  all.Merge(not_offered_);
  return all.ToStatus(wrong ? absl::StatusCode::kInvalidArgument
                            : absl::StatusCode::kUnimplemented);
}

}  // namespace trainyard::spec::internal
