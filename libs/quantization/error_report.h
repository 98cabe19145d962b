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

namespace trainyard::quantization {

/// Signal and noise energy of an approximation. Sums over batches.
struct SignalToNoise {
  double signal = 0;
  double noise = 0;
  /// 10 log10(signal / noise); 300 when there is no noise, 0 when there is no signal either way.
  double decibels() const;
};

/// What INT8 did to one layer.
struct LayerQuantization {
  std::string node;
  /// Its activation input.
  std::string input;
  Range input_range;
  float input_scale = 0;
  /// u8 with zero point 0 rather than s8.
  bool input_unsigned = false;
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
  /// Of the network that runs: the engine.
  SignalToNoise error;
  /// Of the Q/DQ graph as it is written (WithRoundingWrittenOut): what INT8 itself costs. A runtime
  /// that does right is as far away as that.
  SignalToNoise as_written;
};

/// Why an INT8 network answers differently: `<engine>.quantization.json`.
struct QuantizationReport {
  int64_t calibration_images = 0;
  std::vector<LayerQuantization> layers;
  /// Layers that stay FP32, with the reason.
  std::vector<std::string> kept_in_fp32;
  std::vector<OutputError> outputs;
  /// Images on which `outputs` were measured; 0 when there were none, and the two forms were only
  /// held against each other on made-up inputs.
  int64_t compared_images = 0;
};

/// Adds one tensor of a batch to the sums. kInternal when the sizes differ.
absl::Status AddDifference(const Tensor& wanted, const Tensor& got, SignalToNoise& sum);

/// Fills in the measured part of `report.layers`. Both runners give the inputs of all layers as
/// outputs (WithActivationOutputs; the network's input is taken from the batch), `quantized` runs
/// the Q/DQ graph. Errors of the runners pass through; kNotFound when a runner lacks a tensor.
absl::Status MeasureActivations(graph::GraphRunner& reference, graph::GraphRunner& quantized,
                                const BatchSource& next, QuantizationReport& report);

/// JSON, deterministic, one layer and one output a line, ending in a line break
/// (docs/quantization.md).
std::string QuantizationReportJson(const QuantizationReport& report);

/// The worst layers by what has gathered (by the kernel's noise when nothing was measured), for
/// notes: "block_4a_conv_2: input 31.2 dB, kernel 38.0 dB".
std::vector<std::string> WorstLayers(const QuantizationReport& report, size_t count);

}  // namespace trainyard::quantization
