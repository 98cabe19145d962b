#pragma once

#include <set>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/graph/graph.h"

namespace trainyard::graph {

/// The names of the nodes behind which, along any path of values, comes a node whose operator is
/// one of `ops`. O(nodes log nodes).
std::set<std::string> NodesBefore(const Graph& graph, absl::Span<const absl::string_view> ops);

}  // namespace trainyard::graph
