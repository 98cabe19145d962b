#include "libs/data/review/review.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/files.h"
#include "libs/base/printable.h"
#include "libs/base/status.h"
#include "libs/data/findings.h"
#include "libs/data/internal/parallel.h"
#include "libs/data/review/box_checks.h"
#include "libs/data/review/copies.h"
#include "libs/data/review/fingerprint.h"

namespace trainyard::data {
namespace {

// Few enough that a cancel is prompt.
constexpr int64_t kChunk = 64;
// Below these parts of matched boxes a class is warned of, and is an error.
constexpr double kFairRecall = 0.9, kPoorRecall = 0.5;

// The frames of both sets as one list.
struct Place {
  int set;
  int64_t index;
  const ReviewFrame* frame;
};

std::vector<Place> PlacesOf(const ReviewSet& set, const ReviewSet* against) {
  std::vector<Place> places;
  const auto add = [&places](int number, const ReviewSet& of) {
    for (size_t i = 0; i < of.frames.size(); ++i) {
      places.push_back({number, static_cast<int64_t>(i), &of.frames[i]});
    }
  };
  add(0, set);
  if (against != nullptr) add(1, *against);
  return places;
}

ReviewImage ImageOf(const Place& place) {
  return {.id = place.frame->id, .set = place.set, .frame = place.index};
}

absl::StatusOr<Fingerprint> Look(const ReviewFrame& frame) {
  TY_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(frame.image_path, kMaxImageFileBytes));
  return FingerprintOf(bytes, "");
}

// Looks at all pictures; those that cannot be read become findings.
absl::StatusOr<std::vector<std::optional<Fingerprint>>> LookAtAll(
    const std::vector<Place>& places, const ReviewOptions& options,
    std::vector<ReviewFinding>& findings) {
  const auto total = static_cast<int64_t>(places.size());
  std::vector<std::optional<Fingerprint>> prints(places.size());
  std::vector<absl::Status> failures(places.size());
  for (int64_t begin = 0; begin < total; begin += kChunk) {
    const int64_t count = std::min(kChunk, total - begin);
    internal::ParallelFor(count, options.threads, [&](int64_t i) {
      const auto at = static_cast<size_t>(begin + i);
      absl::StatusOr<Fingerprint> print = Look(*places[at].frame);
      failures[at] = print.status();
      if (print.ok()) prints[at] = *std::move(print);
    });
    if (options.go_on && !options.go_on(begin + count, total)) {
      return absl::CancelledError("cancelled while the pictures were looked through");
    }
  }
  for (size_t i = 0; i < places.size(); ++i) {
    if (failures[i].ok()) continue;
    findings.push_back({.kind = ReviewKind::kUnreadable,
                        .severity = Severity::kWarning,
                        .images = {ImageOf(places[i])},
                        .text = absl::StrCat(places[i].frame->id, ": ", failures[i].message())});
  }
  return prints;
}

std::map<std::string, int> ClassesOf(const ReviewFrame& frame) {
  std::map<std::string, int> classes;
  for (const ReviewBox& box : frame.boxes) ++classes[box.class_name];
  return classes;
}

std::string GroupText(const ReviewFinding& finding, const std::array<int64_t, 2>& in_set,
                      bool labels_differ) {
  std::vector<std::string> ids;
  for (const ReviewImage& image : finding.images) ids.push_back(image.id);
  const char* how = finding.kind == ReviewKind::kCopy ? "look the same" : "hold the same bytes";
  std::string text =
      finding.kind == ReviewKind::kLeak
          ? absl::StrCat(Counted(in_set[1], "picture"), " of the other set ",
                         in_set[1] == 1 ? "is" : "are", " in this one, too: ", SomeOf(ids, 4))
          : absl::StrCat(SomeOf(ids, 4), " ", how);
  if (labels_differ) absl::StrAppend(&text, "; their labels differ");
  return text;
}

ReviewFinding FindingOf(const CopyGroup& group, const std::vector<Place>& places) {
  ReviewFinding finding{.severity = Severity::kWarning};
  std::array<int64_t, 2> in_set{};
  bool labels_differ = false;
  const Place& first = places[static_cast<size_t>(group.members.front())];
  for (const int64_t member : group.members) {
    const Place& place = places[static_cast<size_t>(member)];
    finding.images.push_back(ImageOf(place));
    ++in_set[static_cast<size_t>(place.set)];
    labels_differ |= ClassesOf(*place.frame) != ClassesOf(*first.frame);
  }
  finding.kind = group.same_bytes ? ReviewKind::kSameBytes : ReviewKind::kCopy;
  if (in_set[0] > 0 && in_set[1] > 0) {
    finding.kind = ReviewKind::kLeak;
    finding.severity = Severity::kError;
  }
  finding.numbers = {{"pictures", static_cast<double>(group.members.size())},
                     {"in_other_set", static_cast<double>(in_set[1])},
                     {"same_bytes", group.same_bytes},
                     {"likeness", group.least_likeness},
                     {"labels_differ", labels_differ}};
  finding.text = GroupText(finding, in_set, labels_differ);
  return finding;
}

void AddCopies(const std::vector<Place>& places,
               const std::vector<std::optional<Fingerprint>>& prints, int threads,
               std::vector<ReviewFinding>& findings) {
  const Copies copies = FindCopies(prints, threads);
  for (const CopyGroup& group : copies.groups) findings.push_back(FindingOf(group, places));
  if (copies.left_out > 0) {
    findings.push_back({.kind = ReviewKind::kNotCompared,
                        .numbers = {{"pairs", static_cast<double>(copies.left_out)}},
                        .text = absl::StrCat(copies.left_out,
                                             " pairs of pictures that are near were not compared, for "
                                             "each was with its nearest ones")});
  }
  ReviewFinding plain{.kind = ReviewKind::kPlain};
  for (size_t i = 0; i < places.size(); ++i) {
    if (prints[i].has_value() && prints[i]->plain) plain.images.push_back(ImageOf(places[i]));
  }
  if (plain.images.empty()) return;
  plain.numbers = {{"pictures", static_cast<double>(plain.images.size())}};
  plain.text = absl::StrCat(Counted(static_cast<int64_t>(plain.images.size()), "picture"),
                            " of one colour, or nearly; compared by their bytes alone");
  findings.push_back(std::move(plain));
}

void AddLedger(const ReviewSet& set, int number, std::vector<ReviewFinding>& findings) {
  for (const LedgerEntry& entry : set.ledger.entries) {
    findings.push_back({.kind = ReviewKind::kLeftOut,
                        .severity = Severity::kWarning,
                        .images = {{.id = entry.image, .set = number}},
                        .text = absl::StrCat(set.name, ": ", entry.place, ": ", entry.text)});
  }
  for (const std::string& line : set.ledger.findings.Describe()) {
    findings.push_back({.kind = ReviewKind::kNoticed, .text = absl::StrCat(set.name, ": ", line)});
  }
}

std::string FitText(const PriorFit& fit, double smaller, double larger) {
  std::string text = absl::StrFormat(
      "class '%s': %.1f %% of %s overlap a box of the network by half or more (IoU: a tenth below %.2f, "
      "half below %.2f)",
      Shown(fit.class_name), 100 * fit.recall(),
      fit.boxes == 1 ? "1 object" : absl::StrCat(fit.boxes, " objects"), fit.iou_p10, fit.iou_p50);
  if (smaller > 0) absl::StrAppendFormat(&text, "; %.1f %% are smaller than any", 100 * smaller);
  if (larger > 0) absl::StrAppendFormat(&text, "; %.1f %% are larger than any", 100 * larger);
  return text;
}

void AddFits(const ReviewSet& set, const ReviewOptions& options,
             std::vector<ReviewFinding>& findings) {
  for (const PriorFit& fit : FitPriors(set.frames, options.priors, options.threads)) {
    const auto boxes = static_cast<double>(fit.boxes);
    const double smaller = static_cast<double>(fit.smaller) / boxes;
    const double larger = static_cast<double>(fit.larger) / boxes;
    findings.push_back({.kind = ReviewKind::kPriorFit,
                        .severity = fit.recall() < kPoorRecall   ? Severity::kError
                                    : fit.recall() < kFairRecall ? Severity::kWarning
                                                                 : Severity::kNote,
                        .class_name = fit.class_name,
                        .numbers = {{"boxes", boxes},
                                    {"recall", fit.recall()},
                                    {"iou_p10", fit.iou_p10},
                                    {"iou_p50", fit.iou_p50},
                                    {"iou_p90", fit.iou_p90},
                                    {"smaller_part", smaller},
                                    {"larger_part", larger}},
                        .text = FitText(fit, smaller, larger)});
  }
}

void Append(std::vector<ReviewFinding> more, std::vector<ReviewFinding>& findings) {
  findings.insert(findings.end(), std::make_move_iterator(more.begin()),
                  std::make_move_iterator(more.end()));
}

absl::Status NotEmpty(const ReviewSet& set) {
  if (!set.frames.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("'", set.name, "' has no picture that can be used"));
}

}  // namespace

absl::StatusOr<std::vector<ReviewFinding>> ReviewData(const ReviewSet& set,
                                                      const ReviewSet* against,
                                                      const ReviewOptions& options) {
  TY_RETURN_IF_ERROR(NotEmpty(set));
  if (against != nullptr) TY_RETURN_IF_ERROR(NotEmpty(*against));
  std::vector<ReviewFinding> findings;
  AddLedger(set, 0, findings);
  if (against != nullptr) AddLedger(*against, 1, findings);
  const std::vector<Place> places = PlacesOf(set, against);
  TY_ASSIGN_OR_RETURN(const auto prints, LookAtAll(places, options, findings));
  AddCopies(places, prints, options.threads, findings);
  Append(CheckBoxes(set.frames), findings);
  if (against != nullptr) Append(CheckClassesAgainst(set.frames, against->frames), findings);
  AddFits(set, options, findings);
  std::stable_sort(findings.begin(), findings.end(),
                   [](const ReviewFinding& a, const ReviewFinding& b) {
                     return std::pair(a.severity, a.kind) < std::pair(b.severity, b.kind);
                   });
  return findings;
}

}  // namespace trainyard::data
