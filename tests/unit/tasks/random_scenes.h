#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "libs/base/random.h"
#include "libs/data/box.h"

namespace trainyard::testing {

/// An image's objects and what was found in it.
struct Scene {
  std::vector<data::LabelledBox> objects;
  std::vector<data::Detection> detections;
};

/// Images with objects of two classes, some difficult, and detections near them, some of the other
/// class: no two scores are equal.
inline std::vector<Scene> RandomScenes(uint64_t seed, int images) {
  std::vector<Scene> scenes(images);
  for (int i = 0; i < images; ++i) {
    Philox random(seed, 0, i, RandomPurpose::kSampleData);
    for (uint64_t n = random.Below(6); n > 0; --n) {
      const auto x = static_cast<float>(random.Uniform(0, 80));
      const int class_id = static_cast<int>(1 + random.Below(2));
      scenes[i].objects.push_back(
          {.box = {x, 0, x + 20, 10}, .class_id = class_id, .difficult = random.Chance(0.15)});
      for (uint64_t d = random.Below(4); d > 0; --d) {
        const float moved = x + static_cast<float>(random.Uniform(-12, 12));
        scenes[i].detections.push_back({.box = {moved, 0, moved + 20, 10},
                                        .class_id = random.Chance(0.2) ? 3 - class_id : class_id,
                                        .score = static_cast<float>(random.Uniform())});
      }
    }
  }
  return scenes;
}

}  // namespace trainyard::testing
