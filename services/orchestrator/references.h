#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace trainyard::orchestrator {

/// A `${name}` in a text.
struct Reference {
  std::string name;
  /// Offset of the dollar sign, and of what follows the closing brace.
  size_t begin = 0, end = 0;
};

/// The references of `text` in order. kInvalidArgument for a `${` that is not closed on its line.
absl::StatusOr<std::vector<Reference>> FindReferences(absl::string_view text);

/// Replaces each reference by what `value_of` says; nothing leaves the reference as it stands.
/// Values are not looked into again. Fails as FindReferences does.
absl::StatusOr<std::string> ExpandReferences(
    absl::string_view text,
    const std::function<std::optional<std::string>(const std::string& name)>& value_of);

/// The two parts of `stage.NAME.outputs.OUTPUT`.
struct OutputReference {
  std::string stage;
  std::string output;
  bool operator==(const OutputReference&) const = default;
};

/// Nothing when `name` has another form.
std::optional<OutputReference> ParseOutputReference(absl::string_view name);

}  // namespace trainyard::orchestrator
