#pragma once

#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"
#include "libs/base/problems.h"
#include "libs/spec/text_format.h"

namespace trainyard::spec::internal {

/// Reads a YAML mapping into `message`: keys are names of fields (and their other spellings), mappings
/// are messages, lists are repeated fields, of which one scalar is a list of one. `null`, an empty value
/// and the `???` of OmegaConf leave a field absent, an empty list a repeated one. yes, no, on and off
/// are true and false, as YAML 1.1 has them.
///
/// `places` (not null) receives the place of every field, `problems` all that is wrong, each with
/// file:line:column: what LoadYaml refuses (libs/base/yaml_document.h), unknown keys with the nearest
/// that is known, keys that are there twice, values that do not fit their field, more than 100,000
/// values when aliases are followed. `message` then holds what could be read. Fields that are maps
/// are not read.
void ParseYamlInto(absl::string_view text, absl::string_view file_name,
                   google::protobuf::Message* message, FieldPlaces* places, Problems* problems);

}  // namespace trainyard::spec::internal
