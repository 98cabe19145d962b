#include "libs/engine/int8_coverage.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "libs/base/status.h"

namespace trainyard::engine {

namespace {

/// The kernel is asked too: a runtime may round to INT8 and then compute in floats.
bool RunsInInt8(const RuntimeLayer& layer) {
  const bool rounded = layer.precision == "i8" || layer.precision == "u8";
  return rounded && !absl::EndsWith(layer.implementation, "f32") &&
         !absl::EndsWith(layer.implementation, "f16");
}

}  // namespace

Int8Coverage CoverageOf(absl::Span<const RuntimeLayer> layers) {
  Int8Coverage coverage;
  std::vector<const RuntimeLayer*> in_float;
  for (const RuntimeLayer& layer : layers) {
    if (layer.macs == 0) continue;
    coverage.macs += layer.macs;
    if (RunsInInt8(layer)) {
      coverage.int8_macs += layer.macs;
    } else {
      in_float.push_back(&layer);
    }
  }
  std::stable_sort(in_float.begin(), in_float.end(),
                   [](const auto* a, const auto* b) { return a->macs > b->macs; });
  for (const RuntimeLayer* layer : in_float) coverage.float_layers.push_back(layer->name);
  return coverage;
}

absl::StatusOr<Int8Coverage> MeasureInt8Coverage(const EngineRunner& runner,
                                                 const graph::Graph& graph) {
  TY_ASSIGN_OR_RETURN(const std::vector<RuntimeLayer> layers, runner.RuntimeLayers());
  Int8Coverage coverage = CoverageOf(layers);
  const absl::StatusOr<int64_t> macs = graph.MacCount();
  if (macs.ok()) coverage.macs = std::max(*macs, coverage.int8_macs);
  return coverage;
}

}  // namespace trainyard::engine
