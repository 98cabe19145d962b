#pragma once

#include <string>

#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "libs/base/text_file.h"

namespace trainyard::data::internal {

/// KITTI's regions without labels, as ClassKey (libs/data/class_map.h) has their type.
inline constexpr absl::string_view kDontCareKey = "dontcare";

/// The name of a class without its blanks, as TAO reads COCO's categories: `traffic light` is
/// `trafficlight`, which is one column of a KITTI line.
inline std::string WithoutBlanks(absl::string_view name) {
  return absl::StrJoin(SplitAtBlanks(name), "");
}

}  // namespace trainyard::data::internal
