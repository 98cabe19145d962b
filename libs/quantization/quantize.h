#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/graph/graph.h"
#include "libs/quantization/calibration_table.h"
#include "libs/quantization/error_report.h"

namespace trainyard::quantization {

/// The greatest s8 magnitude used: the range is [-127, 127], so that 0 lies in the middle.
inline constexpr int kInt8Steps = 127;

/// What becomes INT8. Everything is symmetric: s8, zero point 0, but for what
/// `unsigned_activations` says.
struct QuantizationOptions {
  /// Layers (Conv, ConvTranspose, Gemm, MatMul) that stay in FP32, by node name.
  std::vector<std::string> excluded_layers;
  /// Also quantize the second input of residual sums (TensorRT fuses the sum into the other
  /// branch's convolution then). Costs about 1 dB; OpenVINO gains nothing by it, hence off
  /// (docs/quantization.md has the numbers).
  bool quantize_residual_sums = false;
  /// Activations that cannot be negative (NeverNegative) as u8 with zero point 0, where a runtime
  /// knows it: twice as many steps for them. Off, since TensorRT does not.
  bool unsigned_activations = false;
  /// The greatest magnitude of a kernel's values, [1, 127]. Fewer cost accuracy (6 dB a bit) and
  /// keep sums of products small, which some processors need (LargestKernelStep, libs/engine).
  int kernel_steps = kInt8Steps;
};

/// The step of an activation with that range: max|x| / 127 for s8, max / 255 for u8; 1/127 or 1/255
/// for a tensor that is always 0.
float ActivationScale(const Range& range, bool is_unsigned = false);

/// The tensors whose ranges InsertQdq needs, in topological order without repetition.
std::vector<std::string> TensorsToCalibrate(const graph::Graph& graph,
                                            const QuantizationOptions& options);

/// A graph with Q/DQ nodes, and what was done to each layer.
struct QuantizedModel {
  graph::Graph graph;
  QuantizationReport report;
};

/// Puts QuantizeLinear and DequantizeLinear around what is to run in INT8: one pair at each input
/// of a layer (shared by all its readers), kernels as s8 initializers with one step per output
/// channel (KernelAxis) and a DequantizeLinear; biases stay f32. Any runtime that knows ONNX opset
/// 13 reads the result.
///
/// `folded` is a graph whose batch norms are folded into convolutions (libs/graph/fold.h); a batch
/// norm that is left stays in FP32. A layer that has no INT8 form (WhyInFp32: a computed kernel, a
/// transposed convolution with groups...) stays in FP32 and is listed in the report. Deterministic.
/// What is added is called `<tensor>/scale`, `<kernel>/int8` and so on, with a number behind it
/// where the graph has that name; the result has passed Check.
///
/// * kInvalidArgument: excluded layers that are not there (all, with the nearest names);
///   kernel_steps out of range; kernels that hold values that are not finite.
/// * kFailedPrecondition: tensors for which `table` has no range (all of them).
/// * kUnimplemented: opset below 13, which has no steps per channel; the message says how to
///   convert.
absl::StatusOr<QuantizedModel> InsertQdq(const graph::Graph& folded, const CalibrationTable& table,
                                         const QuantizationOptions& options);

}  // namespace trainyard::quantization
