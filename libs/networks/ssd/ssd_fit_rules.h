#pragma once

#include <cstdint>

namespace trainyard::networks {

/// A backbone that `trainyard fit` may choose.
struct SsdFitBackbone {
  int depth;
  /// Multiply-accumulates of the whole detector for a pixel of its input.
  double macs_per_pixel;
  /// It is taken when this many pictures can be seen with it.
  double least_seen;
};

/// A learning rate that is safe from fresh weights up to this batch.
struct SsdFitRate {
  int batch_size;
  double max_rate;
};

/// What `trainyard fit` goes by for this network; docs/fit.md says why, and where the figures are from.
/// One table, to be tuned in one place.
struct SsdFitRules {
  // Input.

  /// Sides are multiples of this many pixels.
  int side_step = 16;
  int least_side = 128, most_side = 512;
  /// Pictures up to this much longer than wide keep their shape; longer ones are squeezed to it.
  double most_aspect = 2;
  /// What the typical object of the class with the smallest ones should measure at the input, in pixels:
  /// three cells of the finest map.
  double object_side = 24;
  /// A larger input is taken as long as this many pictures can be seen in the time.
  double least_seen = 18'000;
  /// The smaller first.
  SsdFitBackbone backbones[2] = {{10, 31e3, 0}, {18, 69e3, 45'000}};

  // Default boxes.

  int clusters = 9;
  int most_ratios = 5;
  /// Ratios that differ by less are one.
  double ratio_step = 1.25;
  /// A cluster gives its ratio to the maps whose scale is within this factor of its side.
  double near_scale = 1.6;
  /// Scales grow from map to map by one of these.
  double scale_steps[6] = {1.25, 1.35, 1.5, 1.65, 1.8, 2.0};
  /// The first one is the side of the smallest cluster times one of these.
  double first_scales[6] = {0.7, 0.85, 1.0, 1.15, 1.3, 1.5};

  // Training.

  int gpu_batch = 32, cpu_batch = 16, small_batch = 8;
  /// A batch is taken when an epoch has at least this many.
  int least_steps = 8;
  SsdFitRate rates[3] = {{8, 4e-3}, {16, 8e-3}, {32, 8e-3}};
  /// Of the rate, when the training starts from a model.
  double start_rate = 0.5;
  /// The least rate is the largest one over this.
  double rate_fall = 160;
  int warmup_steps = 60;
  double least_warmup = 0.05, most_warmup = 0.3;
  double annealing = 0.5;
  double l2 = 2.5e-4;
  /// With pruning behind it: L1 makes whole channels small.
  double l1 = 3e-5;
  int most_epochs = 300;
  /// More pictures are not seen: the gain is small beside the time.
  double most_seen = 120'000;

  // Augmentation.

  /// Objects stay at least this long at the input when the picture is zoomed out.
  double least_zoomed_side = 14;
  double most_zoom_out = 1.5;
  /// Least side of a crop, as a part of the picture: where objects are smaller than `object_side` at the
  /// input, and elsewhere. Crops magnify.
  double crop_of_small = 0.4, crop_of_large = 0.6;
  double crop_aspect = 1.33;
  int brightness = 24;
  double contrast = 0.3, saturation = 0.3;
  int hue = 10;

  // Inference.

  double confidence_threshold = 0.01;
  double overlap = 0.5;
  int top_k = 200;
};

inline constexpr SsdFitRules kSsdFitRules;

}  // namespace trainyard::networks
