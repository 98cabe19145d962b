#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "google/protobuf/map.h"
#include "libs/spec/field_check.h"

// The mean of pictures, which several networks of TAO say in the same map.
namespace trainyard::spec::internal {

using ImageMean = google::protobuf::Map<std::string, float>;

/// Its keys, in the order of the input's channels: BGR as TAO, or luminance.
std::vector<std::string> ImageMeanKeys(int channels);

/// Checks that `mean` at `path`, when it is there, has all of ImageMeanKeys, each in [0, 255].
/// Those of the other kind may stand beside them. `input` says what the channels are of, for
/// messages.
void CheckImageMean(const ImageMean& mean, const std::string& path, int channels,
                    absl::string_view input, FieldCheck* check);

/// Sets ImageNet's mean when `mean` is empty.
void ApplyImageMeanDefault(int channels, ImageMean* mean);

}  // namespace trainyard::spec::internal
