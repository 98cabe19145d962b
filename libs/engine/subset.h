#pragma once

#include <functional>
#include <vector>

#include "absl/status/statusor.h"

namespace trainyard::engine {

/// A small part of [0, count) for which `holds` is true, found by halving (delta debugging): no
/// single element of it can be left out, unless the search stopped after `most_tests` calls.
/// `holds` is true of the whole. The result is in ascending order. Errors of `holds` pass through.
absl::StatusOr<std::vector<size_t>> SmallSubset(
    size_t count, int most_tests,
    const std::function<absl::StatusOr<bool>(const std::vector<size_t>&)>& holds);

}  // namespace trainyard::engine
