#pragma once

#include "absl/strings/string_view.h"

namespace trainyard::data {

/// What data are wanted for: to learn from, to judge the epochs of a training by, to judge a model by.
enum class DataUse { kTraining, kValidation, kEvaluation };

/// As messages call the data: "training data", "validation data", "evaluation data".
inline absl::string_view NameOf(DataUse use) {
  switch (use) {
    case DataUse::kTraining:
      return "training data";
    case DataUse::kValidation:
      return "validation data";
    case DataUse::kEvaluation:
      return "evaluation data";
  }
  return "data";
}

}  // namespace trainyard::data
