#include "libs/pruning/internal/tracer.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/status.h"
#include "libs/graph/reach.h"
#include "onnx/onnx_pb.h"

namespace trainyard::pruning {

ChannelTracer::ChannelTracer(const graph::Graph& graph, const std::set<std::string>& excluded,
                             const std::map<std::string, Shape>& shapes)
    : graph_(graph),
      excluded_(excluded),
      shapes_(shapes),
      inner_(graph::NodesBefore(graph, {"Conv", "ConvTranspose", "Gemm", "MatMul"})) {}

absl::StatusOr<ChannelMap> ChannelTracer::Trace() && {
  for (const std::string& input : graph_.InputNames()) values_[input] = FixedOf(input);
  for (const onnx::NodeProto* node : graph_.nodes()) {
    TY_RETURN_IF_ERROR(Annotate(Apply(*node), Describe(*node)));
  }
  for (const std::string& output : graph_.OutputNames()) Fix(values_[output]);
  ShareWeights();
  KeepForBarriers();
  return std::move(map_);
}

const Shape* ChannelTracer::ShapeOf(const std::string& value) const {
  const auto it = shapes_.find(value);
  return it == shapes_.end() ? nullptr : &it->second;
}

int64_t ChannelTracer::RankOf(const std::string& value) const {
  const Shape* shape = ShapeOf(value);
  return shape == nullptr ? -1 : static_cast<int64_t>(shape->size());
}

std::optional<int64_t> ChannelTracer::SizeFrom(const std::string& value, size_t first) const {
  const Shape* shape = ShapeOf(value);
  if (shape == nullptr || shape->size() < first) return std::nullopt;
  const auto size = ElementCount(absl::MakeConstSpan(*shape).subspan(first));
  if (!size.ok()) return std::nullopt;  // an open dimension is -1, which counts nothing
  return *size;
}

std::optional<int64_t> ChannelTracer::PlaneOf(const std::string& value) const {
  const auto plane = SizeFrom(value, 2);
  return plane.value_or(0) > 0 ? plane : std::nullopt;
}

Channels ChannelTracer::FixedOf(const std::string& value) const {
  const Shape* shape = ShapeOf(value);
  if (shape == nullptr || shape->size() < 2) return {};
  return {{kFixedChannels, std::max<int64_t>((*shape)[1], 0), 1}};
}

Channels ChannelTracer::Input(const onnx::NodeProto& node, int i) const {
  const auto it = values_.find(node.input(i));
  return it == values_.end() ? FixedOf(node.input(i)) : it->second;
}

Channels ChannelTracer::Input(const onnx::NodeProto& node, int i, int64_t places) const {
  if (!values_.contains(node.input(i)) || HasChannels(node.input(i))) return Input(node, i);
  return {{kFixedChannels, places, 1}};
}

bool ChannelTracer::HasChannels(const std::string& value) const {
  const auto it = values_.find(value);
  if (it == values_.end()) return true;  // a constant
  const Shape* shape = ShapeOf(value);
  if (shape != nullptr) return shape->size() < 2 || (*shape)[1] >= 0;
  return !it->second.empty();
}

bool ChannelTracer::IsConstant(const onnx::NodeProto& node, int i) const {
  return i < node.input_size() && graph_.HasInitializer(node.input(i));
}

bool ChannelTracer::IsKernel(const onnx::NodeProto& node, int i) const {
  const Shape* shape = IsConstant(node, i) ? ShapeOf(node.input(i)) : nullptr;
  return shape != nullptr &&
         std::all_of(shape->begin(), shape->end(), [](int64_t dim) { return dim > 0; });
}

std::string ChannelTracer::Describe(const onnx::NodeProto& node) {
  const int64_t group = graph::IntAttribute(node, "group", 1);
  if (group == 1) return absl::StrFormat("node '%s' (%s)", node.name(), node.op_type());
  return absl::StrFormat("node '%s' (%s, group=%d)", node.name(), node.op_type(), group);
}

int ChannelTracer::Root(int layer) const { return map_.GroupOf(layer); }

void ChannelTracer::Join(int a, int b) {
  const int low = std::min(Root(a), Root(b)), high = std::max(Root(a), Root(b));
  if (low == high) return;
  map_.parent_[high] = low;
  map_.fixed_[low] = map_.fixed_[low] || map_.fixed_[high];
}

void ChannelTracer::Fix(const Channels& channels) {
  for (const ChannelRun& run : channels) {
    if (run.layer != kFixedChannels) map_.fixed_[Root(run.layer)] = true;
  }
}

void ChannelTracer::Output(const onnx::NodeProto& node, Channels channels) {
  values_[node.output(0)] = std::move(channels);
}

absl::Status ChannelTracer::Slice(const onnx::NodeProto& node, int i, int64_t axis,
                                  const Channels& channels) {
  const std::string& name = node.input(i);
  const Shape* shape = ShapeOf(name);
  const int64_t places = PlaceCount(channels);
  if (shape == nullptr || axis >= static_cast<int64_t>(shape->size()) || (*shape)[axis] != places) {
    return absl::InvalidArgumentError(
        absl::StrFormat("'%s' has shape %s; expected %d places along axis %d, one for each channel",
                        name, shape == nullptr ? "unknown" : ShapeText(*shape), places, axis));
  }
  map_.slices_.push_back({name, axis, channels, node.name()});
  return absl::OkStatus();
}

int ChannelTracer::AddLayer(const onnx::NodeProto& node, int64_t axis, int64_t channels) {
  const int layer = static_cast<int>(map_.layers_.size());
  map_.layers_.push_back({node.name(), node.input(1), axis, channels});
  map_.parent_.push_back(layer);
  map_.fixed_.push_back(excluded_.contains(node.name()) || !inner_.contains(node.name()));
  return layer;
}

absl::Status ChannelTracer::Barrier(const onnx::NodeProto& node, absl::string_view why) {
  Channels read;
  for (int i = 0; i < node.input_size(); ++i) {
    const Channels input = Input(node, i);
    read.insert(read.end(), input.begin(), input.end());
  }
  KeepWhole(absl::StrCat(Describe(node), " ", why), read, excluded_.contains(node.name()));
  for (const std::string& output : node.output()) values_[output] = FixedOf(output);
  return absl::OkStatus();
}

void ChannelTracer::KeepForBodies(const onnx::NodeProto& node) {
  const bool has_body = std::any_of(node.attribute().begin(), node.attribute().end(),
                                    [](const auto& a) { return a.has_g() || a.graphs_size() > 0; });
  if (!has_body) return;
  Channels read;
  for (const auto& [value, channels] : values_) {
    const auto& readers = graph_.Consumers(value);
    if (std::find(readers.begin(), readers.end(), &node) == readers.end()) continue;
    read.insert(read.end(), channels.begin(), channels.end());
  }
  KeepWhole(absl::StrCat(Describe(node), " reads them in a body"), read,
            excluded_.contains(node.name()));
}

void ChannelTracer::KeepWhole(std::string reason, const Channels& channels, bool asked_for) {
  if (asked_for) return Fix(channels);
  kept_for_.emplace_back(std::move(reason), channels);
}

void ChannelTracer::KeepForBarriers() {
  std::set<std::string> told;
  for (const auto& [reason, channels] : kept_for_) {
    KeptLayers kept{.reason = reason};
    for (const ChannelRun& run : channels) {
      if (run.layer == kFixedChannels || map_.fixed_[Root(run.layer)]) continue;
      const std::string& name = map_.layers_[run.layer].name;
      if (told.insert(name).second) kept.layers.push_back(name);
    }
    if (!kept.layers.empty()) map_.kept_.push_back(std::move(kept));
  }
  for (const auto& [reason, channels] : kept_for_) Fix(channels);
}

void ChannelTracer::Agree(const Channels& a, const Channels& b) {
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i].layer == kFixedChannels || b[i].layer == kFixedChannels) {
      Fix({a[i], b[i]});
    } else {
      Join(a[i].layer, b[i].layer);
    }
  }
}

