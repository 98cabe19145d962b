#include "libs/data/kitti.h"

#include <cmath>
#include <map>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace trainyard {
namespace {

constexpr size_t kColumns = 15;
constexpr double kMaxCoordinate = 1e7;
constexpr size_t kFirstCorner = 4;

constexpr absl::string_view kColumnNames[] = {
    "type",   "truncated", "occluded", "alpha", "x1", "y1", "x2",         "y2",
    "height", "width",     "length",   "x",     "y",  "z",  "rotation_y", "score"};

// A line that cannot be used, before it gets its place.
struct Refused {
  Refusal reason;
  std::string text;
};

KittiObject ObjectFrom(absl::string_view type, const std::array<double, kColumns + 1>& v) {
  KittiObject object;
  object.type = std::string(type);
  object.truncated = v[1];
  object.occluded = v[2];
  object.alpha = v[3];
  object.box = {static_cast<float>(v[4]), static_cast<float>(v[5]), static_cast<float>(v[6]),
                static_cast<float>(v[7])};
  object.height = v[8];
  object.width = v[9];
  object.length = v[10];
  object.x = v[11];
  object.y = v[12];
  object.z = v[13];
  object.rotation_y = v[14];
  return object;
}

// Reads columns 2.. of a line; the first that is no number is the reason.
std::optional<Refused> ReadNumbers(const std::vector<absl::string_view>& columns,
                                   std::array<double, kColumns + 1>& values) {
  for (size_t i = 1; i < columns.size(); ++i) {
    const bool is_number = absl::SimpleAtod(columns[i], &values[i]) && std::isfinite(values[i]);
    if (!is_number) {
      return Refused{Refusal::kNotANumber,
                     absl::StrFormat("column %d (%s) is '%s'; expected a finite number", i + 1,
                                     kColumnNames[i], columns[i])};
    }
    const bool is_corner = i >= kFirstCorner && i < kFirstCorner + 4;
    if ((is_corner || i == 2) && std::abs(values[i]) > kMaxCoordinate) {
      return Refused{Refusal::kNotANumber,
                     absl::StrFormat("column %d (%s) is %s; expected at most 1e7 in size", i + 1,
                                     kColumnNames[i], columns[i])};
    }
  }
  return std::nullopt;
}

std::string DegenerateText(const KittiObject& object) {
  const Box& b = object.box;
  const bool flat_x = static_cast<int>(b.x1) >= static_cast<int>(b.x2);
  return absl::StrFormat("box (%g, %g, %g, %g) of '%s' has no %s: its %s edge is not beyond its %s",
                         b.x1, b.y1, b.x2, b.y2, object.type, flat_x ? "width" : "height",
                         flat_x ? "right" : "lower", flat_x ? "left one" : "upper one");
}

}  // namespace

KittiLabels ParseKittiLabels(absl::string_view text, const std::string& path,
                             const std::string& image) {
  KittiLabels labels;
  std::map<absl::string_view, int> first_index;
  absl::ConsumePrefix(&text, "\xEF\xBB\xBF");
  int line_number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++line_number;
    line = absl::StripAsciiWhitespace(line);
    if (line.empty()) continue;
    const int index = first_index.emplace(line, static_cast<int>(labels.lines)).first->second;
    ++labels.lines;
    const auto refuse = [&](Refusal reason, std::string why) {
      labels.refused.push_back({.place = absl::StrCat(path, ":", line_number),
                                .image = image,
                                .reason = reason,
                                .text = std::move(why)});
    };
    const std::vector<absl::string_view> columns =
        absl::StrSplit(line, absl::ByAnyChar(" \t\r\v\f"), absl::SkipEmpty());
    if (columns.size() != kColumns && columns.size() != kColumns + 1) {
      refuse(Refusal::kWrongColumnCount,
             absl::StrCat("has ", columns.size(), " columns; expected 15 (16 with a score)"));
      continue;
    }
    std::array<double, kColumns + 1> values{};
    if (auto bad = ReadNumbers(columns, values)) {
      refuse(bad->reason, std::move(bad->text));
      continue;
    }
    KittiObject object = ObjectFrom(columns[0], values);
    object.line = line_number;
    if (columns.size() > kColumns) object.score = values[kColumns];
    const std::array<int, 4> corners = {static_cast<int>(values[4]), static_cast<int>(values[5]),
                                        static_cast<int>(values[6]), static_cast<int>(values[7])};
    if (corners[0] >= corners[2] || corners[1] >= corners[3]) {
      refuse(Refusal::kDegenerateBox, DegenerateText(object));
      labels.degenerate.push_back({.index = index, .corners = corners});
      continue;
    }
    labels.objects.push_back(std::move(object));
  }
  return labels;
}

std::string FormatKittiLine(const KittiObject& o) {
  std::string line = absl::StrFormat(
      "%s %.2f %d %.2f %.2f %.2f %.2f %.2f %.2f %.2f %.2f %.2f %.2f %.2f %.2f", o.type, o.truncated,
      static_cast<int64_t>(o.occluded), o.alpha, o.box.x1, o.box.y1, o.box.x2, o.box.y2, o.height,
      o.width, o.length, o.x, o.y, o.z, o.rotation_y);
  if (o.score) absl::StrAppendFormat(&line, " %.4f", *o.score);
  return line;
}

}  // namespace trainyard
