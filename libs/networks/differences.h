#pragma once

#include <string>
#include <utility>
#include <vector>

#include "trainyard/model/v1/model_record.pb.h"

namespace trainyard::networks {

/// Collects what NetworkFamily::OverriddenFields tells.
class Differences {
 public:
  /// "FIELD is OURS, the model has THEIRS", where they differ.
  void Compare(const char* field, const std::string& ours, const std::string& theirs);
  /// Without the values, which may be hundreds of names.
  void CompareQuietly(const char* field, const std::string& ours, const std::string& theirs);
  std::vector<std::string> texts() && { return std::move(texts_); }

 private:
  std::vector<std::string> texts_;
};

/// The frozen initializers that are no batch normalization's, which freeze_blocks freezes; sorted.
std::string FrozenKernels(const model::v1::TrainingFlags& flags);
/// The frozen batch normalizations; sorted.
std::string FrozenNorms(const model::v1::TrainingFlags& flags);

}  // namespace trainyard::networks
