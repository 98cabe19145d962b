#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "libs/quantization/calibration.h"
#include "trainyard/model/v1/model_record.pb.h"

namespace trainyard::engine_worker {

/// Which images of a folder calibration uses: `wanted` of them without repetition, chosen by
/// Philox(42, kCalibration) over their sorted names; all of them, sorted, when there are no more.
/// Equal folders give equal choices. kNotFound and kFailedPrecondition as ListImages: nothing
/// random ever stands in for images (decisions.md A17). kInvalidArgument when `wanted` is below 1.
absl::StatusOr<std::vector<std::string>> ChooseImages(const std::string& folder, int64_t wanted);

/// Feeds image files through the model's own preprocessing.
struct ImageFeed {
  std::vector<std::string> paths;
  model::v1::Preprocess preprocess;
  /// Images of a batch. >= 1.
  int batch_size = 1;
  std::stop_token stop;
  /// After each batch.
  std::function<void(int64_t done, int64_t total)> progress;
};

/// Batches of the feed in order, f32 [n, c, h, w]; the last may be smaller. Ends with kCancelled
/// once a stop is asked for; a file that cannot be decoded is kDataLoss with its name.
BatchSource Batches(ImageFeed feed);

}  // namespace trainyard::engine_worker
