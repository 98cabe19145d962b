#pragma once

#include <functional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/graph/runner.h"
#include "libs/networks/network.h"
#include "libs/tasks/task.h"
#include "libs/worker/runtime.h"

namespace trainyard::judging {

/// A model that runs, by whatever runtime. Borrows all of it.
struct RunningModel {
  graph::GraphRunner& runner;
  const ModelRecord& record;
  const tasks::Head& head;
  /// The largest batch that `runner` takes. >= 1.
  int max_batch_size;
  /// Measures the warm runtime on one image at a time, apart from reading images and from the
  /// runtime's start; what an evaluation reports as ms_per_image. Null: the largest batch is run
  /// again, warm.
  std::function<absl::StatusOr<double>()> warm_ms_per_image = nullptr;
  /// Whether it computes on the cores that load the images: then both take turns.
  bool shares_cores = true;
};

/// Does `context.job.evaluate`: measures `model` on the validation data of `network`'s spec.
/// Adds to `finished` the metrics of the task's evaluation (libs/tasks; one is primary), ms_per_image with
/// latency_batch_size, images_per_second, images and images_skipped (those that cannot be read);
/// warnings and notes on the data and on fields of the spec for which the model has values of its own;
/// and, when the job names a results folder, the output `results` (results.json; beside it status.json
/// and what else the evaluation writes).
///
/// kInvalidArgument when the spec names no validation data, or its classes are not the model's;
/// else fails as Network::OpenData and Evaluate (libs/tasks); kCancelled on request.
absl::Status Evaluate(worker::Context& context, const networks::Network& network,
                      const RunningModel& model, worker::Finished& finished);

/// Does `context.job.infer`: predicts of images, `batch_size` at a time. Adds the folders that the job
/// asks for as outputs, ms_per_image with latency_batch_size, images_per_second, images and
/// images_skipped, and notes on pictures that were left out or turned upright. kUnimplemented when the
/// record's network is not known; else fails as Infer (libs/tasks); kCancelled on request.
absl::Status Infer(worker::Context& context, int batch_size, const RunningModel& model,
                   worker::Finished& finished);

}  // namespace trainyard::judging
