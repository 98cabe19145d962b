#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/types/span.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "libs/base/problems.h"
#include "libs/base/utf8.h"
#include "libs/spec/field_names.h"
#include "libs/spec/internal/literal.h"
#include "libs/spec/text_format.h"
#include "libs/spec/text_parser.h"

namespace trainyard::spec {
namespace internal {
namespace {

using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::Message;
using ::google::protobuf::Reflection;

// One part of a path: a field's name, with what stands in brackets behind it.
struct Step {
  std::string name;
  std::optional<std::string> bracket;
};

// Splits `a.b[0].c["k.x"]`. False when it is no path; `wrong` then says why.
bool SplitPath(absl::string_view path, std::vector<Step>* steps, std::string* wrong) {
  while (true) {
    size_t length = 0;
    while (length < path.size() && (absl::ascii_isalnum(path[length]) || path[length] == '_'))
      ++length;
    if (length == 0) {
      *wrong = path.empty() ? "ends where a field's name was expected"
                            : absl::StrCat("holds '", path.substr(0, 1),
                                           "' where a field's name was expected");
      return false;
    }
    Step step{std::string(path.substr(0, length)), std::nullopt};
    path.remove_prefix(length);
    if (absl::ConsumePrefix(&path, "[")) {
      const bool quoted = absl::ConsumePrefix(&path, "\"");
      const absl::string_view closer = quoted ? "\"]" : "]";
      const size_t end = path.find(closer);
      if (end == absl::string_view::npos) {
        *wrong = absl::StrCat("has no '", closer, "' after '", step.name, "['");
        return false;
      }
      step.bracket = std::string(path.substr(0, end));
      path.remove_prefix(end + closer.size());
    }
    steps->push_back(std::move(step));
    if (path.empty()) return true;
    if (!absl::ConsumePrefix(&path, ".")) {
      *wrong = absl::StrCat("holds '", path.substr(0, 1), "' where '.' was expected");
      return false;
    }
  }
}

// How the place of a value that an override gave begins; others are of files.
constexpr absl::string_view kPlace = "override '";

// One override on its way through a message.
class Override {
 public:
  Override(absl::string_view text, FieldPlaces* places, Problems* problems)
      : places_(places), problems_(problems) {
    const size_t equals = text.find('=');
    has_value_ = equals != absl::string_view::npos;
    path_ = std::string(absl::StripAsciiWhitespace(text.substr(0, equals)));
    if (has_value_) value_ = std::string(absl::StripAsciiWhitespace(text.substr(equals + 1)));
    // The path alone: a value may be a secret.
    place_ = absl::StrCat(kPlace, path_, "'");
  }

  void Apply(Message* message) {
    std::vector<Step> steps;
    std::string wrong;
    if (!has_value_) return Complain(path_, "has no '='; expected 'field = value'");
    if (!SplitPath(path_, &steps, &wrong)) return Complain(path_, wrong);
    std::string here;
    for (size_t i = 0; i < steps.size(); ++i) {
      const FieldDescriptor* field = Find(*message, here, steps[i].name);
      if (field == nullptr) return;
      const std::string path = JoinField(here, field->name());
      if (i + 1 == steps.size()) return Assign(message, here, field, steps[i]);
      message = Enter(message, path, field, steps[i], &here);
      if (message == nullptr) return;
    }
  }

 private:
  void Complain(const std::string& path, std::string description) {
    problems_->AddProblem({path, std::move(description), place_});
  }

  const FieldDescriptor* Find(const Message& message, const std::string& here,
                              const std::string& name) {
    const FieldDescriptor* field = FindField(message.GetDescriptor(), name);
    if (field == nullptr) {
      Complain(JoinField(here, name),
               absl::StrCat("is not a field of ", message.GetDescriptor()->name(),
                            DidYouMean(name, FieldNames(message.GetDescriptor()))));
    }
    return field;
  }

