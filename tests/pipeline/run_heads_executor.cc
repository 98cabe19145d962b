#include "libs/training/executor.h"
#include "tests/pipeline/run_heads.h"

namespace trainyard::testing {

absl::StatusOr<std::unique_ptr<graph::GraphRunner>> MakeRunner(const graph::Graph& graph, int) {
  return training::Executor::Create(graph, {});
}

}  // namespace trainyard::testing
