#pragma once

#include "libs/service/main_support.h"

namespace trainyard::services {

/// The convert-engine service, for its own program and for the CLI that hosts it in process.
service::ServiceProgram ConvertEngineServiceProgram();

}  // namespace trainyard::services
