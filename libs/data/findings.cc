#include "libs/data/findings.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/printable.h"

namespace trainyard::data {
namespace {

// Farther than this part of a side beyond the picture is no slip of the hand.
constexpr double kFarBeyond = 0.1;

// Whether a whole pixel of the box lies in the picture.
bool IsSeen(const Box& b, ImageSize size) {
  const auto clip = [](float v, int64_t end) {
    return static_cast<int>(std::clamp(v, 0.0f, static_cast<float>(end)));
  };
  return clip(b.x1, size.width) < clip(b.x2, size.width) &&
         clip(b.y1, size.height) < clip(b.y2, size.height);
}

// How far a box reaches beyond its picture, in sides of the picture; 0 for one inside.
double Beyond(const Box& b, ImageSize size) {
  const auto part = [](float low, float high, int64_t end) {
    const double pixels = std::max<double>(-low, high - static_cast<double>(end));
    return std::max(0.0, pixels / static_cast<double>(end));
  };
  return std::max(part(b.x1, b.x2, size.width), part(b.y1, b.y2, size.height));
}

void Tell(const Finding& finding, std::vector<std::string>& lines, const std::string& one,
          const std::string& many, const std::string& rest) {
  if (finding.count == 0) return;
  lines.push_back(absl::StrCat(finding.count, " ", finding.count == 1 ? one : many, " (",
                               finding.example, ")", rest));
}

}  // namespace

void Finding::Add(const std::string& seen, double how_much) {
  if (count++ > 0 && how_much <= weight) return;
  example = seen;
  weight = how_much;
}

void Finding::Merge(const Finding& other) {
  if (other.count == 0) return;
  if (count == 0 || other.weight > weight) {
    example = other.example;
    weight = other.weight;
  }
  count += other.count;
}

void Findings::AddPicture(const ImageFacts& facts, const std::string& name) {
  if (facts.orientation != 1) turned.Add(absl::StrCat(name, ": orientation ", facts.orientation));
  if (facts.lacks_end) lacks_end.Add(name);
  if (facts.frames > 1) moving.Add(absl::StrCat(name, ": ", facts.frames, " frames"));
}

bool Findings::AddBox(const Box& box, ImageSize size, const std::string& place) {
  if (!IsSeen(box, size)) return false;
  ++boxes;
  const double far = Beyond(box, size);
  if (far > 0) {
    beyond.Add(absl::StrFormat("%s: %s in %d x %d", place, BoxText(box), size.width, size.height),
               far);
  }
  return true;
}

void Findings::Merge(const Findings& other) {
  turned.Merge(other.turned);
  lacks_end.Merge(other.lacks_end);
  moving.Merge(other.moving);
  other_size.Merge(other.other_size);
  beyond.Merge(other.beyond);
  duplicate.Merge(other.duplicate);
  scored.Merge(other.scored);
  fraction.Merge(other.fraction);
  boxes += other.boxes;
  for (const std::string& note : other.notes) {
    if (std::find(notes.begin(), notes.end(), note) == notes.end()) notes.push_back(note);
  }
}

std::vector<std::string> Findings::Describe() const {
  std::vector<std::string> lines;
  Tell(turned, lines, "picture is stored turned or mirrored",
       "pictures are stored turned or mirrored",
       " and taken upright, as EXIF says; their labels are taken to mean the upright picture");
  Tell(lacks_end, lines, "JPEG lacks the marker of its end, but no pixel",
       "JPEGs lack the marker of their end, but no pixel", "");
  Tell(moving, lines, "picture moves", "pictures move", "; of each the first frame is taken");
  Tell(other_size, lines, "record states another size than its picture has",
       "records state another size than their pictures have", "; the picture's counts");
  if (beyond.count > 0) {
    const bool many = beyond.count * 2 > boxes && beyond.weight > kFarBeyond;
    lines.push_back(absl::StrCat(
        beyond.count, " of ", boxes, " boxes reach beyond their picture (farthest: ",
        beyond.example, "); what lies outside is cut off where boxes are used",
        many ? "; that many mean that the labels belong to pictures of another size" : ""));
  }
  Tell(duplicate, lines, "label line says again what another line of its file says",
       "label lines say again what another line of their file says",
       "; each counts as an object of its own");
  Tell(scored, lines, "label line ends in a score", "label lines end in a score",
       ", which is not used");
  Tell(fraction, lines, "label line has a fraction in column 3 (occluded)",
       "label lines have a fraction in column 3 (occluded)", ", which counts without it");
  lines.insert(lines.end(), notes.begin(), notes.end());
  return lines;
}

std::string BoxText(const Box& b) {
  return absl::StrFormat("(%g, %g, %g, %g)", b.x1, b.y1, b.x2, b.y2);
}

bool IsDegenerate(const Box& b) {
  return std::trunc(b.x1) >= std::trunc(b.x2) || std::trunc(b.y1) >= std::trunc(b.y2);
}

std::string DegenerateText(const Box& box, const std::string& of) {
  const bool flat_x = std::trunc(box.x1) >= std::trunc(box.x2);
  return absl::StrFormat("box %s%s has no %s: its %s edge is not beyond its %s", BoxText(box), of,
                         flat_x ? "width" : "height", flat_x ? "right" : "lower",
                         flat_x ? "left one" : "upper one");
}

std::string OutsideText(const Box& box, const std::string& of, ImageSize size) {
  return absl::StrFormat("box %s%s lies outside of its picture, which is %d x %d", BoxText(box), of,
                         size.width, size.height);
}

std::string Counted(int64_t count, const std::string& one) {
  return absl::StrCat(count, " ", one, count == 1 ? "" : "s");
}

std::string SomeOf(const std::vector<std::string>& names, size_t most) {
  std::string text;
  for (size_t i = 0; i < std::min(most, names.size()); ++i) {
    absl::StrAppend(&text, i == 0 ? "" : ", ", Shown(names[i]));
  }
  if (names.size() > most) absl::StrAppend(&text, ", and ", names.size() - most, " more");
  return text;
}

}  // namespace trainyard::data
