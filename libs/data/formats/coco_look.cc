#include "libs/data/formats/coco_look.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "libs/base/json_reader.h"
#include "libs/data/formats/folder_tree.h"

namespace trainyard::data::internal {
namespace {

constexpr size_t kMostBytes = 1 << 20;
constexpr size_t kMostNames = 16;
constexpr absl::string_view kFileName = "\"file_name\"";

}  // namespace

CocoLook LookOfJson(absl::string_view ends) {
  CocoLook look;
  absl::string_view rest = ends;
  absl::ConsumePrefix(&rest, "\xEF\xBB\xBF");
  if (!absl::StartsWith(absl::StripLeadingAsciiWhitespace(rest), "{")) return look;
  // Captions have neither categories nor boxes; outlines alone have no boxes.
  const auto has = [&](absl::string_view word) { return absl::StrContains(ends, word); };
  look.is_coco = has(kFileName) && (has("\"bbox\"") || has("\"categories\"")) &&
                 (has("\"images\"") || has("\"annotations\""));
  if (!look.is_coco) return look;
  size_t at = 0;
  while (look.file_names.size() < kMostNames && (at = ends.find(kFileName, at)) != ends.npos) {
    at += kFileName.size();
    absl::string_view value = absl::StripLeadingAsciiWhitespace(ends.substr(at));
    if (!absl::ConsumePrefix(&value, ":")) continue;
    const absl::StatusOr<std::string> name = JsonReader(value).String();
    if (name.ok()) look.file_names.push_back(*name);
  }
  return look;
}

CocoLook LookAtJson(const std::string& path) { return LookOfJson(ReadEnds(path, kMostBytes)); }

}  // namespace trainyard::data::internal
