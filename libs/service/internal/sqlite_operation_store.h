#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "libs/service/operation_store.h"

namespace trainyard::service {

/// Operations in SQLite: opens or makes `<state_dir>/operations.db`, readable by its owner only, and
/// holds `<state_dir>/lock` while it lives. Questions have a connection of their own and do not wait
/// for a write to reach the disk. kFailedPrecondition when another process holds the lock, or the
/// file has a newer schema; else as libs/store/database.h says.
absl::StatusOr<std::unique_ptr<OperationStore>> OpenSqliteOperationStore(
    const std::string& state_dir);

}  // namespace trainyard::service
