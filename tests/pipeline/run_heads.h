#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "libs/graph/graph.h"
#include "libs/graph/runner.h"

namespace trainyard::testing {

/// The runtime that a run-heads program is for, ready to run `graph` on batches of `batch` images.
absl::StatusOr<std::unique_ptr<graph::GraphRunner>> MakeRunner(const graph::Graph& graph,
                                                               int batch);

}  // namespace trainyard::testing
