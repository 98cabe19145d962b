#pragma once

#include <string>

#include "absl/status/status.h"
#include "libs/graph/graph.h"
#include "trainyard/worker/v1/worker.pb.h"

namespace trainyard::training {

/// Adds the metrics `parameters` and `macs` of a graph. Fails as Graph::MacCount.
absl::Status AddSizeMetrics(const graph::Graph& graph, worker::v1::Finished& finished);

/// Adds TAO's FAILURE line (or, when it was cancelled, a line that says so) to
/// `<results_dir>/status.json` if the folder is there. Secrets do not reach it.
void NoteFailure(const std::string& results_dir, const absl::Status& status);

}  // namespace trainyard::training
