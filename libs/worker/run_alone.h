#pragma once

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/worker/journal.h"

namespace trainyard::worker {

/// How a job is run outside of any operation.
struct AloneOptions {
  absl::Duration patience = absl::InfiniteDuration();
  /// Hears the newest progress a few times a second, from the calling thread; may be empty.
  std::function<void(const trainyard::v1::Progress&)> on_progress;
};

/// Runs a job outside of any operation, on one thread unless the job has more, in a scratch folder of
/// its own. Warnings are not kept. The worker ends when this process does. Blocks.
///
/// Fails with what Finished says; kInternal with reason WORKER_CRASHED when the worker ends without it;
/// kDeadlineExceeded when it takes longer than `patience`, after which it is killed; as Process::Start.
absl::StatusOr<Finished> RunAlone(const std::string& program, WorkerJob job, absl::string_view key,
                                  const AloneOptions& options);
/// The same, its progress not heard: for tasks of seconds.
absl::StatusOr<Finished> RunAlone(const std::string& program, WorkerJob job, absl::string_view key,
                                  absl::Duration patience = absl::InfiniteDuration());

}  // namespace trainyard::worker
