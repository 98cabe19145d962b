#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/orchestrator/limits.h"

namespace trainyard::orchestrator {

/// A `${name}` in a text.
struct Reference {
  std::string name;
  /// Offset of the dollar sign, and of what follows the closing brace.
  size_t begin = 0, end = 0;
};

/// The references of `text` in order. kInvalidArgument for a `${` that is not closed on its line.
absl::StatusOr<std::vector<Reference>> FindReferences(absl::string_view text);

/// Room for texts whose references have their values: what all texts of one pipeline share.
struct TextRoom {
  size_t bytes = kMaxExpandedBytes;
  /// Set when a text did not fit; no other fits then.
  bool exceeded = false;
};

/// Replaces each reference by what `value_of` says; nothing leaves the reference as it stands.
/// Values are not looked into again. The result is taken from `room`, before it is made.
///
/// Fails as FindReferences does; kResourceExhausted when there is no room for the result.
absl::StatusOr<std::string> ExpandReferences(
    absl::string_view text,
    const std::function<std::optional<std::string>(const std::string& name)>& value_of,
    TextRoom& room);

/// The two parts of `stage.NAME.outputs.OUTPUT`.
struct OutputReference {
  std::string stage;
  std::string output;
  bool operator==(const OutputReference&) const = default;
};

/// Nothing when `name` has another form.
std::optional<OutputReference> ParseOutputReference(absl::string_view name);

}  // namespace trainyard::orchestrator
