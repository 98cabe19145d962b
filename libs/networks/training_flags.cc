#include "libs/networks/training_flags.h"

#include <algorithm>

#include "onnx/onnx_pb.h"

namespace trainyard::networks {
namespace {

bool IsRegularized(const onnx::NodeProto& node, const LayerChoices& choices) {
  if (!choices.regularized_ops.contains(node.op_type())) return false;
  return choices.regularizes_depthwise || graph::IntAttribute(node, "group", 1) == 1;
}

}  // namespace

std::set<std::string> ConvolutionsOf(absl::Span<const layers::BackboneBlock> blocks,
                                     absl::Span<const uint32_t> ids) {
  std::set<std::string> names;
  for (const layers::BackboneBlock& block : blocks) {
    if (std::count(ids.begin(), ids.end(), static_cast<uint32_t>(block.id)) == 0) continue;
    names.insert(block.convolutions.begin(), block.convolutions.end());
  }
  return names;
}

void AddTrainingFlags(const graph::Graph& graph, const LayerChoices& choices,
                      model::v1::TrainingFlags& flags) {
  for (const onnx::NodeProto* node : graph.nodes()) {
    if (IsRegularized(*node, choices)) flags.add_regularized(node->input(1));
    if (node->op_type() == "Conv" && choices.frozen_convolutions.contains(node->name())) {
      for (int i = 1; i < node->input_size(); ++i) flags.add_frozen(node->input(i));
    }
    if (node->op_type() == "BatchNormalization" && choices.freezes_batch_norm) {
      flags.add_frozen_batch_norm(node->name());
      for (int i = 1; i < 3; ++i) flags.add_frozen(node->input(i));
    }
  }
}

}  // namespace trainyard::networks
