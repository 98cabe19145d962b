#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "libs/graph/runner.h"
#include "libs/quantization/calibration.h"
#include "libs/quantization/calibration_table.h"

namespace trainyard {

/// Signal and noise energy of an approximation. Sums over batches.
struct SignalToNoise {
  double signal = 0;
  double noise = 0;
  /// 10 log10(signal / noise); 300 when there is no noise, 0 when there is no signal either way.
  double decibels() const;
};

/// What INT8 did to one convolution.
struct LayerQuantization {
  std::string node;
  /// Its activation input.
  std::string input;
  Range input_range;
  float input_scale = 0;
  /// Least and greatest step of its output channels.
  float weight_scale_min = 0, weight_scale_max = 0;
  /// Of the kernel alone.
  SignalToNoise weight;
  /// Measured on images (MeasureActivations); absent when there were none.
  /// The rounding of the input alone, and the share of its values beyond the range.
  std::optional<SignalToNoise> input_rounding;
  double clipped_fraction = 0;
  /// The input in the INT8 network against the FP32 one: what has gathered up to this layer.
  std::optional<SignalToNoise> gathered;
};

/// A network output in INT8 against FP32.
struct OutputError {
  std::string output;
  SignalToNoise error;
};

/// Why an INT8 network answers differently: `<engine>.quantization.json`.
struct QuantizationReport {
  int64_t calibration_images = 0;
  std::vector<LayerQuantization> layers;
  /// Convolutions that stay FP32, with the reason.
  std::vector<std::string> kept_in_fp32;
  std::vector<OutputError> outputs;
};

/// Fills in the measured part of `report`. Both runners give all tensors of `names` as outputs
/// (WithActivationOutputs; the input is taken from the batch), `quantized` runs the Q/DQ graph.
/// The outputs compared are those that `report.outputs` names. Errors of the runners pass through;
/// kNotFound when a runner lacks a tensor.
absl::Status MeasureActivations(GraphRunner& reference, GraphRunner& quantized,
                                const BatchSource& next, QuantizationReport& report);

/// JSON, deterministic, one layer a line, ending in a line break.
std::string QuantizationReportJson(const QuantizationReport& report);

/// The worst layers by what has gathered (by the kernel's noise when nothing was measured), for
/// notes: "block_4a_conv_2: input 31.2 dB, kernel 38.0 dB".
std::vector<std::string> WorstLayers(const QuantizationReport& report, size_t count);

}  // namespace trainyard
