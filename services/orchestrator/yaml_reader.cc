#include "services/orchestrator/yaml_reader.h"

#include <cmath>

#include "absl/algorithm/container.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace trainyard::orchestrator {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// Sets or appends, as the field is.
template <typename Value, typename Set, typename Append>
void Store(const FieldDescriptor& field, Message& message, Value value, Set set, Append append) {
  const Reflection* reflection = message.GetReflection();
  if (field.is_repeated()) {
    (reflection->*append)(&message, &field, value);
  } else {
    (reflection->*set)(&message, &field, value);
  }
}

}  // namespace

void YamlReader::Note(Problem problem) {
  if (problems_.size() < kMaxProblems) {
    problems_.AddProblem(std::move(problem));
  } else {
    ++left_out_;
  }
}

std::string YamlReader::Hint(absl::string_view name, absl::Span<const std::string> known) const {
  return problems_.size() < kMaxHints ? DidYouMean(name, known) : "";
}

absl::Status YamlReader::Finish() {
  if (left_out_ > 0) {
    problems_.AddProblem({.description = absl::StrCat("and ", left_out_, " more problems"),
                          .place = file_});
  }
  return problems_.ToStatus();
}

bool YamlReader::Count(const YAML::Node& node) {
  if (++values_ == kMaxYamlNodes + 1) {
    Add(node, "", "is past the limit of %d values that are read, an alias counting each time",
        kMaxYamlNodes);
  }
  return values_ <= kMaxYamlNodes;
}

std::string YamlReader::Place(const YAML::Node& node) const {
  const YAML::Mark mark = node.Mark();
  return absl::StrCat(file_, ":", mark.line + 1, ":", mark.column + 1);
}

std::vector<std::pair<YAML::Node, YAML::Node>> YamlReader::Mapping(
    const YAML::Node& node, const std::string& field, absl::Span<const std::string> known) {
  std::vector<std::pair<YAML::Node, YAML::Node>> entries;
  if (!node.IsMap()) {
    Add(node, field, "is not a mapping (name: value)");
    return entries;
  }
  std::set<std::string> seen;
  for (const auto& entry : node) {
    if (!Count(entry.first)) break;
    const std::string key = entry.first.IsScalar() ? entry.first.Scalar() : "";
    const std::string path = field.empty() ? key : absl::StrCat(field, ".", key);
    if (key.empty()) {
      Add(entry.first, field, "has a key that is no name");
    } else if (!seen.insert(key).second) {
      Add(entry.first, path, "is there twice");
    } else if (!known.empty() && !absl::c_linear_search(known, key)) {
      Add(entry.first, path, "is no known key%s", Hint(key, known));
    } else {
      entries.emplace_back(entry.first, entry.second);
    }
  }
  return entries;
}

std::string YamlReader::Scalar(const YAML::Node& node, const std::string& field) {
  if (!node.IsScalar()) {
    Add(node, field, "is not a single value");
    return "";
  }
  return expand_ ? expand_(node.Scalar(), Place(node)) : node.Scalar();
}

std::vector<std::string> YamlReader::List(const YAML::Node& node, const std::string& field) {
  std::vector<std::string> values;
  if (node.IsScalar()) {
    values.push_back(Scalar(node, field));
  } else if (node.IsSequence()) {
    for (size_t i = 0; i < node.size(); ++i) {
      const YAML::Node item = node[i];
      if (!Count(item)) break;
      values.push_back(Scalar(item, absl::StrCat(field, "[", i, "]")));
    }
  } else {
    Add(node, field, "is not a list");
  }
  return values;
}

std::optional<double> YamlReader::Number(const YAML::Node& node, const std::string& field) {
  if (!node.IsScalar()) {
    Add(node, field, "is not a number");
    return std::nullopt;
  }
  const std::string text = Scalar(node, field);
  double value = 0;
  if (!absl::SimpleAtod(text, &value) || !std::isfinite(value)) {
    Add(node, field, "is '%s'; expected a finite number", text);
    return std::nullopt;
  }
  return value;
}

std::vector<std::pair<std::string, std::string>> YamlReader::Pairs(const YAML::Node& node,
                                                                   const std::string& field) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const auto& [key, value] : Mapping(node, field, {})) {
    pairs.emplace_back(key.Scalar(), Scalar(value, absl::StrCat(field, ".", key.Scalar())));
  }
  return pairs;
}

void YamlReader::Fields(const YAML::Node& node, const std::string& field, Message& message) {
  const google::protobuf::Descriptor& descriptor = *message.GetDescriptor();
  std::vector<std::string> known;
  for (int i = 0; i < descriptor.field_count(); ++i) known.push_back(descriptor.field(i)->name());
  for (const auto& [key, value] : Mapping(node, field, known)) {
    const FieldDescriptor& target = *descriptor.FindFieldByName(key.Scalar());
    const std::string path = absl::StrCat(field, ".", key.Scalar());
    if (target.is_repeated()) {
      for (const std::string& text : List(value, path)) SetField(value, path, text, target, message);
    } else if (value.IsScalar()) {
      SetField(value, path, Scalar(value, path), target, message);
    } else {
      Add(value, path, "is not a single value");
    }
  }
}

void YamlReader::SetField(const YAML::Node& node, const std::string& field, const std::string& text,
                          const FieldDescriptor& descriptor, Message& message) {
  switch (descriptor.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      Store(descriptor, message, text, &Reflection::SetString, &Reflection::AddString);
      return;
    case FieldDescriptor::CPPTYPE_BOOL:
      if (text == "true" || text == "false") {
        Store(descriptor, message, text == "true", &Reflection::SetBool, &Reflection::AddBool);
      } else {
        Add(node, field, "is '%s'; expected true or false", text);
      }
      return;
    case FieldDescriptor::CPPTYPE_INT32:
      if (int32_t value; absl::SimpleAtoi(text, &value)) {
        Store(descriptor, message, value, &Reflection::SetInt32, &Reflection::AddInt32);
      } else {
        Add(node, field, "is '%s'; expected a whole number", text);
      }
      return;
    case FieldDescriptor::CPPTYPE_UINT64:
      if (uint64_t value; absl::SimpleAtoi(text, &value)) {
        Store(descriptor, message, value, &Reflection::SetUInt64, &Reflection::AddUInt64);
      } else {
        Add(node, field, "is '%s'; expected a whole number that is not negative", text);
      }
      return;
    case FieldDescriptor::CPPTYPE_DOUBLE:
      if (double value; absl::SimpleAtod(text, &value) && std::isfinite(value)) {
        Store(descriptor, message, value, &Reflection::SetDouble, &Reflection::AddDouble);
      } else {
        Add(node, field, "is '%s'; expected a finite number", text);
      }
      return;
    default:
      Add(node, field, "cannot be set in a pipeline");
  }
}

}  // namespace trainyard::orchestrator
