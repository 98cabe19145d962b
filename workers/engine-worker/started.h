#pragma once

#include "absl/status/status.h"
#include "libs/worker/runtime.h"

namespace trainyard::engine_worker {

/// Tells the journal on what the work runs: "cpu (2 threads), openvino 2026.4...". Fails as
/// Journal::Append and FindBackend.
absl::Status ReportStarted(worker::Context& context);

}  // namespace trainyard::engine_worker
