#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "services/orchestrator/run_store.h"

namespace trainyard::orchestrator {

/// Runs in SQLite: opens or makes `<state_dir>/runs.db`, readable by its owner only, and holds
/// `<state_dir>/lock` while it lives. The folder is the orchestrator's own, never in a shared
/// workspace. kFailedPrecondition when another process holds the lock, or the file has a newer
/// schema; else as libs/store/database.h says.
absl::StatusOr<std::unique_ptr<RunStore>> OpenSqliteRunStore(const std::string& state_dir);

}  // namespace trainyard::orchestrator
