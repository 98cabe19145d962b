#pragma once

namespace trainyard {

/// What data are wanted for: to learn from, to judge the epochs of a training by, to judge a model by.
enum class DataUse { kTraining, kValidation, kEvaluation };

}  // namespace trainyard
