#include "libs/data/review/box_checks.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/printable.h"
#include "libs/data/findings.h"

namespace trainyard::data {
namespace {

// What is counted of a class.
struct ClassCount {
  int64_t boxes = 0, pictures = 0, last_picture = -1;
  // Of each box: the side of a square of its area, in pixels and as a part of the picture's.
  std::vector<double> sides, parts;
};

using Classes = std::map<std::string, ClassCount>;

Classes CountClasses(absl::Span<const ReviewFrame> frames) {
  Classes classes;
  for (size_t i = 0; i < frames.size(); ++i) {
    const auto picture = static_cast<int64_t>(i);
    const double area = static_cast<double>(frames[i].size.width * frames[i].size.height);
    for (const ReviewBox& box : frames[i].boxes) {
      ClassCount& count = classes[box.class_name];
      ++count.boxes;
      count.pictures += std::exchange(count.last_picture, picture) != picture;
      const double side = std::sqrt(std::max(0.0f, box.box.width() * box.box.height()));
      count.sides.push_back(side);
      if (area > 0) count.parts.push_back(side / std::sqrt(area));
    }
  }
  for (auto& [name, count] : classes) {
    std::sort(count.sides.begin(), count.sides.end());
    std::sort(count.parts.begin(), count.parts.end());
  }
  return classes;
}

double At(const std::vector<double>& sorted, double part) {
  if (sorted.empty()) return 0;
  return sorted[static_cast<size_t>(part * static_cast<double>(sorted.size() - 1) + 0.5)];
}

ReviewImage ImageOf(const ReviewFrame& frame, size_t index, std::vector<int64_t> boxes = {}) {
  return {.id = frame.id, .frame = static_cast<int64_t>(index), .boxes = std::move(boxes)};
}

void AddPicturesWithoutBoxes(absl::Span<const ReviewFrame> frames,
                             std::vector<ReviewFinding>& findings) {
  ReviewFinding finding{.kind = ReviewKind::kNoBoxes};
  for (size_t i = 0; i < frames.size(); ++i) {
    if (frames[i].boxes.empty()) finding.images.push_back(ImageOf(frames[i], i));
  }
  if (finding.images.empty()) return;
  const auto count = static_cast<double>(finding.images.size());
  const double part = count / static_cast<double>(frames.size());
  finding.numbers = {{"pictures", count}, {"part", part}};
  finding.text = absl::StrFormat("%s of %d (%.1f %%) without an object: background, if that is meant",
                                 Counted(static_cast<int64_t>(count), "picture"), frames.size(),
                                 100 * part);
  findings.push_back(std::move(finding));
}

void AddClasses(const Classes& classes, size_t pictures, std::vector<ReviewFinding>& findings) {
  int64_t all = 0, most = 0;
  for (const auto& [name, count] : classes) {
    all += count.boxes;
    most = std::max(most, count.boxes);
  }
  for (const auto& [name, count] : classes) {
    const auto boxes = static_cast<double>(count.boxes);
    const double part = boxes / static_cast<double>(all);
    const bool rare = boxes < kRarePart * static_cast<double>(most);
    ReviewFinding finding{.kind = rare ? ReviewKind::kRareClass : ReviewKind::kClassBalance,
                          .severity = rare ? Severity::kWarning : Severity::kNote,
                          .class_name = name};
    finding.numbers = {{"boxes", boxes},
                       {"part", part},
                       {"pictures", static_cast<double>(count.pictures)}};
    finding.text = absl::StrFormat(
        "class '%s' has %s (%.1f %%) in %d of %d pictures", Shown(name),
        count.boxes == 1 ? "1 object" : absl::StrCat(count.boxes, " objects"), 100 * part,
        count.pictures, pictures);
    if (rare) {
      absl::StrAppendFormat(&finding.text, ", the largest class %.0f times as many",
                            static_cast<double>(most) / boxes);
    }
    findings.push_back(std::move(finding));
  }
}

void AddSizes(const Classes& classes, std::vector<ReviewFinding>& findings) {
  for (const auto& [name, count] : classes) {
    const std::vector<double>& sides = count.sides;
    ReviewFinding finding{.kind = ReviewKind::kBoxSizes, .class_name = name};
    finding.numbers = {{"least", sides.front()},       {"p10", At(sides, 0.1)},
                       {"p50", At(sides, 0.5)},        {"p90", At(sides, 0.9)},
                       {"largest", sides.back()},      {"part_p10", At(count.parts, 0.1)},
                       {"part_p50", At(count.parts, 0.5)}, {"part_p90", At(count.parts, 0.9)}};
    finding.text = absl::StrFormat(
        "class '%s': boxes of %.0f pixels a side, 80 %% of %.0f to %.0f, all of %.0f to %.0f; the "
        "middle one is %.1f %% of its picture's side",
        Shown(name), At(sides, 0.5), At(sides, 0.1), At(sides, 0.9), sides.front(), sides.back(),
        100 * At(count.parts, 0.5));
    findings.push_back(std::move(finding));
  }
}

void AddUnlikelyShapes(const ReviewFrame& frame, size_t index,
                       std::vector<ReviewFinding>& findings) {
  for (size_t i = 0; i < frame.boxes.size(); ++i) {
    const auto& [class_name, box] = frame.boxes[i];
    const double width = box.width(), height = box.height();
    if (!(width > 0 && height > 0)) continue;
    const double aspect = std::max(width / height, height / width);
    if (aspect <= kUnlikelyAspect) continue;
    findings.push_back(
        {.kind = ReviewKind::kAspect,
         .severity = Severity::kWarning,
         .class_name = class_name,
         .images = {ImageOf(frame, index, {static_cast<int64_t>(i)})},
         .numbers = {{"aspect", aspect}, {"width", width}, {"height", height}},
         .text = absl::StrFormat("%s: box %s of '%s' is %.0f times as %s", frame.id, BoxText(box),
                                 Shown(class_name), aspect,
                                 width > height ? "wide as high" : "high as wide")});
  }
}

void AddTwins(const ReviewFrame& frame, size_t index, std::vector<ReviewFinding>& findings) {
  std::vector<size_t> order(frame.boxes.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return frame.boxes[a].box.x1 < frame.boxes[b].box.x1;
  });
  for (size_t i = 0; i < order.size(); ++i) {
    const ReviewBox& one = frame.boxes[order[i]];
    // One that begins farther to the right leaves too much of this one free.
    const float last = one.box.x1 + static_cast<float>(1 - kTwinIoU) * one.box.width();
    for (size_t j = i + 1; j < order.size() && frame.boxes[order[j]].box.x1 <= last; ++j) {
      const ReviewBox& other = frame.boxes[order[j]];
      if (one.class_name != other.class_name) continue;
      const double iou = IoU(one.box, other.box);
      if (iou <= kTwinIoU) continue;
      findings.push_back({.kind = ReviewKind::kTwinBoxes,
                          .severity = Severity::kWarning,
                          .class_name = one.class_name,
                          .images = {ImageOf(frame, index,
                                             {static_cast<int64_t>(order[i]),
                                              static_cast<int64_t>(order[j])})},
                          .numbers = {{"iou", iou}},
                          .text = absl::StrFormat("%s: boxes %s and %s of '%s' are one (IoU %.3f)",
                                                  frame.id, BoxText(one.box), BoxText(other.box),
                                                  Shown(one.class_name), iou)});
      // Of many on one place each is told of once.
      break;
    }
  }
}

}  // namespace

