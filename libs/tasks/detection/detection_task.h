#pragma once

#include "libs/tasks/task.h"

namespace trainyard {

/// Finding objects by their boxes. Its truth is BoxTruth, its heads are Decoders.
const Task& DetectionTask();

}  // namespace trainyard
