#pragma once

#include <memory>
#include <optional>

#include "libs/data/sample.h"

namespace trainyard::data {

/// The truth of classification: which of the record's classes a picture shows, from 0 on.
struct ClassTruth final : Truth {
  explicit ClassTruth(int id) : class_id(id) {}
  int class_id;
};

inline std::shared_ptr<const Truth> ClassTruthOf(int class_id) {
  return std::make_shared<const ClassTruth>(class_id);
}

/// The class; nothing when there is no truth, or another task's.
inline std::optional<int> ClassIdOf(const Truth* truth) {
  const auto* one = dynamic_cast<const ClassTruth*>(truth);
  if (one == nullptr) return std::nullopt;
  return one->class_id;
}

}  // namespace trainyard::data
