#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "libs/model/model.h"

namespace trainyard::networks {

/// A layer whose output channels stand for classes: axis 0 of its kernel and bias has `groups` runs of
/// one row for background, if it counts, and one for each class of the record.
struct ClassRows {
  std::string layer;
  int64_t groups = 1;
  bool has_background = false;
};

/// Gives the rows of the classes that both models name, and of background, to the layer of `to`: what the
/// network puts out for them stays as it was, where the layers before it came over too. Rows of other
/// classes stay fresh. `from` and `to` describe the same layer.
///
/// Returns a line for people, "predictions: the rows of 2 of 3 classes came over (bolt, nut), those of
/// the others are fresh"; nothing, and the layer is unchanged, when the two differ in more than their
/// classes or have no class in common.
absl::StatusOr<std::optional<std::string>> TakeClassRows(const Model& from, const ClassRows& from_rows,
                                                         const ClassRows& to_rows, Model& to);

}  // namespace trainyard::networks
