#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "libs/spec/text_format.h"

namespace trainyard::spec {

/// What becomes of a field of a spec. docs/spec-coverage.md lists every field; a test compares.
enum class FieldSupport {
  /// Acted upon.
  kSupported,
  /// Read and without effect, as in TAO; setting it gives a warning.
  kNoEffect,
  /// TAO acts on it and we do not yet: setting it is kUnimplemented.
  kUnimplemented,
};

/// When a field counts as set.
enum class FieldUse { kWhenSet, kWhenNotNeutral };

/// A field that is not (fully) supported in specs of one kind. Each kind has a list, and what is not
/// on it is supported: networks share messages and do not act on the same of their fields.
struct CoverageRule {
  /// Full name without "trainyard.spec.": a field, or a message for all of its fields.
  absl::string_view name;
  FieldSupport support;
  FieldUse use;
  /// What follows "has no effect: " or "is not offered yet: ".
  absl::string_view reason;
};

/// What becomes of `field`, at any depth of a spec with these rules.
FieldSupport SupportOf(const google::protobuf::FieldDescriptor* field,
                       absl::Span<const CoverageRule> rules);

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
std::vector<UnsupportedField> FindUnsupported(const google::protobuf::Message& message,
                                              absl::Span<const CoverageRule> rules);

/// Appends a line to `warnings` (may be null) for every kNoEffect field that is set.
void WarnOfNoEffect(const google::protobuf::Message& message, absl::Span<const CoverageRule> rules,
                    const FieldPlaces& places, std::vector<std::string>* warnings);

}  // namespace trainyard::spec
