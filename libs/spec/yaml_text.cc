#include "libs/spec/yaml_text.h"

#include <set>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "libs/base/printable.h"
#include "libs/base/yaml_document.h"
#include "libs/spec/field_names.h"
#include "libs/spec/text_parser.h"

namespace trainyard::spec::internal {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// Values that are read, an alias counting each time.
constexpr int kMaxValues = 100000;
constexpr size_t kMaxProblems = 1000;

absl::string_view KindOf(const YAML::Node& node) {
  if (node.IsMap()) return "a mapping";
  if (node.IsSequence()) return "a list";
  return node.IsScalar() ? "a scalar" : "nothing";
}

bool IsAbsent(const YAML::Node& node) {
  return !node.IsDefined() || node.IsNull() || (node.IsScalar() && node.Scalar() == "???");
}

class YamlText {
 public:
  YamlText(absl::string_view file, FieldPlaces* places, Problems* problems)
      : file_(file), places_(places), problems_(problems) {}

  void ReadMessage(const YAML::Node& node, const std::string& path, Message* message) {
    if (IsAbsent(node) || !Count(node, path)) return;
    if (!node.IsMap()) {
      return Complain(node, path, absl::StrCat("is ", KindOf(node), "; expected a mapping of fields"));
    }
    std::set<std::string> seen;
    for (const auto& entry : node) {
      if (!entry.first.IsScalar()) {
        Complain(entry.first, path, "has a key that is no scalar");
        continue;
      }
      const std::string& key = entry.first.Scalar();
      const std::string below = JoinField(path, key);
      const FieldDescriptor* field = FindField(message->GetDescriptor(), key);
      if (field == nullptr) {
        Complain(entry.first, JoinField(path, Shown(key)),
                 absl::StrCat("is not a known field",
                              DidYouMean(key, FieldNames(message->GetDescriptor()))));
      } else if (!seen.insert(field->name()).second) {
        Complain(entry.first, below, "is there twice");
      } else {
        ReadField(entry.second, below, path, field, message);
      }
    }
  }

 private:
  std::string PlaceOf(const YAML::Node& node) const {
    const YAML::Mark mark = node.Mark();
    return mark.is_null() ? file_ : absl::StrCat(file_, ":", mark.line + 1, ":", mark.column + 1);
  }

  void Complain(const YAML::Node& node, const std::string& path, std::string description) {
    if (problems_->size() >= kMaxProblems) return;
    problems_->AddProblem({path, std::move(description), PlaceOf(node)});
  }

  // Whether one more value may be read.
  bool Count(const YAML::Node& node, const std::string& path) {
    if (++values_ == kMaxValues) {
      Complain(node, path, absl::StrCat("is the last of ", kMaxValues,
                                        " values that are read; aliases count each time"));
    }
    return values_ < kMaxValues;
  }

  void ReadField(const YAML::Node& node, const std::string& path, const std::string& parent,
                 const FieldDescriptor* field, Message* message) {
    if (IsAbsent(node)) return;
    places_->emplace(path, PlaceOf(node));
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      return ReadMessage(node, path, message->GetReflection()->MutableMessage(message, field));
    }
    if (!field->is_repeated() || !node.IsSequence()) return ReadScalar(node, path, parent, field, message);
    for (const auto& element : node) ReadScalar(element, path, parent, field, message);
  }

  void ReadScalar(const YAML::Node& node, const std::string& path, const std::string& parent,
                  const FieldDescriptor* field, Message* message) {
    if (!Count(node, path)) return;
    if (!node.IsScalar()) {
      return Complain(node, path, absl::StrCat("is ", KindOf(node), "; expected ",
                                               field->is_repeated() ? "a list of scalars" : "a scalar"));
    }
    TextParser(TextOf(node.Scalar(), field), file_, PlaceOf(node), nullptr, places_, problems_)
        .ParseValue(message, parent, field);
  }

  // The scalar as text format has it.
  static std::string TextOf(const std::string& scalar, const FieldDescriptor* field) {
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      return absl::StrCat("\"", absl::CHexEscape(scalar), "\"");
    }
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_BOOL) return scalar;
    const std::string word = absl::AsciiStrToLower(scalar);
    if (word == "yes" || word == "on" || word == "true") return "true";
    if (word == "no" || word == "off" || word == "false") return "false";
    return scalar;
  }

  const std::string file_;
  FieldPlaces* places_;
  Problems* problems_;
  int values_ = 0;
};

}  // namespace

void ParseYamlInto(absl::string_view text, absl::string_view file_name, Message* message,
                   FieldPlaces* places, Problems* problems) {
  const absl::StatusOr<YAML::Node> root = LoadYaml(text, file_name, {.holds = "spec"});
  if (!root.ok()) {
    const std::vector<Problem> listed = ProblemsFrom(root.status());
    for (const Problem& problem : listed) problems->AddProblem(problem);
    if (listed.empty()) {
      problems->AddProblem({"", std::string(root.status().message()), std::string(file_name)});
    }
    return;
  }
  try {
    YamlText(file_name, places, problems).ReadMessage(*root, "", message);
  } catch (const YAML::Exception& error) {
    problems->AddProblem({"", absl::StrCat("cannot be read: ", error.what()), std::string(file_name)});
  }
}

}  // namespace trainyard::spec::internal
