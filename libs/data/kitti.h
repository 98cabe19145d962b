#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "libs/data/box.h"
#include "libs/data/findings.h"
#include "libs/data/image_io.h"
#include "libs/data/ledger.h"

namespace trainyard::data {

/// One line of a KITTI label file, in the order of its columns.
struct KittiObject {
  /// The bytes of the file; ClassKey (libs/data/class_map.h) makes the name of a class of them.
  std::string type;
  double truncated = 0;
  double occluded = 0;
  double alpha = 0;
  /// Pixels, with fractions, possibly outside the image.
  Box box;
  /// Size and place in metres and turn about the vertical axis: columns 9 to 15, as they stand.
  double height = 0, width = 0, length = 0;
  double x = 0, y = 0, z = 0;
  double rotation_y = 0;
  /// Column 16, which detections have.
  std::optional<double> score;
  /// Line of the file, from 1.
  int line = 0;

  /// Occluded at all: what TAO leaves out of an evaluation.
  bool difficult() const { return static_cast<int64_t>(occluded) != 0; }
};

/// A box that was refused as degenerate, as `<prefix>_warning.json` of TAO lists it.
struct DegenerateBox {
  /// Position of the first equal line among those that are not blank, from 0; of COCO the id of the
  /// annotation.
  int64_t index = 0;
  /// x1, y1, x2, y2, truncated.
  std::array<int, 4> corners{};
};

/// A label file: what can be used of it, what was refused, and what was noticed.
struct KittiLabels {
  std::vector<KittiObject> objects;
  std::vector<LedgerEntry> refused;
  std::vector<DegenerateBox> degenerate;
  Findings findings;
  /// Lines that are not blank.
  int64_t lines = 0;
};

/// Parses a KITTI label file. Never fails: each bad line becomes one entry of `refused`, with
/// `<path>:<line>`, and is left out. A line is bad when it has neither 15 nor 16 columns; when a
/// column after the first is not a finite number that fits a float (coordinates beyond +-1e7 count
/// as such); when it has 16 columns because its class is a word and a number, so that the box would
/// be one column to the left; when its box, after truncation to integers, has no width or no height
/// (whatever the class); and, with the `size` of the picture, when no pixel of the box lies in it.
/// A file in UTF-16, or of another form (XML, JSON), is one entry that leaves the image out.
///
/// `image` goes into the entries. Blank lines are nothing; a byte order mark is ignored; lines end
/// with \n, \r\n or \r, and columns are split at any blank of Unicode, as TAO's reader does. Boxes
/// that reach beyond the picture stay as they are and are findings. Pure.
///
/// Source: KITTI object development kit, readme.
KittiLabels ParseKittiLabels(absl::string_view text, const std::string& path,
                             const std::string& image,
                             const std::optional<ImageSize>& size = std::nullopt);

/// The line of a label file for `object`, without the line break: numbers with two decimals as
/// KITTI writes them, those beside the box with more where two do not say all of them.
std::string FormatKittiLine(const KittiObject& object);

}  // namespace trainyard::data
