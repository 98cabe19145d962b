#pragma once

namespace trainyard {

/// What the spec of a network is wanted for: what is required differs.
enum class SpecUse { kTrain, kEvaluate, kInference, kExport };

}  // namespace trainyard
