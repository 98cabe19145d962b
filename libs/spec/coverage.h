#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "libs/spec/text_format.h"

namespace trainyard {

/// What becomes of a field of a spec. docs/spec-coverage.md lists every field; a test compares.
enum class FieldSupport {
  /// Acted upon.
  kSupported,
  /// Read and without effect, as in TAO; setting it gives a warning.
  kNoEffect,
  /// TAO acts on it and we do not yet: setting it is kUnimplemented.
  kUnimplemented,
};

/// What becomes of `field`, a field of one of the spec messages.
FieldSupport SupportOf(const google::protobuf::FieldDescriptor* field);

/// "supported", "warned", "UNIMPLEMENTED": the words of docs/spec-coverage.md.
absl::string_view NameOf(FieldSupport support);

/// A field of a message that is set and not (fully) supported.
struct UnsupportedField {
  /// Its path: "training_config.enable_qat".
  std::string path;
  FieldSupport support;
  /// What follows the path in a message: "has no effect: ...", "is not offered yet: ...".
  std::string description;
};

/// The fields of `message`, at any depth, that are not supported and set; for some only another
/// value than the neutral one counts (`enable_qat: false` is fine). Nothing below such a field is
/// named.
std::vector<UnsupportedField> FindUnsupported(const google::protobuf::Message& message);

/// Appends a line to `warnings` (may be null) for every kNoEffect field that is set.
void WarnOfNoEffect(const google::protobuf::Message& message, const FieldPlaces& places,
                    std::vector<std::string>* warnings);

}  // namespace trainyard
