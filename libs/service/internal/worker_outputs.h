#pragma once

#include <stop_token>
#include <string>

#include "absl/status/statusor.h"
#include "libs/service/workspace.h"
#include "trainyard/v1/stage.pb.h"
#include "trainyard/worker/v1/worker.pb.h"

namespace trainyard::service {

/// The result of a worker that says it finished, once each of its outputs is found as it says: below the
/// workspace or in `job_dir` (what one job of an operation leaves for the next), of that size and that
/// digest. What it gives no digest for gets the one of what is there.
/// kDataLoss, reason OUTPUT_NOT_AS_REPORTED, names all that differ: something else wrote there, or wrote
/// the journal. `workspace` may be null: then any path will do. Reads every output that this process has
/// not read since it was written; kCancelled soon after `stop` is requested.
absl::StatusOr<v1::StageResult> VerifiedResult(const worker::v1::Finished& finished,
                                               const Workspace* workspace,
                                               const std::string& job_dir,
                                               const std::stop_token& stop);

}  // namespace trainyard::service
