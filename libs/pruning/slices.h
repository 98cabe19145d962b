#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "libs/graph/graph.h"
#include "libs/pruning/channels.h"
#include "libs/tensor/tensor.h"

namespace trainyard::pruning {

/// The slices of `tensor` along `axis` at `places`, in that order. Any dtype. Places must lie
/// inside.
Tensor Take(const Tensor& tensor, int64_t axis, absl::Span<const int64_t> places);

/// For each initializer that loses something: axis -> places that stay.
using Cuts = std::map<std::string, std::map<int64_t, std::vector<int64_t>>>;

/// What becomes of the initializers when layer i keeps `kept[i]`. kUnimplemented, naming both
/// nodes, when nodes share an initializer and would cut it differently.
absl::StatusOr<Cuts> CutsOf(const graph::Graph& graph, const ChannelMap& map,
                            const std::vector<std::vector<int64_t>>& kept);

}  // namespace trainyard::pruning