std::vector<ReviewFinding> CheckBoxes(absl::Span<const ReviewFrame> frames) {
  std::vector<ReviewFinding> findings;
  AddPicturesWithoutBoxes(frames, findings);
  const Classes classes = CountClasses(frames);
  AddClasses(classes, frames.size(), findings);
  AddSizes(classes, findings);
  for (size_t i = 0; i < frames.size(); ++i) AddUnlikelyShapes(frames[i], i, findings);
  for (size_t i = 0; i < frames.size(); ++i) AddTwins(frames[i], i, findings);
  return findings;
}

std::vector<ReviewFinding> CheckClassesAgainst(absl::Span<const ReviewFrame> frames,
                                               absl::Span<const ReviewFrame> against) {
  const Classes seen = CountClasses(frames);
  std::vector<ReviewFinding> findings;
  for (const auto& [name, count] : CountClasses(against)) {
    if (seen.count(name) > 0) continue;
    findings.push_back({.kind = ReviewKind::kUnseenClass,
                        .severity = Severity::kWarning,
                        .class_name = name,
                        .numbers = {{"boxes", static_cast<double>(count.boxes)}},
                        .text = absl::StrCat("class '", Shown(name), "' has ", count.boxes,
                                             " objects in the other set and none in this one")});
  }
  return findings;
}

}  // namespace trainyard::data
