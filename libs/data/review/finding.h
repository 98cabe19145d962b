#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace trainyard::data {

/// What a review of a data set tells of. The names are written to files; append only.
enum class ReviewKind {
  /// A picture of one set is in the other.
  kLeak,
  /// Pictures of the same bytes, and pictures that look the same.
  kSameBytes,
  kCopy,
  /// Near pictures that were not compared, for there are too many.
  kNotCompared,
  /// Of the reader: what it left out, and what it noticed.
  kLeftOut,
  kNoticed,
  /// A picture that cannot be read.
  kUnreadable,
  /// Pictures of one colour, and pictures in which nothing is labelled.
  kPlain,
  kNoBoxes,
  /// How many objects a class has; one that has few; one that only the other set has.
  kClassBalance,
  kRareClass,
  kUnseenClass,
  /// How large a class's boxes are.
  kBoxSizes,
  /// A box that is much wider than high, or higher than wide.
  kAspect,
  /// An object that is labelled twice.
  kTwinBoxes,
  /// How well a class's boxes can be matched by the network's priors.
  kPriorFit,
};

/// "leak", "same_bytes", ...
absl::string_view NameOf(ReviewKind kind);
/// For headings: "Pictures that both sets have".
absl::string_view TitleOf(ReviewKind kind);

/// kError: a training on it would be wrong or judged wrongly. kWarning: look at it. kNote: know of it.
enum class Severity { kError, kWarning, kNote };
/// "error", "warning", "note".
absl::string_view NameOf(Severity severity);

/// A picture that a finding is about.
struct ReviewImage {
  std::string id;
  /// 0: of the set, 1: of the one that it is held against; and its place there. -1: not in the list.
  int set = 0;
  int64_t frame = -1;
  /// The boxes that it is about.
  std::vector<int64_t> boxes;
};

/// One thing that a review found.
struct ReviewFinding {
  ReviewKind kind = ReviewKind::kNoticed;
  Severity severity = Severity::kNote;
  /// The class that it is about; "" = none.
  std::string class_name;
  /// All of them.
  std::vector<ReviewImage> images;
  std::vector<std::pair<std::string, double>> numbers;
  /// A sentence for people.
  std::string text;
};

/// One JSON object a line: {"kind", "severity", "class", "images", "numbers", "text"}; bytes that are
/// not UTF-8 as \xNN, and no text can end its line.
std::string ToJsonLines(absl::Span<const ReviewFinding> findings);

}  // namespace trainyard::data
