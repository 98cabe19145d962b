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
  auto graph = Graph::Parse(fuzz::AsText(data, size));
  if (!graph.ok()) return 0;
  fuzz::Require(graph->Check().ok());
  (void)graph->InferShapes();
  (void)graph->MacCount();
  (void)graph->ParameterCount();
  const Model model{.graph = graph->Clone(), .record = {}};
  PruneOptions prune;
  prune.granularity = 1;
  prune.min_filters = 1;
  prune.threshold = 0.5;
  const auto pruned = Prune(model, prune);
  if (pruned.ok()) fuzz::Require(Graph::Parse(pruned->model.graph.Serialize()).ok());
  (void)ThresholdForRatio(model, prune, 0.5);
  if (!FoldBatchNorm(*graph).ok()) return 0;
  const QuantizationOptions quantize;
  CalibrationTable table;
  for (const std::string& name : TensorsToCalibrate(*graph, quantize)) table.ranges[name] = {-1, 2};
  const auto quantized = InsertQdq(*graph, table, quantize);
  if (!quantized.ok()) return 0;
  fuzz::Require(quantized->graph.Check().ok());
  (void)quantized->graph.InferShapes();
  return 0;
}
