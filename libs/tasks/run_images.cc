#include "libs/tasks/run_images.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/tasks/speed.h"

namespace trainyard::tasks {
namespace {

// One batch in work, one ready, and enough for each thread to hold an image.
int QueueBatches(const RunOptions& options) {
  return 2 + (options.loader_threads + options.batch_size - 1) / options.batch_size;
}

}  // namespace

absl::Status CheckRun(const RunOptions& options) {
  Problems problems;
  if (options.batch_size < 1) {
    problems.Add("batch_size", "is %d; expected at least 1", options.batch_size);
  }
  if (options.loader_threads < 1) {
    problems.Add("loader_threads", "is %d; expected at least 1", options.loader_threads);
  }
  return problems.ToStatus();
}

absl::StatusOr<RunCounts> RunImages(
    NetworkCall& network, std::shared_ptr<const data::PreparedSource> source,
    const RunOptions& options, absl::string_view what,
    const std::function<absl::Status(data::Batch&, absl::Span<const Tensor> outputs)>& use) {
  TY_RETURN_IF_ERROR(CheckRun(options));
  RunCounts counts;
  const int64_t total = source->size();
  if (total == 0) return counts;
  SteadyRate rate;
  TY_ASSIGN_OR_RETURN(
      const auto loader,
      data::BatchLoader::Create(std::move(source), {.batch_size = options.batch_size,
                                                    .threads = options.loader_threads,
                                                    .queue_batches = QueueBatches(options),
                                                    .shuffle = false,
                                                    .runs_ahead = options.runs_ahead,
                                                    .skips_failures = true,
                                                    .end_epoch = 1}));
  while (true) {
    if (options.stop.stop_requested()) {
      return absl::CancelledError(absl::StrCat("the ", what, " was cancelled"));
    }
    absl::StatusOr<data::Batch> next = loader->Next();
    if (absl::IsOutOfRange(next.status())) break;
    TY_ASSIGN_OR_RETURN(data::Batch batch, std::move(next));
    for (const absl::Status& status : batch.skipped) {
      if (!options.skipped) return status;
      options.skipped(status);
      ++counts.images_skipped;
    }
    if (!batch.samples.empty()) {
      TY_ASSIGN_OR_RETURN(const std::vector<Tensor> outputs, network.Run(batch.images));
      if (options.ran) TY_RETURN_IF_ERROR(options.ran(batch, outputs));
      TY_RETURN_IF_ERROR(use(batch, outputs));
      counts.images += static_cast<int64_t>(batch.samples.size());
    }
    rate.Note(counts.images);
    if (options.progress) options.progress(counts.images + counts.images_skipped, total);
  }
  counts.total_ms_per_image = rate.MsPerImage();
  if (options.measures_latency) {
    TY_ASSIGN_OR_RETURN(counts.latency, network.MeasureLatency());
  }
  return counts;
}

}  // namespace trainyard::tasks
