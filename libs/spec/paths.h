#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"

namespace trainyard::spec {

/// Replaces every path in a spec message, at any depth, by what `resolve` makes of it: the fields
/// that IsPathField names, when they are set and not empty. Folder names below a root
/// (image_dir_name and its like) are left alone. A tfrecords_path may be a prefix or a pattern;
/// `resolve` gets it as it is.
///
/// Fails with the code of the first failure and all problems, each with its field's path; `message`
/// is then unchanged.
absl::Status RewritePaths(
    google::protobuf::Message* message,
    const std::function<absl::StatusOr<std::string>(absl::string_view)>& resolve);

/// Whether a spec field of this name holds a path of its own.
bool IsPathField(absl::string_view field_name);

}  // namespace trainyard::spec
