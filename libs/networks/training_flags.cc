#include "libs/networks/training_flags.h"

#include "onnx/onnx_pb.h"

namespace trainyard {

void AddTrainingFlags(const Graph& graph, const LayerChoices& choices,
                      model::v1::TrainingFlags& flags) {
  for (const onnx::NodeProto* node : graph.nodes()) {
    if (choices.regularized_ops.contains(node->op_type())) flags.add_regularized(node->input(1));
    if (node->op_type() == "Conv" && choices.frozen_convolutions.contains(node->name())) {
      for (int i = 1; i < node->input_size(); ++i) flags.add_frozen(node->input(i));
    }
    if (node->op_type() == "BatchNormalization" && choices.freezes_batch_norm) {
      flags.add_frozen_batch_norm(node->name());
      for (int i = 1; i < 3; ++i) flags.add_frozen(node->input(i));
    }
  }
}

}  // namespace trainyard
