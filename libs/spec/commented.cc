#include "libs/spec/commented.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/text_format.h"
#include "libs/spec/field_meaning.h"
#include "libs/spec/field_names.h"

namespace trainyard::spec {
namespace {

using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::Message;
using ::google::protobuf::Reflection;
using ::google::protobuf::TextFormat;

constexpr size_t kColumns = 100;
// No message of a spec holds itself; one that did would never end.
constexpr int kMostDepth = 16;

// What stands for a value that is not set.
std::string Blank(const FieldDescriptor* field) {
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return "\"\"";
    case FieldDescriptor::CPPTYPE_BOOL:
      return "false";
    case FieldDescriptor::CPPTYPE_ENUM:
      return field->default_value_enum()->name();
    default:
      return "0";
  }
}

std::string MeaningWithValues(const FieldDescriptor* field) {
  std::string text = MeaningOf(field);
  if (field->cpp_type() != FieldDescriptor::CPPTYPE_ENUM) return text;
  std::vector<std::string> names;
  for (int i = 0; i < field->enum_type()->value_count(); ++i) {
    names.push_back(field->enum_type()->value(i)->name());
  }
  return absl::StrCat(text, " One of ", absl::StrJoin(names, ", "), ".");
}

class Writer {
 public:
  explicit Writer(absl::Span<const CoverageRule> rules) : rules_(rules) {
    printer_.SetUseUtf8StringEscaping(true);
  }

  // The fields of `message`. `is_there`: they count; otherwise every line is a comment. `explains`: each
  // has its meaning above it.
  void WriteFields(const Message& message, bool is_there, bool explains) {
    if (static_cast<int>(indent_.size()) > 2 * kMostDepth) return;
    for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
      WriteField(message, message.GetDescriptor()->field(i), is_there, explains);
    }
  }

  std::string Take() { return std::move(text_); }

 private:
  void Line(bool is_there, absl::string_view line) {
    absl::StrAppend(&text_, indent_, is_there ? "" : "# ", line, "\n");
  }

  // Wrapped at blanks.
  void Comment(absl::string_view comment) {
    std::string line = "#";
    for (const absl::string_view word : absl::StrSplit(comment, ' ', absl::SkipEmpty())) {
      if (line.size() > 1 && indent_.size() + line.size() + 1 + word.size() > kColumns) {
        Line(true, line);
        line.resize(1);
      }
      absl::StrAppend(&line, " ", word);
    }
    if (line.size() > 1) Line(true, line);
  }

  void WriteField(const Message& message, const FieldDescriptor* field, bool is_there,
                  bool explains) {
    const FieldSupport support = SupportOf(field, rules_);
    if (support != FieldSupport::kSupported || internal::IsSecret(field)) {
      const bool offered = support != FieldSupport::kUnimplemented;
      if (!explains) return;
      return Comment(absl::StrCat(field->name(), offered ? " (no effect): " : " (not offered yet): ",
                                  MeaningOf(field)));
    }
    if (explains) Comment(MeaningWithValues(field));
    const Reflection* reflection = message.GetReflection();
    const int size = field->is_repeated() ? reflection->FieldSize(message, field)
                                          : static_cast<int>(reflection->HasField(message, field));
    if (size == 0) {
      // What the first of several blocks shows as a comment need not be seen again.
      if (explains) WriteAbsent(message, field);
    } else if (field->is_map()) {
      WriteEntries(message, field, is_there);
    } else {
      for (int i = 0; i < size; ++i) {
        WriteValue(message, field, field->is_repeated() ? i : -1, is_there, explains && i == 0);
      }
    }
  }

  // `index`: of a repeated field; -1 otherwise.
  void WriteValue(const Message& message, const FieldDescriptor* field, int index, bool is_there,
                  bool explains) {
    const Reflection* reflection = message.GetReflection();
    if (field->message_type() == nullptr) {
      std::string value;
      printer_.PrintFieldValueToString(message, field, index, &value);
      return Line(is_there, absl::StrCat(field->name(), ": ", value));
    }
    const Message& part = index < 0 ? reflection->GetMessage(message, field)
                                    : reflection->GetRepeatedMessage(message, field, index);
    WriteBlock(part, field, is_there, explains);
  }

  // A line each, since lists of classes are long; by key, since maps have no order.
  void WriteEntries(const Message& message, const FieldDescriptor* field, bool is_there) {
    const Reflection* reflection = message.GetReflection();
    std::vector<std::string> lines;
    for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
      const Message& entry = reflection->GetRepeatedMessage(message, field, i);
      std::string key, value;
      printer_.PrintFieldValueToString(entry, field->message_type()->map_key(), -1, &key);
      printer_.PrintFieldValueToString(entry, field->message_type()->map_value(), -1, &value);
      lines.push_back(absl::StrCat(field->name(), " { key: ", key, " value: ", value, " }"));
    }
    std::sort(lines.begin(), lines.end());
    for (const std::string& line : lines) Line(is_there, line);
  }

  void WriteAbsent(const Message& message, const FieldDescriptor* field) {
    if (field->is_map()) return Line(false, absl::StrCat(field->name(), " { key: value: }"));
    if (field->message_type() == nullptr) {
      return Line(false, absl::StrCat(field->name(), ": ", Blank(field)));
    }
    const Message* prototype =
        message.GetReflection()->GetMessageFactory()->GetPrototype(field->message_type());
    WriteBlock(*prototype, field, /*is_there=*/false, /*explains=*/true);
  }

  void WriteBlock(const Message& part, const FieldDescriptor* field, bool is_there, bool explains) {
    Line(is_there, absl::StrCat(field->name(), " {"));
    indent_ += "  ";
    WriteFields(part, is_there, explains);
    indent_.resize(indent_.size() - 2);
    Line(is_there, "}");
  }

  absl::Span<const CoverageRule> rules_;
  TextFormat::Printer printer_;
  std::string indent_, text_;
};

}  // namespace

std::string PrintCommented(const Message& spec, absl::Span<const CoverageRule> rules) {
  Writer writer(rules);
  writer.WriteFields(spec, /*is_there=*/true, /*explains=*/true);
  return writer.Take();
}

}  // namespace trainyard::spec
