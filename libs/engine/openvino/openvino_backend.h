#pragma once

#include "absl/status/statusor.h"
#include "libs/engine/backend.h"

namespace trainyard::engine {

/// OpenVINO's CPU plugin. Made on the first call, which loads the plugin (tens of ms); exceptions
/// of OpenVINO end inside this folder.
absl::StatusOr<const Backend*> OpenvinoBackend();

}  // namespace trainyard::engine
