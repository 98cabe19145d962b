#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "libs/base/random.h"
#include "libs/data/box.h"
#include "libs/tensor/tensor.h"

namespace trainyard::data {

/// What a training does to pictures with boxes (TAO's `augmentation_config`), with the defaults.
struct AugmentationOptions {
  /// Sides of the crop as parts of the picture, 0 < min <= max <= 1; both 1 switch it off.
  double crop_min_scale = 0.3, crop_max_scale = 1.0;
  /// Width to height of the crop, 0 < min <= max.
  double crop_min_ar = 0.5, crop_max_ar = 2.0;
  /// Sides of the canvas in sides of the picture, 1 <= min <= max; both 1 switch it off.
  double zoom_out_min_scale = 1.0, zoom_out_max_scale = 4.0;
  /// Largest change of brightness, 0..255; of contrast and saturation as a factor, [0, 1); of hue
  /// in units of two degrees, 0..180. All 0 switch the colours' part off.
  double brightness = 32, contrast = 0.5, saturation = 0.5, hue = 18;
  /// Probability of a mirror image, [0, 1].
  double random_flip = 0.5;
};

/// kInvalidArgument naming every field outside its range.
absl::Status CheckAugmentation(const AugmentationOptions& options);

/// An augmented picture at the network's size and its boxes in the same pixels.
struct AugmentedImage {
  /// u8 RGB [height, width, 3].
  Tensor image;
  std::vector<LabelledBox> boxes;
};

/// Runs the chain on u8 RGB [h, w, 3] and boxes in its pixels: colours (in one of two orders), zoom
/// out, crop that keeps a box, mirror, resize to width x height by a random interpolation; then
/// boxes are rounded half to even, clipped to [0, W - 1] x [0, H - 1], and those that vanish are
/// dropped.
///
/// All numbers come from `random`, so the same stream gives the same picture. They are drawn before
/// pixels are touched. Only pixels that can be seen in the result are worked on: the visible part
/// of the picture, at its own resolution, is resized straight into the rectangle that it has in the
/// result (rounded to whole pixels, and its boxes with it); canvas is never resized. One liberty:
/// colours that happen to change neither hue nor saturation skip the way through HSV and its
/// rounding. Neutral boxes move like the others but keep no crop. Thread-safe; keeps scratch memory
/// for each thread, 48 MB at most.
///
/// kInvalidArgument for another tensor, a size below 1, or options that CheckAugmentation refuses.
///
/// Source: Liu et al., arXiv:1512.02325, sections 2.2 and 3.6.
absl::StatusOr<AugmentedImage> AugmentImage(const Tensor& image,
                                            absl::Span<const LabelledBox> boxes,
                                            const AugmentationOptions& options, int64_t width,
                                            int64_t height, Philox& random);

}  // namespace trainyard::data
