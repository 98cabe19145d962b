#pragma once

namespace trainyard::spec {

/// What the spec of a network is wanted for: what is required differs.
enum class SpecUse { kTrain, kEvaluate, kInference, kExport };

}  // namespace trainyard::spec
