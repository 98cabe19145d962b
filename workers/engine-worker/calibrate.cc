#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/data/preprocess.h"
#include "libs/engine/engine.h"
#include "libs/sealing/model_store.h"
#include "libs/worker/outcome.h"
#include "workers/engine-worker/calibration_images.h"
#include "workers/engine-worker/started.h"
#include "workers/engine-worker/tasks.h"

namespace trainyard::engine_worker {
namespace {

/// Activations of all layers are kept for a batch: more images at once would only cost memory.
constexpr int kLargestBatch = 8;

}  // namespace

absl::StatusOr<worker::Finished> CalibrateModel(worker::Context& context) {
  const auto& task = context.job.calibrate();
  TY_ASSIGN_OR_RETURN(
      const sealing::SealedModel sealed,
      sealing::LoadModel(task.model(),
                         {sealing::SealedKind::kCheckpoint, sealing::SealedKind::kExport},
                         context.key));
  TY_RETURN_IF_ERROR(ReportStarted(context));
  TY_RETURN_IF_ERROR(Annotate(data::CheckPreprocess(sealed.model.record.preprocess()),
                              absl::StrCat("model '", task.model(), "'")));
  TY_RETURN_IF_ERROR(MakeFolders(DirName(task.output())));
  const int64_t wanted = int64_t{task.batches()} * task.batch_size();
  std::vector<std::string> left_out;
  TY_ASSIGN_OR_RETURN(std::vector<std::string> paths,
                      ChooseImages(sealed.model.record, task.images(), wanted, &left_out));
  worker::Finished finished;
  for (const std::string& note : left_out) finished.add_notes(note);
  if (static_cast<int64_t>(paths.size()) < wanted) {
    finished.add_notes(absl::StrCat("'", task.images(), "' has ", paths.size(),
                                    " images, fewer than ", wanted, "; all of them were used"));
  }
  const int batch = std::clamp(task.batch_size(), 1, kLargestBatch);
  const auto progress = [&context](int64_t done, int64_t total) {
    context.Progress(done, total, "images", "calibrating");
  };
  SkippedImages skipped(context);
  const auto skip = [&skipped](const std::string& path, const absl::Status& why) {
    skipped.Add(path, why);
  };
  const auto see = [&skipped](const std::string& path, const data::ImageFacts& facts) {
    skipped.See(path, facts);
  };
  TY_ASSIGN_OR_RETURN(
      const quantization::CalibrationTable table,
      engine::CalibrateGraph(sealed.model.graph, {},
                             Batches({std::move(paths), sealed.model.record.preprocess(), batch,
                                      context.stop, progress, skip, see, WarnOfOneColour(context)}),
                             batch, std::max(1, context.job.threads())));
  skipped.NoteIn(finished);
  TY_RETURN_IF_ERROR(quantization::SaveCalibrationTable(table, task.output()));
  TY_ASSIGN_OR_RETURN(*finished.add_outputs(),
                      worker::DescribeArtifact("calibration", task.output(), "calibration"));
  *finished.add_metrics() = worker::MakeMetric("images", table.images, "images", true);
  return finished;
}

}  // namespace trainyard::engine_worker
