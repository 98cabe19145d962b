#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "libs/data/findings.h"

namespace trainyard::data {

/// Why something of a data set was left out. The names are written to ledgers; append only.
enum class Refusal {
  kWrongColumnCount,
  kNotANumber,
  kDegenerateBox,
  kMissingLabel,
  kUnreadableImage,
  kUnsupportedFormat,
  kOutsidePicture,
  kWrongFormat,
  kSharedLabel,
  kUnknownClass,
  kUnknownImage,
};
/// "degenerate_box", "missing_label", ...
absl::string_view NameOf(Refusal reason);

/// One label line or one image that was left out, and why.
struct LedgerEntry {
  /// `labels/000012.txt:3` for a line, `a.json: annotation 7` or `a.xml: object 2` where labels are
  /// no lines, the path of the image for an image.
  std::string place;
  /// Image folder and frame: "images/000012".
  std::string image;
  Refusal reason = Refusal::kDegenerateBox;
  /// What was seen and what was expected.
  std::string text;

  /// Whether the whole image is left out, not a line of its label file.
  bool whole_image() const {
    return reason == Refusal::kMissingLabel || reason == Refusal::kUnreadableImage ||
           reason == Refusal::kUnsupportedFormat || reason == Refusal::kWrongFormat ||
           reason == Refusal::kSharedLabel;
  }
};

/// What was refused of a data set, and out of how much; and what was noticed beside. Value
/// semantics; not thread-safe.
struct Ledger {
  std::vector<LedgerEntry> entries;
  Findings findings;
  /// Images and label lines that were looked at, the refused ones included.
  int64_t images = 0;
  int64_t lines = 0;
  /// Whether the labels are lines of files, to be told of in messages.
  bool has_label_files = true;

  void Merge(const Ledger& other);
  int64_t RefusedImages() const;
  int64_t RefusedLines() const;

  /// kInvalidArgument, listing the entries, when `strict` and there is one, or when more than 10 %
  /// of the images or more than 10 % of the label lines are refused. The entries
  /// ride along as problems (libs/base/problems.h), 200 at most.
  absl::Status Check(bool strict) const;

  /// Lines for people: what is left out, `most` entries and how many more there are, then the
  /// findings.
  std::vector<std::string> Describe(size_t most) const;

  /// One JSON object a line: {"place", "image", "reason", "text"}; bytes that are not UTF-8 as
  /// \xNN.
  std::string ToJsonLines() const;
};

}  // namespace trainyard::data
