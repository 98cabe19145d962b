#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "libs/tensor/tensor.h"

namespace trainyard::data {

/// A set of painted pictures with one part each, in a folder for each class. The parts look alike
/// enough that their pixels alone do not tell them apart: a network must learn shapes.
struct SampleClassificationOptions {
  /// Pictures of the three parts of the set, all classes together, shared among them as evenly as
  /// it goes. 0, or one for each class up to 999999; n_train not 0.
  int n_train = 3000;
  int n_val = 200;
  int n_test = 200;
  /// Pixels; [64, 4096].
  int width = 96;
  int height = 96;
  uint64_t seed = 42;
  /// >= 1. The pictures do not depend on it.
  int threads = 2;
};

/// The classes, sorted: "bolt", "bracket", "gear", "nut", "washer".
std::vector<std::string> SampleClassificationClasses();

/// Paints one part of class `class_index` (of SampleClassificationClasses): of any metal, anywhere,
/// turned anyhow, 60 to 90 % of the shorter side long, on a tray with clutter, in uneven light,
/// with other colours, brightness and contrast, blurred and noisy. u8 RGB [height, width, 3]. A
/// pure function of its arguments.
Tensor PaintOnePart(uint64_t seed, uint64_t index, int class_index, int width, int height);

/// Writes `<dir>/train`, `<dir>/val` and `<dir>/test`, each with `<class>/NNNNNN.jpg`. The folders
/// appear whole at the end; those of a part without pictures are empty. kInvalidArgument for
/// options out of range (all of them), kAlreadyExists when one of the three is there,
/// kFailedPrecondition when another process writes there, kCancelled.
absl::Status GenerateSampleClassification(
    const std::string& dir, const SampleClassificationOptions& options,
    const std::function<void(int64_t done, int64_t total)>& progress = nullptr,
    std::stop_token stop = {});

}  // namespace trainyard::data
