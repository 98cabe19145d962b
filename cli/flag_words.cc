#include "cli/flag_words.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"

namespace trainyard::cli {
namespace {

using Replacements = std::vector<std::pair<std::string, std::string>>;

// "stage.inputs has no 'model', which this stage needs" is how a service says that -m is missing,
// and "input 'model'" how it speaks of it in passing.
void AddArtifact(const std::string& field, const std::string& flag, Replacements& replacements) {
  for (absl::string_view kind : {"input", "output"}) {
    const std::string list = absl::StrCat("stage.", kind, "s");
    absl::string_view name = field;
    if (!absl::ConsumePrefix(&name, list) || !absl::ConsumePrefix(&name, "[") ||
        !absl::ConsumeSuffix(&name, "]")) {
      continue;
    }
    replacements.emplace_back(absl::StrCat(list, " has no '", name, "', which this stage needs"),
                              absl::StrCat(flag, " is missing"));
    for (const char* article : {"", "an "}) {
      replacements.emplace_back(absl::StrCat(article, kind, " '", name, "'"), flag);
    }
  }
}

}  // namespace

std::string InFlagWords(absl::string_view text, const FlagWords& words) {
  Replacements replacements;
  for (const auto& [field, flag] : words) {
    AddArtifact(field, flag, replacements);
    replacements.emplace_back(field, flag);
  }
  return absl::StrReplaceAll(text, replacements);
}

absl::Status InFlagWords(const absl::Status& failure, const FlagWords& words) {
  if (failure.ok() || words.empty()) return failure;
  absl::Status said(failure.code(), InFlagWords(failure.message(), words));
  failure.ForEachPayload(
      [&said](absl::string_view url, const absl::Cord& payload) { said.SetPayload(url, payload); });
  return said;
}

}  // namespace trainyard::cli
