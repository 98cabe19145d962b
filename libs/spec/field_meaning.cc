#include "libs/spec/field_meaning.h"

#include <map>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace trainyard::spec {
namespace embedded {
extern const char kSpecCoverage[];
}  // namespace embedded

namespace {

// Rows "| `field` | state | meaning |" below headings "### `message`", by "message.field".
std::map<std::string, std::string> MeaningsOf(absl::string_view page) {
  std::map<std::string, std::string> meanings;
  absl::string_view message;
  for (absl::string_view line : absl::StrSplit(page, '\n')) {
    if (absl::ConsumePrefix(&line, "### `")) message = line.substr(0, line.find('`'));
    if (message.empty() || !absl::ConsumePrefix(&line, "| `")) continue;
    const std::vector<absl::string_view> cells = absl::StrSplit(line, absl::MaxSplits('|', 2));
    if (cells.size() != 3) continue;
    absl::string_view meaning = absl::StripAsciiWhitespace(cells[2]);
    absl::ConsumeSuffix(&meaning, "|");
    meanings[absl::StrCat(message, ".", cells[0].substr(0, cells[0].find('`')))] =
        absl::StrReplaceAll(absl::StripAsciiWhitespace(meaning), {{"`", ""}});
  }
  return meanings;
}

}  // namespace

const std::string& MeaningOf(const google::protobuf::FieldDescriptor* field) {
  static const auto& meanings =
      *new std::map<std::string, std::string>(MeaningsOf(embedded::kSpecCoverage));
  static const auto& none = *new std::string();
  absl::string_view name = field->full_name();
  absl::ConsumePrefix(&name, "trainyard.spec.");
  const auto found = meanings.find(std::string(name));
  return found == meanings.end() ? none : found->second;
}

}  // namespace trainyard::spec
