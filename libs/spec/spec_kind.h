#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace trainyard {

/// The kinds of text that our commands read.
enum class SpecKind {
  kUnknown,     // nothing in it tells
  kExperiment,  // ssd_config or dssd_config: train, evaluate, inference, export
  kConversion,  // kitti_config or coco_config: dataset_convert
  kAugment,     // spatial_config and its like: augment
  kForeign,     // of another network of TAO, or no protobuf text format at all
};

struct RecognisedSpec {
  SpecKind kind = SpecKind::kUnknown;
  /// "a YOLOv4 experiment": for messages.
  std::string title;
  /// The field that tells, and where it stands (from 1). Empty where the whole text tells.
  std::string field;
  int line = 1, column = 1;
};

/// Tells what a text is by the names of its fields on the two outermost levels, whether or not it
/// is right in itself. Names that several networks share tell nothing.
RecognisedSpec RecogniseSpec(absl::string_view text);

/// OK for a text of the kind `wanted` or of no known kind. Else, and for a pipeline's template (which holds
/// `${param.X}`), one problem that names what the
/// text is and what was expected: kInvalidArgument for another kind of ours, kUnimplemented for a
/// network that is not offered.
absl::Status ExpectSpecKind(absl::string_view text, absl::string_view file_name, SpecKind wanted);

}  // namespace trainyard
