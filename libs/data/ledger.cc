#include "libs/data/ledger.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "libs/base/json.h"
#include "libs/base/printable.h"
#include "libs/base/problems.h"
#include "libs/base/utf8.h"

namespace trainyard::data {
namespace {

constexpr size_t kMaxListed = 200;

bool MoreThanTenPercent(int64_t part, int64_t whole) { return part * 10 > whole; }

}  // namespace

absl::string_view NameOf(Refusal reason) {
  switch (reason) {
    case Refusal::kWrongColumnCount:
      return "wrong_column_count";
    case Refusal::kNotANumber:
      return "not_a_number";
    case Refusal::kDegenerateBox:
      return "degenerate_box";
    case Refusal::kMissingLabel:
      return "missing_label";
    case Refusal::kUnreadableImage:
      return "unreadable_image";
    case Refusal::kUnsupportedFormat:
      return "unsupported_format";
    case Refusal::kOutsidePicture:
      return "outside_picture";
    case Refusal::kWrongFormat:
      return "wrong_format";
    case Refusal::kSharedLabel:
      return "shared_label";
    case Refusal::kUnknownClass:
      return "unknown_class";
    case Refusal::kUnknownImage:
      return "unknown_image";
  }
  return "unknown";
}

void Ledger::Merge(const Ledger& other) {
  entries.insert(entries.end(), other.entries.begin(), other.entries.end());
  findings.Merge(other.findings);
  images += other.images;
  lines += other.lines;
}

int64_t Ledger::RefusedImages() const {
  return std::count_if(entries.begin(), entries.end(),
                       [](const LedgerEntry& entry) { return entry.whole_image(); });
}

int64_t Ledger::RefusedLines() const {
  return static_cast<int64_t>(entries.size()) - RefusedImages();
}

absl::Status Ledger::Check(bool strict) const {
  const int64_t bad_images = RefusedImages();
  const int64_t bad_lines = RefusedLines();
  const bool too_many =
      MoreThanTenPercent(bad_images, images) || MoreThanTenPercent(bad_lines, lines);
  if (entries.empty() || !(strict || too_many)) return absl::OkStatus();
  Problems problems;
  if (has_label_files) {
    problems.Add("labels", "%d of %d images and %d of %d label lines are refused; %s", bad_images,
                 images, bad_lines, lines,
                 too_many ? "at most 10 % of either may be" : "with strict none may be");
  } else {
    problems.Add("images", "%d of %d are refused; %s", bad_images, images,
                 too_many ? "at most 10 % may be" : "with strict none may be");
  }
  for (size_t i = 0; i < std::min(entries.size(), kMaxListed); ++i) {
    const LedgerEntry& entry = entries[i];
    problems.AddProblem({.field = entry.image, .description = entry.text, .place = entry.place});
  }
  if (entries.size() > kMaxListed) {
    problems.Add(has_label_files ? "labels" : "images", "and %d more that are not listed here",
                 entries.size() - kMaxListed);
  }
  return problems.ToStatus();
}

std::vector<std::string> Ledger::Describe(size_t most) const {
  std::vector<std::string> lines;
  for (size_t i = 0; i < std::min(entries.size(), most); ++i) {
    lines.push_back(absl::StrCat("left out: ", entries[i].place, ": ", entries[i].text));
  }
  if (entries.size() > most) {
    lines.push_back(absl::StrCat("left out: and ", entries.size() - most,
                                 " more that are not listed here; the ledger has all"));
  }
  const std::vector<std::string> noticed = findings.Describe();
  lines.insert(lines.end(), noticed.begin(), noticed.end());
  return lines;
}

std::string Ledger::ToJsonLines() const {
  std::string out;
  for (const LedgerEntry& entry : entries) {
    const auto text = [](const std::string& raw) {
      return JsonText(IsUtf8(raw) ? raw : Printable(raw));
    };
    absl::StrAppend(&out, "{\"place\":", text(entry.place), ",\"image\":", text(entry.image),
                    ",\"reason\":\"", NameOf(entry.reason), "\",\"text\":", text(entry.text),
                    "}\n");
  }
  return out;
}

}  // namespace trainyard::data
