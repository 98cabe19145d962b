#pragma once

#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "libs/data/box.h"
#include "libs/tasks/detection/decoder.h"
#include "libs/tasks/task.h"
#include "trainyard/model/v1/model_record.pb.h"

namespace trainyard::tasks {

/// Writes what a detector finds: for each image `<labels_dir>/<base>.txt` (one line a detection,
/// LabelLine; empty when nothing was found) and `<annotated_dir>/<base><ext>` at the original size, in
/// the original's format.
///
/// Its Open refuses with kInvalidArgument a threshold out of range, two images with one base name, an
/// `annotated_dir` that holds one of the images (it would be replaced; links are resolved), and label
/// files for classes of which two have one LabelName; with kAlreadyExists as ClaimOutputs does
/// (libs/tasks/output_folder.h). `decoder` and `record` outlive the writer.
std::unique_ptr<PredictionWriter> MakeDetectionWriter(const Decoder& decoder,
                                                      const model::v1::ModelRecord& record,
                                                      PredictionOptions options);

/// The name of a class as it stands in label files: blanks, which separate columns there, are _.
std::string LabelName(absl::string_view class_name);

/// TAO's line of a label file, without the line break:
/// `<class> 0 0 0 <x1> <y1> <x2> <y2> 0 0 0 0 0 0 0 <score>`, the class as LabelName has it, numbers
/// in their shortest float32 form.
std::string LabelLine(absl::string_view class_name, const data::Detection& detection);

}  // namespace trainyard::tasks
