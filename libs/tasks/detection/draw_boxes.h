#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "libs/data/box.h"
#include "libs/tensor/tensor.h"

namespace trainyard::tasks {

// Both draw into `image`, u8 RGB [h, w, 3], in place; kInvalidArgument for another tensor.

/// Draws every detection, the best last so that it lies on top, tagged "<class>: <score, 2
/// decimals>". `classes[i]` names class i + 1; a class beyond the list is named by its number.
absl::Status DrawDetections(Tensor& image, absl::Span<const data::Detection> detections,
                            absl::Span<const std::string> classes);

/// Draws labelled objects: thin white outlines on black, tagged with the class; difficult ones end
/// in "*".
absl::Status DrawObjects(Tensor& image, absl::Span<const data::LabelledBox> objects,
                         absl::Span<const std::string> classes);

}  // namespace trainyard::tasks
