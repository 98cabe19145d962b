#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "libs/data/review/finding.h"
#include "libs/data/review/review.h"
#include "libs/report/pictures.h"

namespace trainyard::report {

/// The names of the findings (ToJsonLines), of which the page tells, and of the page itself.
inline constexpr char kFindingsFile[] = "findings.jsonl";
inline constexpr char kReviewPage[] = "review.html";

/// What a page shows of a review (libs/data/review).
struct DataReview {
  const data::ReviewSet* set = nullptr;
  /// The set that it is held against; null = none.
  const data::ReviewSet* against = nullptr;
  absl::Span<const data::ReviewFinding> findings;
};

/// Pictures for some finding, by its place in the list.
struct FindingPictures {
  size_t finding = 0;
  std::vector<Picture> pictures;
};

/// Small copies of pictures that findings are about, with boxes: those of the finding, or all labels of
/// copies. Of each kind the first dozen findings, three pictures of each, and 12 MiB in all; a picture
/// that cannot be read is passed over. Decodes: for workers alone.
std::vector<FindingPictures> PicturesOf(const DataReview& review);

/// The page: how much was looked at, then the findings by their kinds, with `pictures`. Tables of what
/// has a class; of sentences the first fifty and how many more there are. One file without scripts and
/// without anything from elsewhere. Pure.
std::string DataReviewHtml(const DataReview& review, absl::Span<const FindingPictures> pictures);

/// Writes review.html into `folder`, which is there. Decodes: for workers alone. Fails as writing does.
absl::Status WriteReviewPage(const DataReview& review, const std::string& folder);

}  // namespace trainyard::report
