#pragma once

namespace trainyard {

/// What data are wanted for.
enum class DataUse { kTraining, kValidation };

}  // namespace trainyard