  // The message below `field`; nullptr, with a problem, when the path does not lead there.
  Message* Enter(Message* message, const std::string& path, const FieldDescriptor* field,
                 const Step& step, std::string* here) {
    const Reflection* reflection = message->GetReflection();
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE || field->is_map()) {
      Complain(path, "holds no fields; expected the path to end here");
      return nullptr;
    }
    if (field->is_repeated()) {
      const std::optional<int> index = Index(*message, path, field, step);
      if (!index.has_value()) return nullptr;
      *here = IndexedPath(path, *index);
      return *index == reflection->FieldSize(*message, field)
                 ? reflection->AddMessage(message, field)
                 : reflection->MutableRepeatedMessage(message, field, *index);
    }
    if (step.bracket.has_value()) {
      Complain(path, "is not repeated; expected no [index]");
      return nullptr;
    }
    if (const FieldDescriptor* other = OtherOfOneof(*message, field); other != nullptr) {
      Complain(path, absl::StrCat("is not what the spec uses; it has ", other->name()));
      return nullptr;
    }
    *here = path;
    return reflection->MutableMessage(message, field);
  }

  // The field that is set in place of `field`, where a message has only one of several.
  static const FieldDescriptor* OtherOfOneof(const Message& message, const FieldDescriptor* field) {
    const auto* oneof = field->real_containing_oneof();
    if (oneof == nullptr) return nullptr;
    const FieldDescriptor* set = message.GetReflection()->GetOneofFieldDescriptor(message, oneof);
    return set == field ? nullptr : set;
  }

  // Whether an earlier override gave this field or something in it.
  bool IsOverridden(const std::string& path) const {
    for (auto it = places_->lower_bound(path); it != places_->end(); ++it) {
      const absl::string_view key = it->first;
      if (!absl::StartsWith(key, path)) return false;
      const bool below = key.size() == path.size() || key[path.size()] == '.';
      if (below && absl::StartsWith(it->second, kPlace)) return true;
    }
    return false;
  }

  std::optional<int> Index(const Message& message, const std::string& path,
                           const FieldDescriptor* field, const Step& step) {
    const int size = message.GetReflection()->FieldSize(message, field);
    int index = -1;
    if (!step.bracket.has_value()) {
      Complain(path, "is repeated; expected an [index]");
    } else if (!absl::SimpleAtoi(*step.bracket, &index) || index < 0 || index > size) {
      Complain(path, absl::StrCat("has no item [", *step.bracket, "]; expected 0 to ", size, " (",
                                  size, " appends)"));
    } else {
      return index;
    }
    return std::nullopt;
  }

  void Assign(Message* message, const std::string& here, const FieldDescriptor* field,
              const Step& step) {
    const std::string path = JoinField(here, field->name());
    if (field->is_map() && step.bracket.has_value()) {
      AssignMapValue(message, path, field, *step.bracket);
    } else if (field->is_repeated() && step.bracket.has_value()) {
      AssignItem(message, here, field, step);
    } else if (step.bracket.has_value()) {
      Complain(path, "is not repeated; expected no [index]");
    } else {
      const FieldDescriptor* other = OtherOfOneof(*message, field);
      if (other != nullptr && !value_.empty() && IsOverridden(JoinField(here, other->name()))) {
        return Complain(path, absl::StrCat("and ", other->name(),
                                           " exclude each other; expected one of them"));
      }
      message->GetReflection()->ClearField(message, field);
      Forget(path);
      if (!value_.empty()) Read(message, here, field);
    }
  }

  // Reads the value in place of item `index`: it is added at the end, and changes places with it.
  void AssignItem(Message* message, const std::string& here, const FieldDescriptor* field,
                  const Step& step) {
    const std::string path = JoinField(here, field->name());
    const std::optional<int> index = Index(*message, path, field, step);
    if (!index.has_value()) return;
    const Reflection* reflection = message->GetReflection();
    const int size = reflection->FieldSize(*message, field);
    if (value_.empty() || value_[0] == '[') {
      return Complain(IndexedPath(path, *index), "needs one value");
    }
    Read(message, here, field);
    if (reflection->FieldSize(*message, field) != size + 1) return;  // it was no good
    if (*index < size) {
      reflection->SwapElements(message, field, *index, size);
      reflection->RemoveLast(message, field);
      places_->erase(IndexedPath(path, size));
      Forget(IndexedPath(path, *index));
    }
    (*places_)[IndexedPath(path, *index)] = place_;
  }

