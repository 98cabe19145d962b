#include "services/orchestrator/references.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace trainyard::orchestrator {
namespace {

absl::Status NoRoom() {
  return absl::ResourceExhaustedError(
      absl::StrCat("is where the texts of the pipeline pass ", kMaxExpandedBytes,
                   " bytes once their references have their values; that is the most that is taken"));
}

}  // namespace

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
    const std::function<std::optional<std::string>(const std::string& name)>& value_of,
    TextRoom& room) {
  const auto references = FindReferences(text);
  if (!references.ok()) return references.status();
  std::string expanded;
  // False when the pieces do not fit any more.
  const auto append = [&](absl::string_view written, absl::string_view value) {
    room.exceeded = room.exceeded || written.size() + value.size() > room.bytes;
    if (room.exceeded) return false;
    room.bytes -= written.size() + value.size();
    absl::StrAppend(&expanded, written, value);
    return true;
  };
  size_t from = 0;
  for (const Reference& reference : *references) {
    const std::optional<std::string> value = value_of(reference.name);
    if (!value.has_value()) continue;
    if (!append(text.substr(from, reference.begin - from), *value)) return NoRoom();
    from = reference.end;
  }
  if (!append(text.substr(from), "")) return NoRoom();
  return expanded;
}

std::optional<OutputReference> ParseOutputReference(absl::string_view name) {
  const std::vector<std::string> parts = absl::StrSplit(name, '.');
  if (parts.size() != 4 || parts[0] != "stage" || parts[2] != "outputs") return std::nullopt;
  if (parts[1].empty() || parts[3].empty()) return std::nullopt;
  return OutputReference{.stage = parts[1], .output = parts[3]};
}

}  // namespace trainyard::orchestrator
