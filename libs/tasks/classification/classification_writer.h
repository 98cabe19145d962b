#pragma once

#include <memory>

#include "libs/tasks/classification/classifier_head.h"
#include "libs/tasks/task.h"
#include "trainyard/model/v1/model_record.pb.h"

namespace trainyard::tasks {

/// Writes what a classifier tells: `<labels_dir>/result.csv`, TAO's, with a line
/// `path,label,confidence` and no header for each picture in the order of the inputs, cells in
/// quotes where they need them, the path as it was given, the confidence in its shortest float32
/// form; and `<annotated_dir>/<base><ext>`, the picture at its own size and in its format with
/// "<class>: <confidence, 2 decimals>" in the upper left corner. The CSV comes into being in
/// Finish, whole. With a threshold, a picture whose confidence is below it has no line and no tag.
///
/// Its Open refuses with kInvalidArgument a threshold out of range and, with an `annotated_dir`,
/// two images of one base name and a folder that holds one of the images (links are resolved); with
/// kAlreadyExists as ClaimOutputs does (libs/tasks/output_folder.h). Its Write fails as
/// CheckedProbabilities. `head` and `record` outlive the writer.
std::unique_ptr<PredictionWriter> MakeClassificationWriter(const ClassifierHead& head,
                                                           const model::v1::ModelRecord& record,
                                                           PredictionOptions options);

}  // namespace trainyard::tasks
