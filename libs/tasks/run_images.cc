#include "libs/tasks/run_images.h"

#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/data/preprocess.h"
#include "libs/tasks/speed.h"

namespace trainyard {

absl::Status CheckRun(const model::v1::Preprocess& preprocess, const RunOptions& options) {
  TY_RETURN_IF_ERROR(CheckPreprocess(preprocess));
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
    NetworkCall& network, const model::v1::Preprocess& preprocess, int64_t count,
    BatchReader::Read read, bool keep_images, const RunOptions& options, absl::string_view what,
    const std::function<absl::Status(InputBatch&, absl::Span<const Tensor> outputs)>& use) {
  TY_RETURN_IF_ERROR(CheckRun(preprocess, options));
  RunCounts counts;
  SteadyRate rate;
  BatchReader reader(count,
                     {.batch_size = options.batch_size,
                      .threads = options.loader_threads,
                      .keep_images = keep_images,
                      .runs_ahead = options.runs_ahead},
                     preprocess, std::move(read));
  while (true) {
    if (options.stop.stop_requested()) {
      return absl::CancelledError(absl::StrCat("the ", what, " was cancelled"));
    }
    std::optional<InputBatch> batch = reader.Next();
    if (!batch.has_value()) break;
    for (const absl::Status& status : batch->skipped) {
      if (!options.skipped) return status;
      options.skipped(status);
      ++counts.images_skipped;
    }
    if (!batch->samples.empty()) {
      TY_ASSIGN_OR_RETURN(const std::vector<Tensor> outputs, network.Run(batch->input));
      if (options.ran) TY_RETURN_IF_ERROR(options.ran(*batch, outputs));
      TY_RETURN_IF_ERROR(use(*batch, outputs));
      counts.images += static_cast<int64_t>(batch->samples.size());
    }
    rate.Note(counts.images);
    if (options.progress) options.progress(counts.images + counts.images_skipped, count);
  }
  counts.total_ms_per_image = rate.MsPerImage();
  if (options.measures_latency) {
    TY_ASSIGN_OR_RETURN(counts.latency, network.MeasureLatency());
  }
  return counts;
}

}  // namespace trainyard
