#include "libs/data/ledger.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/problems.h"

namespace trainyard {
namespace {

constexpr size_t kMaxListed = 200;

// Length of the UTF-8 sequence at the head of `text`, 0 when it is malformed.
size_t SequenceLength(absl::string_view text) {
  const auto byte = [text](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char head = byte(0);
  const size_t length = head < 0x80                   ? 1
                        : head >= 0xC2 && head < 0xE0 ? 2
                        : head >= 0xE0 && head < 0xF0 ? 3
                        : head >= 0xF0 && head < 0xF5 ? 4
                                                      : 0;
  if (length == 0 || length > text.size()) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  if (head == 0xE0 && byte(1) < 0xA0) return 0;
  if (head == 0xED && byte(1) > 0x9F) return 0;
  if (head == 0xF0 && byte(1) < 0x90) return 0;
  if (head == 0xF4 && byte(1) > 0x8F) return 0;
  return length;
}

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
  }
  return "unknown";
}

void Ledger::Merge(const Ledger& other) {
  entries.insert(entries.end(), other.entries.begin(), other.entries.end());
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
  problems.Add("labels", "%d of %d images and %d of %d label lines are refused; %s", bad_images,
               images, bad_lines, lines,
               too_many ? "at most 10 % of either may be" : "with strict none may be");
  for (size_t i = 0; i < std::min(entries.size(), kMaxListed); ++i) {
    const LedgerEntry& entry = entries[i];
    problems.AddProblem({.field = entry.image, .description = entry.text, .place = entry.place});
  }
  if (entries.size() > kMaxListed) {
    problems.Add("labels", "and %d more that are not listed here", entries.size() - kMaxListed);
  }
  return problems.ToStatus();
}

std::string JsonQuote(absl::string_view text) {
  std::string quoted = "\"";
  while (!text.empty()) {
    const size_t length = SequenceLength(text);
    const char c = text[0];
    if (length == 0) {
      quoted += "\\ufffd";
    } else if (c == '"' || c == '\\') {
      absl::StrAppend(&quoted, "\\", text.substr(0, 1));
    } else if (length == 1 && static_cast<unsigned char>(c) < 0x20) {
      absl::StrAppendFormat(&quoted, "\\u%04x", c);
    } else {
      absl::StrAppend(&quoted, text.substr(0, length));
    }
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  return quoted + "\"";
}

std::string Ledger::ToJsonLines() const {
  std::string out;
  for (const LedgerEntry& entry : entries) {
    absl::StrAppend(&out, "{\"place\":", JsonQuote(entry.place),
                    ",\"image\":", JsonQuote(entry.image), ",\"reason\":\"", NameOf(entry.reason),
                    "\",\"text\":", JsonQuote(entry.text), "}\n");
  }
  return out;
}

}  // namespace trainyard
