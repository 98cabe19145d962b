#pragma once

#include <vector>

#include "absl/types/span.h"
#include "libs/data/box.h"
#include "libs/data/image_io.h"
#include "trainyard/v1/artifact.pb.h"

namespace trainyard {

/// Appends `ms_per_image` of the network alone and `images_per_second` of the whole.
void AddSpeedMetrics(double network_ms_per_image, double total_ms_per_image,
                     std::vector<v1::Metric>& metrics);

/// Normalised boxes to pixels of an image, neither rounded nor clipped.
void ScaleToImage(std::vector<Detection>& detections, ImageSize size);

}  // namespace trainyard
