#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libs/data/box.h"
#include "libs/data/image_io.h"

namespace trainyard::data {

/// Something that was taken, but that a person should know of: how often, and one example.
struct Finding {
  int64_t count = 0;
  /// The first, or the one of the largest `weight`.
  std::string example;
  double weight = 0;

  void Add(const std::string& seen, double how_much = 0);
  void Merge(const Finding& other);
};

/// What was noticed while pictures and labels were read, beside what was refused
/// (libs/data/ledger.h). Nothing is turned, clipped or passed over without a line of Describe.
/// Value semantics; not thread-safe.
struct Findings {
  /// Pictures that were turned upright, and JPEGs without the marker of their end.
  Finding turned, lacks_end;
  /// PNGs of several frames.
  Finding moving;
  /// Records of a converted set that state another size than their picture has.
  Finding other_size;
  /// Label lines: boxes that reach beyond their picture, equal lines in one file, lines with a
  /// score, lines whose column 3 (occluded) has a fraction.
  Finding beyond, duplicate, scored, fraction;
  /// Boxes that were held against the size of their picture.
  int64_t boxes = 0;
  /// Of folders: what lies there and is not read.
  std::vector<std::string> notes;

  /// Counts what `facts` tell of the picture `name`.
  void AddPicture(const ImageFacts& facts, const std::string& name);
  /// Counts a box and how far it reaches beyond its picture. False when no whole pixel of it lies
  /// in the picture: then it is not counted, and the caller leaves it out.
  bool AddBox(const Box& box, ImageSize size, const std::string& place);
  void Merge(const Findings& other);
  /// One line each, for people, with count and example.
  std::vector<std::string> Describe() const;
};

/// "(10, 20, 30.5, 40)".
std::string BoxText(const Box& box);
/// Whether a box, its corners truncated to integers as TAO truncates them, has no width or no
/// height.
bool IsDegenerate(const Box& box);
/// Why it is left out; `of`, such as " of 'car'", follows the box.
std::string DegenerateText(const Box& box, const std::string& of);
/// Why a box that AddBox refused is left out; `of`, such as " of 'car'", follows the box.
std::string OutsideText(const Box& box, const std::string& of, ImageSize size);

/// "1 picture", "12 pictures".
std::string Counted(int64_t count, const std::string& one);

/// Names for a message: at most `most` of them, then how many there are in all.
std::string SomeOf(const std::vector<std::string>& names, size_t most = 3);

}  // namespace trainyard::data
