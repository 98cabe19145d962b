#pragma once

#include "absl/status/statusor.h"
#include "libs/worker/runtime.h"

namespace trainyard::training {

/// Trains as `context.job.train` says; what `trainyard-train-worker` does for that task.
///
/// Writes into the results folder TAO's files: `weights/` (libs/training/checkpoints.h),
/// `<network>_training_log_<arch>.csv`, `status.json`, with the visualizer `events/`; and
/// `label_ledger.jsonl` when labels or images were left out. Each epoch: steps, checkpoint, then
/// validation, its row in the log, and the checkpoint again with what was measured, so that neither a
/// crash nor going on from it loses that. The last epoch is always saved, and judged when there is
/// validation data.
///
/// Outputs: `best` (by the primary metric of the validations; the last when there is no validation data), `last`, `log`,
/// `results`. Metrics: those of the evaluation of `best` (one is primary), best_epoch, those of the last
/// epoch that was judged (`last_` and their names), loss, validation_loss, epochs, images_per_second and
/// startup_seconds (libs/training/throughput.h), parameters, macs.
///
/// What is probably not meant (OpenedData::warnings, Start::warnings) is said before the first step, and is among the
/// notes of the result.
///
/// On a stop request the state between two steps is saved at once, by another thread, while the step in
/// hand is given up at its next layer; then kCancelled, naming the file. Resumed from any checkpoint, a
/// training on the CPU ends with the bytes of an undisturbed one, given the same threads.
///
/// Fails with kFailedPrecondition when the results folder holds checkpoints that it would destroy
/// (start.h; nothing is written), or when the loss is not finite, naming epoch, step and what to change
/// (the checkpoints before stay); else as the data, the model and the disk do.
absl::StatusOr<worker::Finished> Train(worker::Context& context);

}  // namespace trainyard::training