void ChannelTracer::ShareWeights() {
  std::map<std::string, std::vector<size_t>> by_weight;
  for (size_t i = 0; i < map_.slices_.size(); ++i) {
    by_weight[map_.slices_[i].initializer].push_back(i);
  }
  for (const auto& [weight, slices] : by_weight) {
    const bool agreed = AllReadersSlice(weight, slices) && AgreeOnAxes(slices);
    if (agreed) continue;
    Channels all;
    for (const size_t i : slices) {
      const Channels& channels = map_.slices_[i].channels;
      all.insert(all.end(), channels.begin(), channels.end());
    }
    KeepWhole(absl::StrCat("weights '", weight, "' have readers that need different parts"), all,
              false);
  }
}

bool ChannelTracer::AllReadersSlice(const std::string& weight,
                                    const std::vector<size_t>& slices) const {
  std::map<std::string, std::set<int64_t>> axes;
  for (const size_t i : slices) axes[map_.slices_[i].reader].insert(map_.slices_[i].axis);
  for (const onnx::NodeProto* reader : graph_.Consumers(weight)) {
    const auto it = axes.find(reader->name());
    if (it == axes.end() || it->second != axes.begin()->second) return false;
  }
  return !graph_.IsOutput(weight);
}

bool ChannelTracer::AgreeOnAxes(const std::vector<size_t>& slices) {
  std::map<int64_t, const Channels*> first;
  for (const size_t i : slices) {
    const ChannelSlice& slice = map_.slices_[i];
    const auto [it, added] = first.emplace(slice.axis, &slice.channels);
    if (!SameRuns(*it->second, slice.channels)) return false;
  }
  for (const size_t i : slices) Agree(*first[map_.slices_[i].axis], map_.slices_[i].channels);
  return true;
}

}  // namespace trainyard::pruning
