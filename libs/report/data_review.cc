#include "libs/report/data_review.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/files.h"
#include "libs/base/printable.h"
#include "libs/base/status.h"
#include "libs/data/findings.h"
#include "libs/report/chart.h"
#include "libs/report/page_style.h"
#include "libs/report/shrink.h"

namespace trainyard::report {

using data::ReviewKind;
namespace {

constexpr int kPictureSide = 256;
constexpr size_t kFindingsWithPictures = 12, kPicturesOfOne = 3;
constexpr size_t kMaxPictureBytes = 12 << 20;
constexpr size_t kMostSentences = 50;

std::string Shown(absl::string_view text) { return Escape(Printable(text)); }

// --- pictures

bool ShowsAllBoxes(ReviewKind kind) {
  return kind == ReviewKind::kLeak || kind == ReviewKind::kSameBytes || kind == ReviewKind::kCopy;
}
// The pictures of others are many, and there is nothing to see in them.
bool ShowsPictures(ReviewKind kind) {
  return ShowsAllBoxes(kind) || kind == ReviewKind::kAspect || kind == ReviewKind::kTwinBoxes;
}

// The frame of an image; null when it is not in the list.
const data::ReviewFrame* FrameOf(const DataReview& review, const data::ReviewImage& image) {
  const data::ReviewSet* set = image.set == 0 ? review.set : review.against;
  if (set == nullptr || image.frame < 0) return nullptr;
  const auto index = static_cast<size_t>(image.frame);
  return index < set->frames.size() ? &set->frames[index] : nullptr;
}

data::KittiObject ObjectOf(const data::ReviewBox& box) {
  return {.type = box.class_name, .box = box.box};
}

absl::StatusOr<Picture> PictureFor(const data::ReviewFrame& frame, const data::ReviewImage& image,
                                   bool all_boxes) {
  TY_ASSIGN_OR_RETURN(SmallPicture small, ShrinkPicture(frame.image_path, kPictureSide));
  Picture picture{.name = Printable(image.id),
                  .bytes = std::move(small.bytes),
                  .media_type = std::move(small.media_type),
                  .width = small.original.width,
                  .height = small.original.height};
  if (all_boxes) {
    for (const data::ReviewBox& box : frame.boxes) picture.truth.push_back(ObjectOf(box));
  }
  for (const int64_t box : image.boxes) {
    picture.truth.push_back(ObjectOf(frame.boxes[static_cast<size_t>(box)]));
  }
  return picture;
}

// Of a leak the first pictures of both sets, else the first ones.
std::vector<const data::ReviewImage*> ToShow(const data::ReviewFinding& finding) {
  std::vector<const data::ReviewImage*> images;
  for (const data::ReviewImage& image : finding.images) images.push_back(&image);
  const auto other = std::find_if(images.begin(), images.end(), [](const data::ReviewImage* image) {
    return image->set == 1;
  });
  if (other != images.end() && other - images.begin() > 1) std::swap(images[1], *other);
  images.resize(std::min(images.size(), kPicturesOfOne));
  return images;
}

// --- the page

std::string Head(const DataReview& review) {
  const std::string against =
      review.against == nullptr ? "" : absl::StrCat(" against ", Shown(review.against->name));
  std::map<data::Severity, int> counts;
  for (const data::ReviewFinding& finding : review.findings) ++counts[finding.severity];
  std::string html = absl::StrCat(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>Data check of ",
      Shown(review.set->name), "</title><style>", kPageStyle,
      "</style></head><body><main><header><h1>Data check of ", Shown(review.set->name), "</h1><p>",
      data::Counted(static_cast<int64_t>(review.set->frames.size()), "picture"), against);
  if (review.against != nullptr) {
    absl::StrAppend(&html, " (",
                    data::Counted(static_cast<int64_t>(review.against->frames.size()), "picture"),
                    ")");
  }
  for (const auto& [severity, count] : counts) {
    absl::StrAppend(&html, " · ", data::Counted(count, std::string(NameOf(severity))));
  }
  return absl::StrCat(html, "</p></header>\n");
}

const char* StateOf(data::Severity severity) {
  if (severity == data::Severity::kError) return "failed";
  return severity == data::Severity::kWarning ? "cancelled" : "cached";
}

std::string Mark(data::Severity severity) {
  return absl::StrCat("<span class=\"state ", StateOf(severity), "\">", NameOf(severity), "</span>");
}

using Group = std::vector<size_t>;  // Findings of one kind.

bool HaveClasses(const DataReview& review, const Group& group) {
  return std::all_of(group.begin(), group.end(), [&](size_t i) {
    return !review.findings[i].class_name.empty() && review.findings[i].images.empty();
  });
}

// Rows of classes; all findings of a kind have the same numbers.
std::string ClassTable(const DataReview& review, const Group& group) {
  std::string html = "<div class=\"wide\"><table><thead><tr><th>Class</th><th></th>";
  for (const auto& [name, value] : review.findings[group.front()].numbers) {
    absl::StrAppend(&html, "<th>", Escape(name), "</th>");
  }
  absl::StrAppend(&html, "</tr></thead><tbody>");
  for (const size_t i : group) {
    const data::ReviewFinding& finding = review.findings[i];
    absl::StrAppend(&html, "<tr><th>", Shown(finding.class_name), "</th><td>",
                    Mark(finding.severity), "</td>");
    for (const auto& [name, value] : finding.numbers) {
      absl::StrAppend(&html, "<td>",
                      std::floor(value) == value ? absl::StrFormat("%.0f", value)
                                                 : absl::StrFormat("%.3g", value),
                      "</td>");
    }
    absl::StrAppend(&html, "</tr>");
  }
  return absl::StrCat(html, "</tbody></table></div>");
}

std::string Sentences(const DataReview& review, const Group& group) {
  std::string html = "<ul>";
  for (size_t k = 0; k < std::min(group.size(), kMostSentences); ++k) {
    const data::ReviewFinding& finding = review.findings[group[k]];
    absl::StrAppend(&html, "<li>", Mark(finding.severity), " ", Shown(finding.text), "</li>");
  }
  absl::StrAppend(&html, "</ul>");
  if (group.size() > kMostSentences) {
    absl::StrAppend(&html, "<p class=\"note\">and ", group.size() - kMostSentences, " more in ",
                    kFindingsFile, "</p>");
  }
  return html;
}

std::string PicturesHtml(const Group& group, absl::Span<const FindingPictures> pictures) {
  std::string html;
  const std::set<size_t> wanted(group.begin(), group.end());
  for (const FindingPictures& of : pictures) {
    if (wanted.count(of.finding) == 0) continue;
    absl::StrAppend(&html, "<div class=\"pictures\">");
    for (const Picture& picture : of.pictures) absl::StrAppend(&html, DrawPicture(picture, {}));
    absl::StrAppend(&html, "</div><p></p>");
  }
  return html;
}

}  // namespace

std::vector<FindingPictures> PicturesOf(const DataReview& review) {
  std::vector<FindingPictures> shown;
  std::map<ReviewKind, size_t> of_kind;
  size_t bytes = 0;
  for (size_t i = 0; i < review.findings.size() && bytes < kMaxPictureBytes; ++i) {
    const data::ReviewFinding& finding = review.findings[i];
    if (!ShowsPictures(finding.kind) || of_kind[finding.kind] >= kFindingsWithPictures) continue;
    FindingPictures of{.finding = i};
    for (const data::ReviewImage* image : ToShow(finding)) {
      const data::ReviewFrame* frame = FrameOf(review, *image);
      if (frame == nullptr) continue;
      absl::StatusOr<Picture> picture = PictureFor(*frame, *image, ShowsAllBoxes(finding.kind));
      if (!picture.ok() || bytes + picture->bytes.size() > kMaxPictureBytes) continue;
      bytes += picture->bytes.size();
      of.pictures.push_back(*std::move(picture));
    }
    if (of.pictures.empty()) continue;
    ++of_kind[finding.kind];
    shown.push_back(std::move(of));
  }
  return shown;
}

std::string DataReviewHtml(const DataReview& review, absl::Span<const FindingPictures> pictures) {
  std::vector<std::pair<ReviewKind, Group>> groups;
  for (size_t i = 0; i < review.findings.size(); ++i) {
    const ReviewKind kind = review.findings[i].kind;
    auto group = std::find_if(groups.begin(), groups.end(),
                              [kind](const auto& known) { return known.first == kind; });
    if (group == groups.end()) group = groups.insert(groups.end(), {kind, {}});
    group->second.push_back(i);
  }
  std::string html = Head(review);
  for (const auto& [kind, group] : groups) {
    absl::StrAppend(&html, "<section><h2>", TitleOf(kind), " (", group.size(), ")</h2>",
                    HaveClasses(review, group) ? ClassTable(review, group)
                                               : Sentences(review, group),
                    PicturesHtml(group, pictures), "</section>\n");
  }
  return absl::StrCat(html, "</main></body></html>\n");
}

absl::Status WriteReviewPage(const DataReview& review, const std::string& folder) {
  return WriteFileAtomically(JoinPath(folder, kReviewPage),
                             DataReviewHtml(review, PicturesOf(review)));
}

}  // namespace trainyard::report
