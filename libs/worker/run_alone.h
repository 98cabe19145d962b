#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/worker/journal.h"

namespace trainyard::worker {

/// Runs a job outside of any operation, on as many threads as it names (one, when none), in a scratch
/// folder of its own: for tasks of seconds to minutes. Progress and warnings are not kept. The worker ends when this process does. Blocks.
///
/// Fails with what Finished says; kInternal with reason WORKER_CRASHED when the worker ends without it;
/// kDeadlineExceeded when it takes longer than `patience`, after which it is killed; as Process::Start.
absl::StatusOr<Finished> RunAlone(const std::string& program, WorkerJob job, absl::string_view key,
                                  absl::Duration patience = absl::InfiniteDuration());

}  // namespace trainyard::worker
