#include "libs/spec/coverage.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "libs/spec/field_check.h"
#include "libs/spec/field_names.h"

namespace trainyard::spec {
namespace {

using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::Message;
using ::google::protobuf::Reflection;

const CoverageRule* FindRule(absl::Span<const CoverageRule> rules, const FieldDescriptor* field) {
  absl::string_view name = field->full_name();
  absl::ConsumePrefix(&name, "trainyard.spec.");
  const absl::string_view message = name.substr(0, name.rfind('.'));
  for (const CoverageRule& rule : rules) {
    if (rule.name == name || rule.name == message) return &rule;
  }
  return nullptr;
}

bool IsNeutral(const Message& message, const FieldDescriptor* field) {
  const Reflection* reflection = message.GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return !reflection->GetBool(message, field);
    case FieldDescriptor::CPPTYPE_UINT32:
      return reflection->GetUInt32(message, field) == 0;
    case FieldDescriptor::CPPTYPE_FLOAT:
      return reflection->GetFloat(message, field) == 0;
    case FieldDescriptor::CPPTYPE_STRING:
      return reflection->GetString(message, field).empty();
    default:
      return false;
  }
}

void Find(const Message& message, absl::Span<const CoverageRule> rules, const std::string& prefix,
          std::vector<UnsupportedField>* found) {
  const Reflection* reflection = message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    const std::string path = internal::JoinField(prefix, field->name());
    const CoverageRule* rule = FindRule(rules, field);
    if (rule != nullptr) {
      if (rule->use == FieldUse::kWhenNotNeutral && IsNeutral(message, field)) continue;
      const bool no_effect = rule->support == FieldSupport::kNoEffect;
      found->push_back(
          {path, rule->support,
           absl::StrCat(no_effect ? "has no effect: " : "is not offered yet: ", rule->reason)});
    } else if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE || field->is_map()) {
      continue;
    } else if (!field->is_repeated()) {
      Find(reflection->GetMessage(message, field), rules, path, found);
    } else {
      for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
        Find(reflection->GetRepeatedMessage(message, field, i), rules,
             internal::IndexedPath(path, i), found);
      }
    }
  }
}

}  // namespace

FieldSupport SupportOf(const FieldDescriptor* field, absl::Span<const CoverageRule> rules) {
  const CoverageRule* rule = FindRule(rules, field);
  return rule == nullptr ? FieldSupport::kSupported : rule->support;
}

absl::string_view NameOf(FieldSupport support) {
  switch (support) {
    case FieldSupport::kSupported:
      return "supported";
    case FieldSupport::kNoEffect:
      return "warned";
    case FieldSupport::kUnimplemented:
      return "UNIMPLEMENTED";
  }
  return "";
}

std::vector<UnsupportedField> FindUnsupported(const Message& message,
                                              absl::Span<const CoverageRule> rules) {
  std::vector<UnsupportedField> found;
  Find(message, rules, "", &found);
  return found;
}

void WarnOfNoEffect(const Message& message, absl::Span<const CoverageRule> rules,
                    const FieldPlaces& places, std::vector<std::string>* warnings) {
  if (warnings == nullptr) return;
  for (const UnsupportedField& field : FindUnsupported(message, rules)) {
    if (field.support != FieldSupport::kNoEffect) continue;
    auto place = places.find(field.path);
    if (place == places.end()) place = places.find(field.path + "[0]");
    warnings->push_back(absl::StrCat(internal::PlacePrefix(places, place), field.path, " ",
                                     field.description));
  }
}

}  // namespace trainyard::spec
