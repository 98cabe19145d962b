#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/data/box.h"
#include "libs/tensor/tensor.h"

namespace trainyard {

/// Red, green, blue.
using Rgb = std::array<uint8_t, 3>;

/// TAO's colour of a class: black, red, blue, gold, purple by class_id mod 5.
Rgb ColorOf(int class_id);

/// Draws the outline of `box` (pixels of the image, clipped to it) and, when `tag` is not empty, a
/// filled tag at its top left corner, kept inside the image, with the text in a colour that can be
/// read on it. `image` is u8 RGB [h, w, 3], changed in place; kInvalidArgument otherwise.
absl::Status DrawBox(Tensor& image, const Box& box, Rgb color, absl::string_view tag);

/// Draws every detection, the best last so that it lies on top, tagged "<class>: <score, 2
/// decimals>". `classes[i]` names class i + 1; a class beyond the list is named by its number.
absl::Status DrawDetections(Tensor& image, absl::Span<const Detection> detections,
                            absl::Span<const std::string> classes);

/// Draws labelled objects: thin white outlines on black, tagged with the class; difficult ones end
/// in "*".
absl::Status DrawObjects(Tensor& image, absl::Span<const LabelledBox> objects,
                         absl::Span<const std::string> classes);

}  // namespace trainyard
