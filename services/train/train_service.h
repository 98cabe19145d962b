#pragma once

#include "libs/service/main_support.h"

namespace trainyard::services {

/// The train service: name, capabilities, stages and handlers, for its own program and for the CLI
/// that hosts it in process.
service::ServiceProgram TrainServiceProgram();

}  // namespace trainyard::services
