#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "google/protobuf/message.h"

namespace trainyard::spec {

/// Where each field of a message was given: its path ("training_config.num_epochs",
/// "dataset_config.data_sources[0].tfrecords_path", "augmentation_config.image_mean[\"b\"]") and
/// the place for people ("specs/train.txt:14:3", "override 'training_config.num_epochs = 10'").
using FieldPlaces = std::map<std::string, std::string>;

/// Merges protobuf text format into `message`. `file_name` is for messages only.
///
/// Accepts what TAO's specs use: an optional colon before a message, {} and <>, # comments, both
/// quotes, adjacent literals, [a, b] for repeated fields, true/True/t/1 and false/False/f/0, enums
/// by name or number, maps as repeated { key: value: } blocks (a key given again overwrites),
/// separating commas and semicolons, and the other spellings of Aliases(). A scalar given twice is
/// taken from the last place, with a line in `warnings` (which may be null).
///
/// Does not stop at an error: fails with kInvalidArgument and all problems (ProblemsFrom), each
/// with `file:line:column` (1-based; a tab ends at a multiple of 8), the field's path and, for an
/// unknown name, the nearest one that is known: unknown fields, wrong types, numbers out of range,
/// unknown enum names, two members of a oneof, map entries without key or value, brackets that do
/// not fit, texts that are not UTF-8, more than 1 MiB. `message` then holds what could be read. At
/// most 1000 problems are listed.
///
/// `places`, when given, receives the place of every field, also when the parse fails.
absl::Status ParseTextFormat(absl::string_view text, absl::string_view file_name,
                             google::protobuf::Message* message, std::vector<std::string>* warnings,
                             FieldPlaces* places = nullptr);

/// Changes `message` by "path = value" lines, in order.
///
/// A path goes through messages by dots, through repeated fields by [index] (the size itself
/// appends) and through maps by [key] or ["key"]. The value is text format; quotes may be left out
/// where a text is expected; a repeated field without an index is replaced ([1, 2] or a single
/// value), a message too ({...}); nothing after the = clears the field. Setting a member of a oneof
/// clears the other; a path that merely leads through one while the other is set is an error.
///
/// Fails with kInvalidArgument and all problems; `message` is then unchanged.
absl::Status ApplyOverrides(absl::Span<const std::string> overrides,
                            google::protobuf::Message* message, FieldPlaces* places = nullptr);

/// The one text of a message: fields by number, maps by key, numbers in their shortest exact form.
/// Reading it back gives an equal message, but for secrets (a W&B key), which are left out.
std::string PrintCanonical(const google::protobuf::Message& message);

/// Another spelling of a field that is read as well.
struct FieldAlias {
  /// The message type without its package: "NMSConfig".
  absl::string_view message;
  absl::string_view alias;
  absl::string_view field;
};
absl::Span<const FieldAlias> Aliases();

}  // namespace trainyard::spec
