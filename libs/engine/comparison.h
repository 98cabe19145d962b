#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "libs/engine/backend.h"
#include "libs/quantization/calibration.h"
#include "libs/quantization/calibration_table.h"
#include "libs/quantization/error_report.h"

namespace trainyard::engine {

/// An INT8 engine with an output below the first is built with a warning, one below the second is
/// refused. Decibels of signal over noise against FP32 on calibration images. 20 dB is noise of a
/// tenth of the signal's size, 6 dB of half of it; sound engines have 25 and more.
inline constexpr double kWarnBelowDecibels = 20;
inline constexpr double kRefuseBelowDecibels = 6;

/// A runtime agrees with a Q/DQ graph when each output is at most this many times as far from FP32
/// as the graph is when it runs as it is written...
inline constexpr double kMostTimesAsWritten = 1.5;
/// ...or nearer to FP32 than this, relative to the output's size: there the order of sums shows.
inline constexpr double kAlwaysNear = 1e-4;

/// Enough to tell how far an engine is off; they are kept in memory.
inline constexpr int64_t kMostComparedImages = 16;

/// What is fed to the networks that are compared, and what the FP32 one answers.
struct Witness {
  /// Inputs of the network's one input, or of each of several.
  std::vector<std::vector<Tensor>> batches;
  /// The outputs of FP32 for each batch.
  std::vector<std::vector<Tensor>> exact;
  /// 0 when the batches are made up.
  int64_t images = 0;
};

/// The first kMostComparedImages of `next`. kInvalidArgument when there is none.
absl::StatusOr<std::vector<std::vector<Tensor>>> TakeImages(const quantization::BatchSource& next);

/// Inputs for holding two forms of one network against each other when there are no images: numbers
/// between the least and the greatest that calibration saw of each input, the same on every
/// machine. They say nothing about accuracy. kInvalidArgument for an input whose size is not fixed.
absl::StatusOr<std::vector<std::vector<Tensor>>> MakeUpInputs(
    const EngineRunner& runner, const quantization::CalibrationTable& table);

/// Whether all values of an f32 tensor are numbers; others are.
bool IsFinite(const Tensor& tensor);

/// The outputs that hold values that are not finite for some batch: "'y', 'z'", "" when there are
/// none. `answers` are the outputs for each batch, in the order of `names`.
std::string OutputsNotFinite(const std::vector<std::string>& names,
                             absl::Span<const std::vector<Tensor>> answers);

/// Runs `runner` on the witness's batches: signal and noise of each of its outputs against FP32.
absl::StatusOr<std::vector<quantization::SignalToNoise>> Compare(graph::GraphRunner& runner,
                                                                 const Witness& witness);

/// Whether an output of a runtime is as near to FP32 as the graph says.
bool Agrees(const quantization::SignalToNoise& runtime,
            const quantization::SignalToNoise& as_written);

/// The outputs below `bound`, worst first: "'mbox_conf' 3.2 dB". Outputs that FP32 makes zero are
/// passed over; one with values that are not finite is below every bound.
std::vector<std::string> OutputsBelow(absl::Span<const quantization::OutputError> outputs,
                                      double bound);

}  // namespace trainyard::engine
