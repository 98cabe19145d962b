#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace trainyard::spec {

/// The kinds of text that our commands read.
enum class SpecKind {
  kUnknown,     // nothing in it tells
  kExperiment,  // of a network: train, evaluate, inference, export
  kConversion,  // kitti_config or coco_config: dataset_convert
  kAugment,     // spatial_config and its like, spatial_aug and its like in YAML: augment
  kForeign,     // of a network of TAO that is not offered, or no protobuf text format at all
};

/// A field that only the specs of one network have, and what such a spec is called:
/// {"lprnet", "lpr_config", "an LPRNet experiment"}. "a.b" is the field b of the message a. Of the fields
/// of one network the first is the one that its specs must have.
struct NetworkMarker {
  absl::string_view network, field, title;
};

struct RecognisedSpec {
  SpecKind kind = SpecKind::kUnknown;
  /// Of kExperiment: whose.
  std::string network;
  /// "a YOLOv4 experiment": for messages.
  std::string title;
  /// The field that tells, and where it stands (from 1). Empty where the whole text tells.
  std::string field;
  int line = 1, column = 1;
};

/// Tells what a text is by the names of its fields on the two outermost levels, whether or not it
/// is right in itself. Names that several networks share tell nothing. `networks`: the markers of those
/// that are offered.
RecognisedSpec RecogniseSpec(absl::string_view text, absl::Span<const NetworkMarker> networks);

/// Whether a text is laid out as YAML is and protobuf text format is not: a document's mark, a list's
/// dash, a name with a colon and indented lines below.
bool IsYaml(absl::string_view text);

/// What a reader of specs takes.
struct ExpectedSpec {
  SpecKind kind;
  /// Of kExperiment: whose.
  absl::string_view network;
  /// As for RecogniseSpec.
  absl::Span<const NetworkMarker> networks;
};

/// OK for a text of the wanted kind or of no known kind. Else, and for a pipeline's template (which holds
/// `${param.X}`), one problem that names what the text is and what was expected: kInvalidArgument for
/// another kind of ours, kUnimplemented for a network that is not offered.
absl::Status ExpectSpecKind(absl::string_view text, absl::string_view file_name,
                            const ExpectedSpec& wanted);

}  // namespace trainyard::spec
