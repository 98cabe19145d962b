#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/worker/runtime.h"

namespace trainyard::stage_worker {

// Every task gets checked options and absolute paths. What it writes has its name only when it is whole,
// so whoever stops one may kill it.

/// Labelled images -> TFRecord shards (TAO `dataset_convert`). Fails as ConvertKitti.
absl::StatusOr<worker::Finished> Convert(worker::Context& context);

/// A KITTI or COCO set -> an augmented one (TAO `augment`). Fails as AugmentDataSet.
absl::StatusOr<worker::Finished> Augment(worker::Context& context);

/// `.tlt` -> a smaller `.tlt` (TAO `prune`); lines for status.json when the task names a folder. Fails as
/// LoadModel, Prune and ThresholdForRatio.
absl::StatusOr<worker::Finished> PruneModel(worker::Context& context);

/// `.tlt` -> `.etlt` or plain ONNX, and side files (TAO `export`). Fails as LoadModel; kInvalidArgument for
/// a spec of other classes and for a table that cannot be read or belongs to other weights.
absl::StatusOr<worker::Finished> ExportModel(worker::Context& context);

/// What a sealed file is, as notes. Fails as LoadModel.
absl::StatusOr<worker::Finished> InspectModel(worker::Context& context);

/// What a folder of labelled pictures holds. Fails as RecognizeDataSet, ChooseCandidate and SurveyDataSet.
absl::StatusOr<worker::Finished> InspectData(worker::Context& context);

/// A part of a set of labelled pictures -> one of another format. Fails as RecognizeDataSet, ChooseCandidate,
/// FindPart, WriteDataPart and ConvertDataPart.
absl::StatusOr<worker::Finished> ConvertData(worker::Context& context);

/// What a data set is like; lays out its parts. Fails as ProfileData.
absl::StatusOr<worker::Finished> Profile(worker::Context& context);

/// Small copies of some images of a folder. Fails as report::ShrinkPictures.
absl::StatusOr<worker::Finished> ShrinkForReport(worker::Context& context);

/// Copies of pictures, classes, boxes of a data set, as findings.jsonl, a page and notes. Fails as
/// ScanKittiFolder and ReviewData; kInvalidArgument for a network that has no boxes to compare with.
absl::StatusOr<worker::Finished> ReviewDataSet(worker::Context& context);

/// Reports the beginning of step `done` of `total` at once.
void BeginStep(worker::Context& context, int done, int total, absl::string_view message);

/// kCancelled once a stop is requested.
absl::Status CheckStop(const worker::Context& context);

}  // namespace trainyard::stage_worker
