#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/data/image_io.h"

namespace trainyard::report {

/// The file that lists what ShrinkPictures wrote: a line of "width height media-type name" for each, with
/// the pixels of the original.
inline constexpr char kPictureIndex[] = "index";
/// Largest file that it writes.
inline constexpr int64_t kMaxSmallPictureBytes = 4 << 20;

/// An image that is small enough for a page.
struct SmallPicture {
  /// A file of `media_type`: the image's own bytes, or a JPEG of it.
  std::string bytes, media_type;
  /// Pixels of the upright original.
  data::ImageSize original;
};

/// The image at `path`, made small as ShrinkPictures does. Decodes: for workers alone. Fails as ReadFile
/// and DecodeImage do.
absl::StatusOr<SmallPicture> ShrinkPicture(const std::string& path, int max_side);

/// Writes up to `count` images of `images_dir`, evenly over the folder, into `output`, which is there:
/// files `0`, `1`, ... in the order of kPictureIndex. Images larger than `max_side` are halved until they
/// fit, and are JPEGs then, as are files of more than a mebibyte. Images that cannot be read are passed
/// over. It decodes, so only a worker calls it. kNotFound when `images_dir` is not there.
absl::Status ShrinkPictures(const std::string& images_dir, int count, int max_side,
                            const std::string& output);

}  // namespace trainyard::report
