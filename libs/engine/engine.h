#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/engine/backend.h"
#include "libs/engine/engine_file.h"
#include "libs/engine/int8_coverage.h"
#include "libs/engine/limits.h"
#include "libs/model/model.h"
#include "libs/quantization/calibration.h"
#include "libs/quantization/quantize.h"

namespace trainyard::engine {

struct EngineOptions {
  std::string backend = "openvino";
  /// `fp32`, `fp16` or `int8` (ChoosePrecision); "" is `fp32`.
  std::string precision = "fp32";
  /// [1, kMaxEngineBatch].
  int max_batch_size = 16;
  /// >= 1.
  int threads = 1;
  /// What INT8 needs; see CalibrateGraph.
  std::optional<quantization::CalibrationTable> calibration;
  /// Makes a source of images that an INT8 engine is held against FP32 on, in batches of at most
  /// max_batch_size (BuildInt8), and one in floats is tried on. Null when there are none: the
  /// accuracy is then not known.
  std::function<quantization::BatchSource()> images;
  /// Its kernel_steps is chosen for this processor (LargestKernelStep) unless `kernel_steps` is
  /// set.
  quantization::QuantizationOptions quantization;
  std::optional<int> kernel_steps;
  /// For the header.
  model::v1::EngineSource source;
  std::stop_token stop;
};

/// An engine that was just built: the file's content, and a runner of the very same network (for
/// INT8, loaded from the file's blob).
struct BuiltEngine {
  EngineFile file;
  std::unique_ptr<EngineRunner> runner;
  Int8Coverage coverage;
  /// INT8 only. The graph, what was done to it, and how far the engine's outputs are from FP32.
  std::optional<quantization::QuantizedModel> quantized;
  /// For the user: a precision that was not available, a table of other weights, layers kept in
  /// FP32, a low accuracy.
  std::vector<std::string> warnings;
};

/// Compiles a model for this machine. Its graph ends at the raw heads; decoding and NMS stay
/// outside, as the record says. Batch norms are folded first.
///
/// Fails as ChoosePrecision, FindBackend, FoldBatchNorm, BuildInt8 and Backend::Compile do;
/// kInvalidArgument for a batch out of range, and for layers without filters or with weights that
/// are not finite (all of them), and as CheckBatchIsOpen does; kFailedPrecondition for INT8 without
/// a table, with the three ways to one; kInternal, naming the outputs, when the runtime in floats
/// gives other answers than the graph on made-up inputs.
absl::StatusOr<BuiltEngine> BuildEngine(const Model& model, const EngineOptions& options);

/// Loads an engine that was built on such a machine. Fails as LoadEngineFile, CheckRunsHere,
/// FindBackend and Backend::Load do.
struct LoadedEngine {
  EngineHeader header;
  ModelRecord record;
  std::unique_ptr<EngineRunner> runner;
};
absl::StatusOr<LoadedEngine> LoadEngine(const std::string& path, int threads);

/// A graph as calibration sees it: batch norms folded.
absl::StatusOr<graph::Graph> FoldForInference(const graph::Graph& graph);

/// Runs `graph` in FP32 on the batches and returns the ranges that InsertQdq will ask for. The
/// graph is folded first. No batch is larger than `max_batch_size`. Fails as Calibrate does.
absl::StatusOr<quantization::CalibrationTable> CalibrateGraph(
    const graph::Graph& graph, const quantization::QuantizationOptions& options,
    const quantization::BatchSource& next, int max_batch_size, int threads);

/// Fills in the measured part of `quantized.report.layers`: runs FP32 and the Q/DQ graph as it is
/// written (WithRoundingWrittenOut) side by side. Not the engine: asking it for its activations
/// would change what it fuses. Fails as MeasureActivations does.
absl::Status ExplainQuantization(const graph::Graph& graph, quantization::QuantizedModel& quantized,
                                 const quantization::BatchSource& next, int max_batch_size,
                                 int threads);

}  // namespace trainyard::engine
