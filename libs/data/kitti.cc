#include "libs/data/kitti.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "libs/base/printable.h"
#include "libs/base/text_file.h"
#include "libs/data/internal/label_form.h"
#include "libs/data/internal/label_taker.h"

namespace trainyard::data {
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
    const bool is_number = absl::SimpleAtod(columns[i], &values[i]) &&
                           std::abs(values[i]) <= std::numeric_limits<float>::max();
    if (!is_number) {
      return Refused{
          Refusal::kNotANumber,
          absl::StrFormat("column %d (%s) is '%s'; expected a finite number%s", i + 1,
                          kColumnNames[i], Shown(columns[i]), internal::LineHint(columns))};
    }
    const bool is_corner = i >= kFirstCorner && i < kFirstCorner + 4;
    if ((is_corner || i == 2) && std::abs(values[i]) > kMaxCoordinate) {
      return Refused{Refusal::kNotANumber,
                     absl::StrFormat("column %d (%s) is %s; expected at most 1e7 in size", i + 1,
                                     kColumnNames[i], Shown(columns[i]))};
    }
  }
  return std::nullopt;
}

std::optional<Refused> ReadColumns(const std::vector<absl::string_view>& columns,
                                   std::array<double, kColumns + 1>& values) {
  if (columns.size() != kColumns && columns.size() != kColumns + 1) {
    return Refused{Refusal::kWrongColumnCount,
                   absl::StrCat("has ", columns.size(), " column", columns.size() == 1 ? "" : "s",
                                "; expected 15 (16 with a score)", internal::LineHint(columns))};
  }
  if (auto bad = ReadNumbers(columns, values)) return bad;
  if (columns.size() == kColumns) return std::nullopt;
  std::string shifted = internal::ShiftedColumns(columns, values);
  if (shifted.empty()) return std::nullopt;
  return Refused{Refusal::kWrongColumnCount, std::move(shifted)};
}

std::string DegenerateText(const KittiObject& object) {
  const Box& b = object.box;
  const bool parts = b.x1 >= 0 && b.y1 >= 0 && b.x1 < b.x2 && b.y1 < b.y2 && b.x2 <= 1 && b.y2 <= 1;
  return absl::StrCat(
      data::DegenerateText(b, absl::StrCat(" of '", Shown(object.type), "'")),
      parts ? "; these look like parts of the picture, where pixels are expected" : "");
}

// The lines of one file, one after the other.
class LabelReader {
 public:
  LabelReader(const std::string& path, const std::string& image,
              const std::optional<ImageSize>& size)
      : path_(path), taker_(image, size) {}

  void Read(absl::string_view line, int number) {
    const std::vector<absl::string_view> columns = SplitAtBlanks(line);
    if (columns.empty()) return;
    number_ = number;
    const absl::string_view content = absl::StripAsciiWhitespace(line);
    const int64_t index = first_index_.emplace(content, taker_.lines()).first->second;
    taker_.CountLine();
    std::array<double, kColumns + 1> values{};
    if (auto bad = ReadColumns(columns, values)) return Refuse(bad->reason, std::move(bad->text));
    KittiObject object = ObjectFrom(columns[0], values);
    object.line = number;
    if (columns.size() > kColumns) {
      object.score = values[kColumns];
      taker_.findings().scored.Add(Place());
    }
    const std::array<int, 4> corners = {static_cast<int>(values[4]), static_cast<int>(values[5]),
                                        static_cast<int>(values[6]), static_cast<int>(values[7])};
    taker_.Take(object, corners, index, Place(), [&object] { return DegenerateText(object); });
  }

  void Refuse(Refusal reason, std::string text) { taker_.Refuse(Place(), reason, std::move(text)); }

  KittiLabels Take() { return taker_.Finish(); }

 private:
  std::string Place() const { return absl::StrCat(path_, ":", number_); }

  const std::string& path_;
  int number_ = 1;
  internal::LabelTaker taker_;
  std::map<absl::string_view, int64_t> first_index_;
};

}  // namespace

KittiLabels ParseKittiLabels(absl::string_view text, const std::string& path,
                             const std::string& image, const std::optional<ImageSize>& size) {
  LabelReader reader(path, image, size);
  if (std::string foreign = internal::ForeignFile(text); !foreign.empty()) {
    reader.Refuse(Refusal::kWrongFormat, std::move(foreign));
    return reader.Take();
  }
  int number = 0;
  for (const absl::string_view line : TextLines(text)) reader.Read(line, ++number);
  return reader.Take();
}

namespace {

// With `decimals` digits behind the point where they say all of the number, else the shortest text
// that does.
std::string NumberText(double value, int decimals) {
  const std::string text = absl::StrFormat("%.*f", decimals, value);
  double read = 0;
  if (absl::SimpleAtod(text, &read) && read == value) return text;
  char shortest[64];
  return {shortest, std::to_chars(shortest, shortest + sizeof(shortest), value).ptr};
}

}  // namespace

std::string FormatKittiLine(const KittiObject& o) {
  std::string line = absl::StrFormat(
      "%s %s %s %s %.2f %.2f %.2f %.2f", o.type, NumberText(o.truncated, 2),
      NumberText(o.occluded, 0), NumberText(o.alpha, 2), o.box.x1, o.box.y1, o.box.x2, o.box.y2);
  for (const double value : {o.height, o.width, o.length, o.x, o.y, o.z, o.rotation_y}) {
    absl::StrAppend(&line, " ", NumberText(value, 2));
  }
  if (o.score) absl::StrAppend(&line, " ", NumberText(*o.score, 4));
  return line;
}

}  // namespace trainyard::data
