#pragma once

#include <string>
#include <vector>

#include "libs/base/problems.h"

namespace onnx {
class GraphProto;
class ModelProto;
class NodeProto;
}  // namespace onnx

namespace trainyard::graph::internal {

/// The values that `node` reads, each once, in order: its inputs, then what the bodies of If, Loop
/// and Scan take from outside. Empty (absent) inputs are left out.
std::vector<std::string> ReadValues(const onnx::NodeProto& node);

/// Indices of the nodes so that each comes after those whose values it reads; the order of the file
/// where that already holds. Nodes on or behind a cycle are missing from the result.
std::vector<int> TopologicalOrder(const onnx::GraphProto& graph);

/// What to do about a sparse tensor, which no reader here looks into.
inline constexpr char kDenseAdvice[] =
    "expected dense ones: write it out (onnx.numpy_helper.from_array of the whole array)";

/// Adds what ONNX's checker does not say, or says badly: doubled node, value and initializer names,
/// values that nobody makes, cycles, sparse initializers; in bodies of nodes too, where a value
/// must not have the name of one outside.
void CheckStructure(const onnx::GraphProto& graph, Problems& problems);

/// Adds every input and output of the model without a name or an element type; every node of a
/// standard operator that has too few or too many inputs or outputs, or an attribute that is
/// unknown, missing or of another type; every one that the opset does not have, with the opset that
/// does; and every node of a domain that the model does not import. Other operators of other
/// domains are passed over: nobody here touches what is in them.
void CheckSignatures(const onnx::ModelProto& model, Problems& problems);

}  // namespace trainyard::graph::internal
