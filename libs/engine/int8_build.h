#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/engine/backend.h"
#include "libs/quantization/calibration.h"
#include "libs/quantization/quantize.h"

namespace trainyard::engine {

struct Int8Request {
  /// Batch norms folded.
  const graph::Graph& folded;
  const quantization::CalibrationTable& table;
  quantization::QuantizationOptions quantization;
  CompileOptions compile;
  /// Makes a source of images to compare on, in batches of at most the engine's; null when there
  /// are none.
  std::function<quantization::BatchSource()> images;
  std::stop_token stop;
};

/// A network in INT8 that was held against FP32.
struct Int8Network {
  /// `runner` was loaded from `blob`: it is what a reader of the file will get.
  CompiledNetwork network;
  /// With the figures of that runner in its report.
  quantization::QuantizedModel quantized;
  /// For the user.
  std::vector<std::string> warnings;
};

/// Quantizes and compiles a network, and runs what will be saved beside two others: FP32, and the
/// Q/DQ graph as it is written, in floats. Where a pass of the runtime makes the engine disagree
/// with the graph, the fewest layers that mend it are kept in FP32; they are named in the
/// warnings and in the report. With images, an output below kWarnBelowDecibels is a warning.
///
/// kFailedPrecondition for an output below kRefuseBelowDecibels, with the outputs, the worst layers
/// and the ways out, and for a network that answers in FP32 with values that are not finite;
/// kInvalidArgument for one whose batch is not open (CheckBatchIsOpen); kInternal when the runtime
/// disagrees even in FP32; kCancelled once a stop is asked for; else fails as InsertQdq,
/// Backend::Compile and the images do.
absl::StatusOr<Int8Network> BuildInt8(const Backend& backend, const Int8Request& request);

}  // namespace trainyard::engine
