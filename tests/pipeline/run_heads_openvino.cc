#include "libs/base/status.h"
#include "libs/engine/backend.h"
#include "tests/pipeline/run_heads.h"

namespace trainyard::testing {

absl::StatusOr<std::unique_ptr<graph::GraphRunner>> MakeRunner(const graph::Graph& graph,
                                                               int batch) {
  TY_ASSIGN_OR_RETURN(const engine::Backend* backend, engine::FindBackend("openvino"));
  TY_ASSIGN_OR_RETURN(engine::CompiledNetwork compiled,
                      backend->Compile(graph, {.precision = engine::Precision::kFp32,
                                               .max_batch_size = batch,
                                               .threads = 2}));
  return std::move(compiled.runner);
}

}  // namespace trainyard::testing
