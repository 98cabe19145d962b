#include "services/orchestrator/references.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace trainyard::orchestrator {

absl::StatusOr<std::vector<Reference>> FindReferences(absl::string_view text) {
  std::vector<Reference> found;
  for (size_t begin = text.find("${"); begin != absl::string_view::npos;
       begin = text.find("${", begin)) {
    const size_t close = text.find_first_of("}\n", begin);
    if (close == absl::string_view::npos || text[close] != '}') {
      return absl::InvalidArgumentError(
          absl::StrCat("has a '${' that is not closed: '", text.substr(begin, 24), "'"));
    }
    found.push_back({.name = std::string(text.substr(begin + 2, close - begin - 2)),
                     .begin = begin,
                     .end = close + 1});
    begin = close + 1;
  }
  return found;
}

absl::StatusOr<std::string> ExpandReferences(
    absl::string_view text,
    const std::function<std::optional<std::string>(const std::string& name)>& value_of) {
  const auto references = FindReferences(text);
  if (!references.ok()) return references.status();
  std::string expanded;
  size_t from = 0;
  for (const Reference& reference : *references) {
    const std::optional<std::string> value = value_of(reference.name);
    if (!value.has_value()) continue;
    absl::StrAppend(&expanded, text.substr(from, reference.begin - from), *value);
    from = reference.end;
  }
  absl::StrAppend(&expanded, text.substr(from));
  return expanded;
}

std::optional<OutputReference> ParseOutputReference(absl::string_view name) {
  const std::vector<std::string> parts = absl::StrSplit(name, '.');
  if (parts.size() != 4 || parts[0] != "stage" || parts[2] != "outputs") return std::nullopt;
  if (parts[1].empty() || parts[3].empty()) return std::nullopt;
  return OutputReference{.stage = parts[1], .output = parts[3]};
}

}  // namespace trainyard::orchestrator
