// A user's ONNX model through everything that reads graphs without running them: load, shapes,
// cost, pruning, folding, quantization.

#include <string>

#include "libs/graph/fold.h"
#include "libs/graph/graph.h"
#include "libs/pruning/prune.h"
#include "libs/quantization/calibration_table.h"
#include "libs/quantization/quantize.h"
#include "tests/fuzz/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace trainyard;
  auto graph = trainyard::graph::Graph::Parse(fuzz::AsText(data, size));
  if (!graph.ok()) return 0;
  fuzz::Require(graph->Check().ok());
  (void)graph->InferShapes();
  (void)graph->MacCount();
  (void)graph->ParameterCount();
  const Model model{.graph = graph->Clone(), .record = {}};
  trainyard::pruning::PruneOptions prune;
  prune.granularity = 1;
  prune.min_filters = 1;
  prune.threshold = 0.5;
  const auto pruned = trainyard::pruning::Prune(model, prune);
  if (pruned.ok())
    fuzz::Require(trainyard::graph::Graph::Parse(pruned->model.graph.Serialize()).ok());
  (void)trainyard::pruning::ThresholdForRatio(model, prune, 0.5);
  if (!trainyard::graph::FoldBatchNorm(*graph).ok()) return 0;
  const trainyard::quantization::QuantizationOptions quantize;
  trainyard::quantization::CalibrationTable table;
  for (const std::string& name : trainyard::quantization::TensorsToCalibrate(*graph, quantize))
    table.ranges[name] = {-1, 2};
  const auto quantized = trainyard::quantization::InsertQdq(*graph, table, quantize);
  if (!quantized.ok()) return 0;
  fuzz::Require(quantized->graph.Check().ok());
  (void)quantized->graph.InferShapes();
  return 0;
}
