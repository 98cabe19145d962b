#pragma once

#include <string>

#include "google/protobuf/descriptor.h"

namespace trainyard::spec {

/// What docs/spec-coverage.md says of a field of a spec: meaning, range and default, as plain text in one
/// line. "" for a field that is none of a spec. The page is part of the program, read once.
const std::string& MeaningOf(const google::protobuf::FieldDescriptor* field);

}  // namespace trainyard::spec
