#pragma once

#include <string>
#include <vector>

#include "libs/graph/graph.h"
#include "libs/model/model.h"
#include "libs/tensor/tensor.h"
#include "onnx/onnx_pb.h"

namespace trainyard::networks {

// What NetworkFamily::LowerHead appends to a graph, whose own names stay as they are.

/// Adds a node.
onnx::NodeProto& AppendNode(graph::Graph& graph, const std::string& op, const std::string& name,
                            const std::vector<std::string>& inputs,
                            const std::vector<std::string>& outputs);
/// The attribute `axis`.
void SetAxis(onnx::NodeProto& node, int64_t axis);
/// Declares an f32 output [N, dims...].
void DeclareOutput(graph::Graph& graph, const std::string& name, const std::vector<int64_t>& dims);
/// Says in the file's metadata what the model is of: `trainyard.network`, `.classes`, `.preprocess`.
void DescribeModel(const ModelRecord& record, graph::Graph& graph);

}  // namespace trainyard::networks
