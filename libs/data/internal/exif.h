#pragma once

#include "absl/strings/string_view.h"
#include "libs/data/image_io.h"
#include "libs/tensor/tensor.h"

namespace trainyard::data::internal {

/// Fills in how a picture is to be turned to stand upright, as EXIF's tag 0x0112 says, 1 (as it is)
/// to 8, and, of a PNG, its frames. They look at the places of all parts before they read them;
/// what is damaged or absent is 1. In a JPEG: the first APP1 segment with EXIF that has the tag,
/// before the picture's data. In a PNG: the eXIf chunk, else the text that ImageMagick writes
/// instead.
void ReadJpegFacts(absl::string_view bytes, ImageFacts& facts);
void ReadPngFacts(absl::string_view bytes, ImageFacts& facts);

/// The size of the upright picture.
ImageSize UprightSize(ImageSize stored, int orientation);

/// The upright picture: u8 [h, w, 3] as it is stored, turned and mirrored. Source:
/// EXIF 2.32, 4.6.4, tag Orientation (where the 0th row and the 0th column of the stored picture
/// are seen).
absl::StatusOr<Tensor> TurnUpright(Tensor stored, int orientation);

}  // namespace trainyard::data::internal
