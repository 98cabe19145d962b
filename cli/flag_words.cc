#include "cli/flag_words.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"

namespace trainyard::cli {
namespace {

using Replacements = std::vector<std::pair<std::string, std::string>>;

// "stage.inputs has no 'model', which this stage needs" is how a service says that -m is missing.
void AddMissing(const std::string& field, const std::string& flag, Replacements& replacements) {
  for (absl::string_view list : {"stage.inputs", "stage.outputs"}) {
    absl::string_view name = field;
    if (!absl::ConsumePrefix(&name, list) || !absl::ConsumePrefix(&name, "[") ||
        !absl::ConsumeSuffix(&name, "]")) {
      continue;
    }
    replacements.emplace_back(absl::StrCat(list, " has no '", name, "', which this stage needs"),
                              absl::StrCat(flag, " is missing"));
  }
}

}  // namespace

absl::Status InFlagWords(const absl::Status& failure, const FlagWords& words) {
  if (failure.ok() || words.empty()) return failure;
  Replacements replacements;
  for (const auto& [field, flag] : words) {
    AddMissing(field, flag, replacements);
    replacements.emplace_back(field, flag);
  }
  absl::Status said(failure.code(), absl::StrReplaceAll(failure.message(), replacements));
  failure.ForEachPayload(
      [&said](absl::string_view url, const absl::Cord& payload) { said.SetPayload(url, payload); });
  return said;
}

}  // namespace trainyard::cli
