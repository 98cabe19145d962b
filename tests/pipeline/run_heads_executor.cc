#include "libs/training/executor.h"
#include "tests/pipeline/run_heads.h"

namespace trainyard::testing {

absl::StatusOr<std::unique_ptr<GraphRunner>> MakeRunner(const Graph& graph, int) {
  return training::Executor::Create(graph, {});
}

}  // namespace trainyard::testing
