#pragma once

#include <array>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "libs/data/box.h"
#include "libs/tensor/tensor.h"

namespace trainyard::tasks {

/// Red, green, blue.
using Rgb = std::array<uint8_t, 3>;

/// TAO's colour of a class: black, red, blue, gold, purple by class_id mod 5.
Rgb ColorOf(int class_id);

// All of them draw into `image`, u8 RGB [h, w, 3], in place; kInvalidArgument for another tensor.

/// Draws the outline of `box` (pixels of the image, clipped to it) and, when `tag` is not empty, a
/// tag (DrawTag) at its top left corner.
absl::Status DrawBox(Tensor& image, const data::Box& box, Rgb color, absl::string_view tag);

/// Draws a tag filled with `color`, kept inside the image, at (x, y) in pixels, with the text in a
/// colour that can be read on it. Letters beyond ASCII show as question marks.
absl::Status DrawTag(Tensor& image, float x, float y, Rgb color, absl::string_view tag);

}  // namespace trainyard::tasks
