#include "libs/pruning/slices.h"

#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "onnx/onnx_pb.h"

namespace trainyard::pruning {

Tensor Take(const Tensor& tensor, int64_t axis, absl::Span<const int64_t> places) {
  Shape shape = tensor.shape();
  int64_t outer = 1, inner_bytes = SizeOf(tensor.dtype());
  for (int64_t i = 0; i < axis; ++i) outer *= shape[i];
  for (int64_t i = axis + 1; i < tensor.rank(); ++i) inner_bytes *= shape[i];
  const int64_t from_row = shape[axis] * inner_bytes;
  shape[axis] = static_cast<int64_t>(places.size());
  Tensor taken = Tensor::Zeros(tensor.dtype(), shape);
  if (taken.size() == 0) return taken;
  char* to = static_cast<char*>(taken.raw());
  for (int64_t row = 0; row < outer; ++row) {
    const char* from = static_cast<const char*>(tensor.raw()) + row * from_row;
    for (const int64_t place : places) {
      std::memcpy(to, from + place * inner_bytes, inner_bytes);
      to += inner_bytes;
    }
  }
  return taken;
}

absl::StatusOr<Cuts> CutsOf(const graph::Graph& graph, const ChannelMap& map,
                            const std::vector<std::vector<int64_t>>& kept) {
  // initializer -> reader -> axis -> places; whole axes are left out.
  std::map<std::string, std::map<std::string, std::map<int64_t, std::vector<int64_t>>>> wishes;
  for (const ChannelSlice& slice : map.slices()) {
    std::vector<int64_t> places = PlacesKept(slice.channels, kept);
    if (static_cast<int64_t>(places.size()) == PlaceCount(slice.channels)) continue;
    wishes[slice.initializer][slice.reader][slice.axis] = std::move(places);
  }
  Problems problems;
  Cuts cuts;
  for (const auto& [initializer, by_reader] : wishes) {
    const auto& [first, wish] = *by_reader.begin();
    cuts[initializer] = wish;
    for (const onnx::NodeProto* reader : graph.Consumers(initializer)) {
      const auto it = by_reader.find(reader->name());
      if (it != by_reader.end() && it->second == wish) continue;
      problems.Add(absl::StrCat("initializer '", initializer, "'"),
                   "is shared by nodes '%s' and '%s', which would keep different channels", first,
                   reader->name());
    }
  }
  TY_RETURN_IF_ERROR(problems.ToStatus(absl::StatusCode::kUnimplemented));
  return cuts;
}

}  // namespace trainyard::pruning
