#include "workers/engine-worker/started.h"

#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/engine/backend.h"

namespace trainyard::engine_worker {

absl::Status ReportStarted(worker::Context& context) {
  TY_ASSIGN_OR_RETURN(const engine::Backend* backend, engine::FindBackend("openvino"));
  worker::WorkerEvent event;
  event.mutable_started()->set_pid(getpid());
  event.mutable_started()->set_device(absl::StrCat("cpu (", context.job.threads(), " threads), ",
                                                   backend->capabilities().name, " ",
                                                   backend->capabilities().version));
  return context.journal.Append(std::move(event));
}

}  // namespace trainyard::engine_worker
