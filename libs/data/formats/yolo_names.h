#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace trainyard::data {

/// The names of a YOLO set's classes, by their number from 0, without blanks.
struct YoloNames {
  std::vector<std::string> names;
  /// The file they come from; "" when there is none: then number 2 is `class2`.
  std::string source;

  /// "" for a number that has no name.
  std::string Of(int64_t number) const;
};

/// The names in a data.yaml, a list or a map from number to name; its `nc`, when it is there, is
/// how many there are. kInvalidArgument, `file` in front, for text that is no YAML, for names that
/// are neither, that leave a number out or are empty, and for another `nc`.
///
/// Source: Ultralytics' format of data sets.
absl::StatusOr<YoloNames> ParseYoloYaml(absl::string_view text, const std::string& file);

/// The names in a classes.txt or obj.names: one a line, the first of number 0. kInvalidArgument for
/// a blank line between names, which would be a class without name, and as ParseNameList.
absl::StatusOr<YoloNames> ParseYoloList(absl::string_view text, const std::string& file);

/// Looks for data.yaml, data.yml, dataset.yaml, classes.txt, obj.names and _darknet.labels, in this
/// order, in each of `folders`, the first before the second. Files without `names` (YAML) are
/// passed over. Fails as the readers above and ReadFile (1 MiB at most).
absl::StatusOr<YoloNames> FindYoloNames(const std::vector<std::string>& folders);

}  // namespace trainyard::data
