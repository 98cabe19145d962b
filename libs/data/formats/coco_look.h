#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace trainyard::data::internal {

/// What the ends of a JSON file tell.
struct CocoLook {
  /// Its words are those of COCO's annotations with boxes.
  bool is_coco = false;
  /// Some values of `file_name`, at most 16.
  std::vector<std::string> file_names;
};

/// Looks at a megabyte of a file's beginning and end, without parsing it.
CocoLook LookAtJson(const std::string& path);
/// The same for the text of them.
CocoLook LookOfJson(absl::string_view ends);

}  // namespace trainyard::data::internal
