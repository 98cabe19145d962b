#pragma once

#include "libs/tasks/task.h"

namespace trainyard::tasks {

/// Finding objects by their boxes. Its truth is BoxTruth, its heads are Decoders.
const Task& DetectionTask();

}  // namespace trainyard::tasks
