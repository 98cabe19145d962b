#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"

namespace trainyard::spec::internal {

/// The field of that name or alias; nullptr when there is none.
const google::protobuf::FieldDescriptor* FindField(const google::protobuf::Descriptor* type,
                                                   absl::string_view name);
/// The names of all fields and aliases, for suggestions.
std::vector<std::string> FieldNames(const google::protobuf::Descriptor* type);

/// "a.b", or "b" when `path` is empty.
std::string JoinField(absl::string_view path, absl::string_view name);
/// "path[3]", "path[\"key\"]".
std::string IndexedPath(absl::string_view path, int index);
std::string MapPath(absl::string_view path, const google::protobuf::Message& entry);

/// The position of the map entry that has the same key as `entry`, leaving out `except`; -1 for
/// none.
int FindMapEntry(const google::protobuf::Message& message,
                 const google::protobuf::FieldDescriptor* field,
                 const google::protobuf::Message& entry, int except);

/// Whether the value of the field must not be shown or written.
bool IsSecret(const google::protobuf::FieldDescriptor* field);

}  // namespace trainyard::spec::internal
