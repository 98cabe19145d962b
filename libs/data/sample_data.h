#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "libs/data/kitti.h"
#include "libs/tensor/tensor.h"

namespace trainyard::data {

/// A set of pictures that we paint ourselves, so that the whole workflow can be tried without a
/// download.
struct SampleDataOptions {
  /// Images of the two parts. >= 0, at least one in all.
  int n_train = 400;
  int n_val = 100;
  /// Pixels; [64, 4096].
  int width = 320;
  int height = 240;
  uint64_t seed = 42;
  /// >= 1. The pictures do not depend on it.
  int threads = 2;
};

/// One painted picture and the objects in it.
struct PaintedScene {
  /// u8 RGB [height, width, 3].
  Tensor image;
  /// Boxes of whole parts, hidden portions included, clipped to the picture; `truncated` is the
  /// share outside of it, `occluded` 0 (at least 85 % of the part can be seen), 1 (at least 60 %)
  /// or 2.
  std::vector<KittiObject> objects;
};

/// The three classes: "bolt", "nut", "washer".
std::vector<std::string> SampleClasses();

/// Paints picture `index`: two to five hex nuts, washers and bolts of several metals on a tray with
/// clutter, uneven light and shadows, blurred and noisy. A pure function of seed, index and size.
PaintedScene PaintScene(uint64_t seed, uint64_t index, int width, int height);

/// Writes `<dir>/train` and `<dir>/val`, each with images/NNNNNN.jpg and labels/NNNNNN.txt (KITTI).
/// The folders appear whole at the end. kInvalidArgument for options out of range, kAlreadyExists
/// when train or val are there, kFailedPrecondition when another process writes there, kCancelled.
absl::Status GenerateSampleData(
    const std::string& dir, const SampleDataOptions& options,
    const std::function<void(int64_t done, int64_t total)>& progress = nullptr,
    std::stop_token stop = {});

}  // namespace trainyard::data
