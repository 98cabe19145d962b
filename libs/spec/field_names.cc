#include "libs/spec/field_names.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.pb.h"
#include "libs/spec/text_format.h"

namespace trainyard::spec {
namespace {

// The guide's examples spell these fields in two ways.
constexpr FieldAlias kAliases[] = {
    {"COCOConfig", "image_dir_names", "img_dir_names"},
    {"NMSConfig", "cluster_iou_threshold", "clustering_iou_threshold"},
};

}  // namespace

absl::Span<const FieldAlias> Aliases() { return kAliases; }

namespace internal {

using ::google::protobuf::Descriptor;
using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::Message;
using ::google::protobuf::Reflection;

const FieldDescriptor* FindField(const Descriptor* type, absl::string_view name) {
  const FieldDescriptor* field = type->FindFieldByName(std::string(name));
  if (field != nullptr) return field;
  for (const FieldAlias& alias : kAliases) {
    if (alias.message == type->name() && alias.alias == name) {
      return type->FindFieldByName(std::string(alias.field));
    }
  }
  return nullptr;
}

std::vector<std::string> FieldNames(const Descriptor* type) {
  std::vector<std::string> names;
  for (int i = 0; i < type->field_count(); ++i) names.push_back(type->field(i)->name());
  for (const FieldAlias& alias : kAliases) {
    if (alias.message == type->name()) names.emplace_back(alias.alias);
  }
  return names;
}

std::string JoinField(absl::string_view path, absl::string_view name) {
  return path.empty() ? std::string(name) : absl::StrCat(path, ".", name);
}

std::string IndexedPath(absl::string_view path, int index) {
  return absl::StrCat(path, "[", index, "]");
}

std::string MapPath(absl::string_view path, const Message& entry) {
  const FieldDescriptor* key = entry.GetDescriptor()->map_key();
  const Reflection* reflection = entry.GetReflection();
  switch (key->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return absl::StrCat(path, "[", reflection->GetInt32(entry, key), "]");
    default:
      return absl::StrCat(path, "[\"", absl::Utf8SafeCEscape(reflection->GetString(entry, key)),
                          "\"]");
  }
}

int FindMapEntry(const Message& message, const FieldDescriptor* field, const Message& entry,
                 int except) {
  const std::string wanted = MapPath("", entry);
  const Reflection* reflection = message.GetReflection();
  for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
    if (i != except && MapPath("", reflection->GetRepeatedMessage(message, field, i)) == wanted) {
      return i;
    }
  }
  return -1;
}

bool IsSecret(const FieldDescriptor* field) {
  return field->full_name() == "trainyard.spec.common.v1.WandBConfig.key";
}

}  // namespace internal
}  // namespace trainyard::spec
