#include "libs/data/internal/label_form.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "libs/base/printable.h"
#include "libs/base/text_file.h"

namespace trainyard::data::internal {
namespace {

constexpr absl::string_view kTaken =
    "what is taken is KITTI: type truncated occluded alpha x1 y1 x2 y2 and seven more, in pixels";

bool IsNumber(absl::string_view text) {
  double value;
  return absl::SimpleAtod(text, &value);
}

bool IsWhole(absl::string_view text) {
  int64_t value;
  return absl::SimpleAtoi(text, &value);
}

bool IsPart(absl::string_view text) {
  double value;
  return absl::SimpleAtod(text, &value) && value >= 0 && value <= 1;
}

// A class number and parts of the picture's width and height.
bool LooksLikeYolo(absl::Span<const absl::string_view> columns) {
  return columns.size() >= 5 && IsWhole(columns[0]) &&
         std::all_of(columns.begin() + 1, columns.end(), IsPart);
}

// Words before the first number: a class name with blanks in it.
size_t LeadingWords(absl::Span<const absl::string_view> columns) {
  size_t words = 0;
  while (words < columns.size() && !IsNumber(columns[words])) ++words;
  return words;
}

}  // namespace

std::string ForeignFile(absl::string_view bytes) {
  if (std::string wide = WideEncoding(bytes); !wide.empty()) return wide;
  absl::ConsumePrefix(&bytes, "\xEF\xBB\xBF");
  const absl::string_view text = absl::StripLeadingAsciiWhitespace(bytes.substr(0, 4096));
  if (absl::StartsWith(text, "<")) {
    return absl::StrCat("looks like XML",
                        absl::StrContains(text, "<annotation") ? " of Pascal VOC" : "",
                        ", not like KITTI; ", kTaken);
  }
  if (absl::StartsWith(text, "{") || absl::StartsWith(text, "[")) {
    return absl::StrCat("looks like JSON (of COCO, LabelMe or their like), not like KITTI; ",
                        kTaken);
  }
  return "";
}

std::string LineHint(absl::Span<const absl::string_view> columns) {
  if (columns.empty()) return "";
  if (absl::StartsWith(columns[0], "#") || absl::StartsWith(columns[0], "//")) {
    return "; KITTI's label files have no comments; take the line out";
  }
  if (LooksLikeYolo(columns)) {
    return absl::StrCat("; it looks like YOLO (class x y width height, as parts of the picture); ",
                        kTaken);
  }
  const std::string line = absl::StrJoin(columns, " ");
  for (const auto& [separator, name] : {std::pair(',', "commas"), std::pair(';', "semicolons")}) {
    if (std::count(line.begin(), line.end(), separator) >= 4) {
      return absl::StrCat("; its columns seem to be separated by ", name,
                          "; what separates them is blanks, and numbers have a point");
    }
  }
  const bool tracking =
      columns.size() >= 17 && IsWhole(columns[0]) && IsWhole(columns[1]) && !IsNumber(columns[2]);
  if (tracking) {
    return absl::StrCat(
        "; it looks like a line of KITTI's tracking set, with frame and track before "
        "the type; take these two columns out");
  }
  const size_t words = LeadingWords(columns);
  if (words >= 2 && words <= 8 && columns.size() >= 15) {
    const auto name = columns.subspan(0, words);
    return absl::StrCat("; the class name seems to have blanks in it ('",
                        Shown(absl::StrJoin(name, " ")), "'); write it as one word (",
                        Shown(absl::StrJoin(name, "_")), ")");
  }
  return "";
}

std::string ShiftedColumns(absl::Span<const absl::string_view> columns,
                           absl::Span<const double> v) {
  const auto is_truncation = [](double value) { return value == -1 || (value >= 0 && value <= 1); };
  const std::string advice = absl::StrCat("write a class name of several words as one (",
                                          Shown(columns[0]), "_", Shown(columns[1]), ")");
  if (!is_truncation(v[1])) {
    return absl::StrCat("has 16 columns, but column 2 (truncated) is ", columns[1],
                        ", neither -1 nor in 0..1, so that its box would be read one column to the "
                        "left; ",
                        advice);
  }
  // Read as a name of two columns, the line is a good one: its lower edge in pixels stands where
  // KITTI has a height in metres, which is never beyond the right edge of a box.
  const bool shifted_fits = is_truncation(v[2]) && std::nearbyint(v[3]) == v[3] &&
                            std::abs(v[3]) <= 10 && std::abs(v[4]) <= 10 && v[5] < v[7] &&
                            v[6] < v[8];
  if (!shifted_fits) return "";
  return absl::StrCat("has 16 columns, of which the second seems to belong to the name ('",
                      Shown(columns[0]), " ", Shown(columns[1]),
                      "'): the box would be read one column to the left; ", advice);
}

}  // namespace trainyard::data::internal
