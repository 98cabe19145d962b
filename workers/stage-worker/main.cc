// Does what touches users' pictures and graphs but runs no network, so that no input of theirs can end a
// service: one job, read from its folder, then ends (libs/worker/runtime.h).

#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/worker/runtime.h"
#include "workers/stage-worker/tasks.h"

namespace trainyard::stage_worker {
namespace {

using worker::Context;
using worker::Finished;
using worker::Task;
using worker::WorkerJob;

Task AfterStarted(absl::StatusOr<Finished> (*task)(Context&)) {
  return [task](Context& context) -> absl::StatusOr<Finished> {
    worker::WorkerEvent event;
    event.mutable_started()->set_pid(getpid());
    event.mutable_started()->set_device(absl::StrCat("cpu (", context.job.threads(), " threads)"));
    TY_RETURN_IF_ERROR(context.journal.Append(std::move(event)));
    return task(context);
  };
}

absl::StatusOr<Task> ChooseTask(const WorkerJob& job) {
  switch (job.task_case()) {
    case WorkerJob::kConvert:
      return AfterStarted(Convert);
    case WorkerJob::kAugment:
      return AfterStarted(Augment);
    case WorkerJob::kPrune:
      return AfterStarted(PruneModel);
    case WorkerJob::kExportModel:
      return AfterStarted(ExportModel);
    case WorkerJob::kInspect:
      return AfterStarted(InspectModel);
    case WorkerJob::kInspectData:
      return AfterStarted(InspectData);
    case WorkerJob::kConvertData:
      return AfterStarted(ConvertData);
    case WorkerJob::kPictures:
      return AfterStarted(ShrinkForReport);
    case WorkerJob::kReviewData:
      return AfterStarted(ReviewDataSet);
    case WorkerJob::kProfile:
      return AfterStarted(Profile);
    default:
      return absl::UnimplementedError(
          "stage-worker converts, augments, prunes, exports, inspects, reviews data and shrinks "
          "pictures; this job asks for something else");
  }
}

absl::StatusOr<std::vector<std::string>> ListDevices() { return std::vector<std::string>{"cpu"}; }

}  // namespace

void BeginStep(Context& context, int done, int total, absl::string_view message) {
  context.Progress(done, total, "steps", message);
  context.Flush();
}

absl::Status CheckStop(const Context& context) {
  return context.stop.stop_requested() ? absl::CancelledError("stopped on request") : absl::OkStatus();
}

}  // namespace trainyard::stage_worker

int main(int argc, char** argv) {
  return trainyard::worker::RunWorker(
      argc, argv, {trainyard::stage_worker::ChooseTask, trainyard::stage_worker::ListDevices});
}
