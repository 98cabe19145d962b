#include "libs/base/status.h"
#include "libs/engine/backend.h"
#include "tests/pipeline/run_heads.h"

namespace trainyard::testing {

absl::StatusOr<std::unique_ptr<GraphRunner>> MakeRunner(const Graph& graph, int batch) {
  TY_ASSIGN_OR_RETURN(const Backend* backend, FindBackend("openvino"));
  TY_ASSIGN_OR_RETURN(CompiledNetwork compiled,
                      backend->Compile(graph, {.precision = Precision::kFp32,
                                               .max_batch_size = batch,
                                               .threads = 2}));
  return std::move(compiled.runner);
}

}  // namespace trainyard::testing
