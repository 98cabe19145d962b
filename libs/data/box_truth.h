#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "libs/data/box.h"
#include "libs/data/sample.h"

namespace trainyard::data {

/// The truth of detection: labelled objects in pixels of their image.
struct BoxTruth final : Truth {
  explicit BoxTruth(std::vector<LabelledBox> objects) : boxes(std::move(objects)) {}
  std::vector<LabelledBox> boxes;
};

inline std::shared_ptr<const Truth> TruthOf(std::vector<LabelledBox> boxes) {
  return std::make_shared<const BoxTruth>(std::move(boxes));
}

/// The objects; none when there is no truth, or another task's.
inline const std::vector<LabelledBox>& BoxesOf(const Truth* truth) {
  static const auto* const kNone = new std::vector<LabelledBox>();
  const auto* boxes = dynamic_cast<const BoxTruth*>(truth);
  return boxes == nullptr ? *kNone : boxes->boxes;
}

}  // namespace trainyard::data