  void AssignMapValue(Message* message, const std::string& path, const FieldDescriptor* field,
                      const std::string& key) {
    const Reflection* reflection = message->GetReflection();
    const FieldDescriptor* key_field = field->message_type()->map_key();
    if (key_field->cpp_type() != FieldDescriptor::CPPTYPE_STRING) {
      return Complain(path, "cannot be changed by key; expected { key: ... value: ... }");
    }
    const int last = reflection->FieldSize(*message, field);
    Message* entry = reflection->AddMessage(message, field);
    entry->GetReflection()->SetString(entry, key_field, key);
    const std::string entry_path = MapPath(path, *entry);
    const size_t problems_before = problems_->size();
    if (value_.empty()) {
      Complain(entry_path, "needs a value");
    } else {
      Read(entry, entry_path, field->message_type()->map_value());
    }
    places_->erase(JoinField(entry_path, "value"));
    const int earlier = FindMapEntry(*message, field, *entry, last);
    const bool good = problems_->size() == problems_before;
    if (earlier >= 0 && good) reflection->SwapElements(message, field, earlier, last);
    if (earlier >= 0 || !good) reflection->RemoveLast(message, field);
    (*places_)[entry_path] = place_;
  }

  // The value as text format; where a text is expected, also without quotes.
  void Read(Message* message, const std::string& here, const FieldDescriptor* field) {
    const bool bare = field->cpp_type() == FieldDescriptor::CPPTYPE_STRING && value_[0] != '"' &&
                      value_[0] != '\'' && !(field->is_repeated() && value_[0] == '[');
    if (!bare) {
      TextParser parser(value_, "", place_, nullptr, places_, problems_);
      return parser.ParseValue(message, here, field);
    }
    const std::string path = JoinField(here, field->name());
    if (!IsUtf8(value_)) return Complain(path, "holds bytes that are not UTF-8");
    const Reflection* reflection = message->GetReflection();
    if (field->is_repeated()) {
      reflection->AddString(message, field, value_);
    } else {
      reflection->SetString(message, field, value_);
    }
    (*places_)[path] = place_;
  }

  // Drops the places of a field and of what is below it.
  void Forget(const std::string& path) {
    for (auto it = places_->lower_bound(path); it != places_->end();) {
      const absl::string_view key = it->first;
      if (!absl::StartsWith(key, path)) break;
      const bool below =
          key.size() == path.size() || key[path.size()] == '.' || key[path.size()] == '[';
      it = below ? places_->erase(it) : std::next(it);
    }
  }

  FieldPlaces* places_;
  Problems* problems_;
  std::string path_, value_, place_;
  bool has_value_ = false;
};

}  // namespace

void ApplyOverridesInto(absl::Span<const std::string> overrides, Message* message,
                        FieldPlaces* places, Problems* problems) {
  FieldPlaces own_places;
  for (const std::string& text : overrides) {
    Override(text, places == nullptr ? &own_places : places, problems).Apply(message);
  }
}

}  // namespace internal

absl::Status ApplyOverrides(absl::Span<const std::string> overrides,
                            google::protobuf::Message* message, FieldPlaces* places) {
  Problems problems;
  FieldPlaces changed_places;
  if (places != nullptr) changed_places = *places;
  const std::unique_ptr<google::protobuf::Message> changed(message->New());
  changed->CopyFrom(*message);
  internal::ApplyOverridesInto(overrides, changed.get(), &changed_places, &problems);
  if (problems.empty()) {
    message->GetReflection()->Swap(message, changed.get());
    if (places != nullptr) *places = std::move(changed_places);
  }
  return problems.ToStatus();
}

}  // namespace trainyard::spec
