#include "libs/data/formats/yolo.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/types/span.h"
#include "libs/base/printable.h"
#include "libs/base/text_file.h"
#include "libs/data/internal/label_folder.h"
#include "libs/data/internal/label_form.h"
#include "libs/data/internal/label_taker.h"

namespace trainyard::data {
namespace {

constexpr size_t kBoxColumns = 5;
// The fewest columns of an outline: a class and three points.
constexpr size_t kOutlineColumns = 7;
// Labels are written with six decimals: centre and half of the width are off by 0.75e-6 at most.
constexpr double kWritten = 1e-6;

// A box as parts of the picture.
struct Parts {
  double x1 = 0, y1 = 0, x2 = 0, y2 = 0;
};

Parts FromCentre(absl::Span<const double> v) {
  return {v[0] - v[2] / 2, v[1] - v[3] / 2, v[0] + v[2] / 2, v[1] + v[3] / 2};
}

Parts AroundPoints(absl::Span<const double> v) {
  Parts parts{v[0], v[1], v[0], v[1]};
  for (size_t i = 2; i + 1 < v.size(); i += 2) {
    parts.x1 = std::min(parts.x1, v[i]);
    parts.x2 = std::max(parts.x2, v[i]);
    parts.y1 = std::min(parts.y1, v[i + 1]);
    parts.y2 = std::max(parts.y2, v[i + 1]);
  }
  return parts;
}

float Pixels(double part, int64_t side) {
  const double pixels = part * static_cast<double>(side);
  const double whole = std::round(pixels);
  const bool is_whole = std::abs(pixels - whole) <= kWritten * static_cast<double>(side);
  // Adding 0 makes 0 of -0, which would be another number in a label file.
  return static_cast<float>(is_whole ? whole + 0.0 : pixels);
}

// The lines of one file.
class YoloReader {
 public:
  YoloReader(const std::string& path, const std::string& image, ImageSize size,
             const YoloNames& names)
      : path_(path), size_(size), names_(names), taker_(image, size) {}

  KittiLabels Read(absl::string_view text) {
    if (std::string wide = WideEncoding(text); !wide.empty()) {
      taker_.Refuse(path_, Refusal::kWrongFormat, std::move(wide));
      return taker_.Finish();
    }
    for (const absl::string_view line : TextLines(text)) {
      ++number_;
      ReadLine(SplitAtBlanks(line));
    }
    return taker_.Finish();
  }

 private:
  std::string Place() const { return absl::StrCat(path_, ":", number_); }

  void ReadLine(const std::vector<absl::string_view>& columns) {
    if (columns.empty()) return;
    taker_.CountLine();
    const size_t count = columns.size();
    const bool outline = count >= kOutlineColumns && count % 2 == 1;
    if (count != kBoxColumns && count != kBoxColumns + 1 && !outline) {
      return taker_.Refuse(Place(), Refusal::kWrongColumnCount,
                           absl::StrCat("has ", count, " column", count == 1 ? "" : "s",
                                        "; expected 5 (class x y width height), 6 with a score, or "
                                        "an outline of 7, 9, ..."));
    }
    const std::optional<std::string> type = ClassOf(columns[0]);
    if (!type) return;
    const std::optional<std::vector<double>> values = Numbers(columns, outline);
    if (!values) return;
    if (count == kBoxColumns + 1) taker_.findings().scored.Add(Place());
    TakeBox(*type, outline ? AroundPoints(*values) : FromCentre(*values));
  }

  std::optional<std::string> ClassOf(absl::string_view column) {
    int64_t number = -1;
    // Some tools write 0.0 and 1.0.
    double value = 0;
    const bool whole =
        absl::SimpleAtod(column, &value) && value == std::trunc(value) && std::abs(value) < 1e9;
    if (whole) number = static_cast<int64_t>(value);
    const std::string name = names_.Of(number);
    if (!name.empty()) return name;
    taker_.Refuse(
        Place(), Refusal::kUnknownClass,
        whole && number >= 0
            ? absl::StrCat("class ", number, " has no name: '", names_.source, "' names ",
                           names_.names.size(), " classes, from 0")
            : absl::StrCat("column 1 (class) is '", Shown(column), "'; expected a number from 0"));
    return std::nullopt;
  }

  std::optional<std::vector<double>> Numbers(const std::vector<absl::string_view>& columns,
                                             bool outline) {
    std::vector<double> values;
    const size_t end = outline ? columns.size() : kBoxColumns;
    for (size_t i = 1; i < end; ++i) {
      double value = 0;
      if (!absl::SimpleAtod(columns[i], &value) || !(value >= -1 && value <= 2)) {
        taker_.Refuse(
            Place(), Refusal::kNotANumber,
            absl::StrFormat("column %d is '%s'; expected a part of the picture's %s, 0 to 1", i + 1,
                            Shown(columns[i]), i % 2 == 1 ? "width" : "height"));
        return std::nullopt;
      }
      values.push_back(value);
    }
    return values;
  }

  void TakeBox(const std::string& type, const Parts& parts) {
    KittiObject object;
    object.type = type;
    object.line = number_;
    object.box = {Pixels(parts.x1, size_.width), Pixels(parts.y1, size_.height),
                  Pixels(parts.x2, size_.width), Pixels(parts.y2, size_.height)};
    taker_.Take(std::move(object), taker_.lines() - 1, Place());
  }

  const std::string& path_;
  const ImageSize size_;
  const YoloNames& names_;
  int number_ = 0;
  internal::LabelTaker taker_;
};

// Lists of names and of pictures that lie beside labels.
bool IsOther(absl::string_view name) {
  return name == "classes.txt" || absl::StartsWithIgnoreCase(name, "readme") ||
         name == "train.txt" || name == "val.txt" || name == "test.txt";
}

}  // namespace

KittiLabels ParseYoloLabels(absl::string_view text, const std::string& path,
                            const std::string& image, ImageSize size, const YoloNames& names) {
  return YoloReader(path, image, size, names).Read(text);
}

absl::StatusOr<Ledger> ScanYoloFolder(
    const KittiFolder& folder, const YoloNames& names, int threads,
    const std::function<void(KittiFrame frame)>& keep,
    const std::function<bool(int64_t done, int64_t total)>& go_on) {
  const auto parse = [&names](absl::string_view text, const std::string& path,
                              const std::string& image, ImageSize size) {
    return ParseYoloLabels(text, path, image, size, names);
  };
  internal::LabelForm form{
      .name = "YOLO's form", .extension = ".txt", .parse = parse, .missing_is_empty = true};
  form.is_other = IsOther;
  return internal::ScanLabelFolder(folder, form, threads, keep, go_on);
}

}  // namespace trainyard::data
