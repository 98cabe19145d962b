#pragma once

#include "libs/service/main_support.h"

namespace trainyard::services {

/// The convert service, for its own program and for the CLI that hosts it in process.
service::ServiceProgram ConvertServiceProgram();

}  // namespace trainyard::services
