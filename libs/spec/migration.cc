#include "libs/spec/migration.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/text_format.h"
#include "libs/base/problems.h"
#include "libs/base/text_file.h"
#include "libs/spec/field_names.h"
#include "libs/spec/text_format.h"

namespace trainyard::spec {
namespace {

using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::Message;
using ::google::protobuf::Reflection;
using ::google::protobuf::TextFormat;

// "specs/train.txt:14:3" -> 14.
int LineOf(absl::string_view place) {
  const std::vector<absl::string_view> parts = absl::StrSplit(place, ':');
  int line = 0;
  if (parts.size() < 3 || !absl::SimpleAtoi(parts[parts.size() - 2], &line)) return 0;
  return line;
}

// Walks a message that was read, and takes out of it what has no effect and what is not offered.
class Walk {
 public:
  Walk(absl::string_view text, const FieldPlaces& places, absl::Span<const CoverageRule> rules,
       const Message& message, std::vector<MigratedField>* fields)
      : lines_(TextLines(text)), places_(places), fields_(fields) {
    printer_.SetUseUtf8StringEscaping(true);
    for (UnsupportedField& one : FindUnsupported(message, rules)) {
      const std::string path = one.path;
      unsupported_.emplace(path, std::move(one));
    }
  }

  void Visit(Message* message, const std::string& prefix) {
    const Reflection* reflection = message->GetReflection();
    std::vector<const FieldDescriptor*> present;
    reflection->ListFields(*message, &present);
    for (const FieldDescriptor* field : present) {
      const std::string path = internal::JoinField(prefix, field->name());
      const auto found = unsupported_.find(path);
      if (found != unsupported_.end()) {
        const bool no_effect = found->second.support == FieldSupport::kNoEffect;
        Add(path, ValueOf(*message, field, -1),
            no_effect ? FieldFate::kNoEffect : FieldFate::kNotOffered, found->second.description);
        reflection->ClearField(message, field);
      } else {
        VisitField(message, field, path);
      }
    }
  }

 private:
  void VisitField(Message* message, const FieldDescriptor* field, const std::string& path) {
    const Reflection* reflection = message->GetReflection();
    const int size = field->is_repeated() ? reflection->FieldSize(*message, field) : 1;
    for (int i = 0; i < size; ++i) {
      if (field->is_map()) {
        const Message& entry = reflection->GetRepeatedMessage(*message, field, i);
        Add(internal::MapPath(path, entry),
            ValueOf(entry, entry.GetDescriptor()->map_value(), -1), FieldFate::kTaken, "");
        continue;
      }
      const std::string here = field->is_repeated() ? internal::IndexedPath(path, i) : path;
      if (field->message_type() == nullptr) {
        Add(here, ValueOf(*message, field, field->is_repeated() ? i : -1), FieldFate::kTaken,
            OtherName(field, here));
      } else if (field->is_repeated()) {
        Visit(reflection->MutableRepeatedMessage(message, field, i), here);
      } else {
        Visit(reflection->MutableMessage(message, field), here);
      }
    }
  }

  // "" for blocks and lists of them, whose lines the user has, and for secrets.
  std::string ValueOf(const Message& message, const FieldDescriptor* field, int index) const {
    if (field->message_type() != nullptr || internal::IsSecret(field)) return "";
    if (field->is_repeated() && index < 0) return "";
    std::string value;
    printer_.PrintFieldValueToString(message, field, index, &value);
    return value;
  }

  int PlacedLine(const std::string& path) const {
    auto place = places_.find(path);
    if (place == places_.end()) place = places_.find(path + "[0]");
    return place == places_.end() ? 0 : LineOf(place->second);
  }

  // What is said of a field that the text calls otherwise.
  std::string OtherName(const FieldDescriptor* field, const std::string& path) const {
    const int line = PlacedLine(path);
    if (line < 1 || line > static_cast<int>(lines_.size())) return "";
    const absl::string_view text = lines_[static_cast<size_t>(line) - 1];
    for (const FieldAlias& alias : Aliases()) {
      if (alias.message == field->containing_type()->name() && alias.field == field->name() &&
          absl::StrContains(text, alias.alias) && !absl::StrContains(text, alias.field)) {
        return absl::StrCat("written as ", alias.alias);
      }
    }
    return "";
  }

  void Add(const std::string& path, std::string value, FieldFate fate, std::string reason) {
    fields_->push_back({path, PlacedLine(path), std::move(value), fate, std::move(reason)});
  }

  std::vector<absl::string_view> lines_;
  const FieldPlaces& places_;
  std::vector<MigratedField>* fields_;
  std::map<std::string, UnsupportedField> unsupported_;
  TextFormat::Printer printer_;
};

void Sort(std::vector<MigratedField>* fields) {
  std::stable_sort(fields->begin(), fields->end(), [](const auto& a, const auto& b) {
    return std::make_tuple(a.line == 0, a.line) < std::make_tuple(b.line == 0, b.line);
  });
}

void AddProblem(const Problem& problem, Migration* migration) {
  const FieldFate fate = absl::StrContains(problem.description, "not offered yet")
                             ? FieldFate::kNotOffered
                             : FieldFate::kWrong;
  const int line = LineOf(problem.place);
  for (MigratedField& field : migration->fields) {
    if (field.path != problem.field) continue;
    if (field.fate == FieldFate::kTaken) {
      field.fate = fate;
      field.reason = problem.description;
      return;
    }
    // What the rules said already, or the reader: a check reads the text once more.
    if (field.fate != FieldFate::kWrong || field.line == line) return;
  }
  migration->fields.push_back({problem.field, line, "", fate, problem.description});
}

}  // namespace

absl::string_view NameOf(FieldFate fate) {
  switch (fate) {
    case FieldFate::kTaken:
      return "taken";
    case FieldFate::kNoEffect:
      return "no effect";
    case FieldFate::kNotOffered:
      return "not offered";
    case FieldFate::kWrong:
      return "wrong";
  }
  return "";
}

int Migration::Count(FieldFate fate) const {
  return static_cast<int>(std::count_if(fields.begin(), fields.end(),
                                        [fate](const auto& field) { return field.fate == fate; }));
}

Migration MigrateSpec(absl::string_view text, absl::string_view file_name, const Message& empty,
                      absl::Span<const CoverageRule> rules) {
  Migration migration;
  migration.spec.reset(empty.New());
  FieldPlaces places;
  const absl::Status read =
      ParseTextFormat(text, file_name, migration.spec.get(), &migration.warnings, &places);
  Walk(text, places, rules, *migration.spec, &migration.fields)
      .Visit(migration.spec.get(), "");
  AddProblems(read, &migration);
  return migration;
}

void AddProblems(const absl::Status& checked, Migration* migration) {
  if (!checked.ok()) {
    std::vector<Problem> problems = ProblemsFrom(checked);
    if (problems.empty()) problems.push_back({"", std::string(checked.message()), ""});
    for (const Problem& problem : problems) AddProblem(problem, migration);
  }
  Sort(&migration->fields);
}

}  // namespace trainyard::spec
