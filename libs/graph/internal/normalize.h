#pragma once

#include <string>
#include <vector>

namespace onnx {
class ModelProto;
}  // namespace onnx

namespace trainyard::graph::internal {

/// Brings what ONNX lets one say in several ways into one form, and returns a sentence for every
/// change that somebody could miss:
/// * the domain "ai.onnx" is written "";
/// * initializers are no graph inputs as well (IR 3 demands that, later ones allow it), and IR 3
///   becomes IR 4, which lets them be absent there;
/// * nodes have names, each its own: doubled ones get a number;
/// * a negative dimension, which some exporters write for an open one, is open;
/// * an attribute that is 0 or "" says so;
/// * a BatchNormalization names no absent outputs, and graphs have a name ("graph").
std::vector<std::string> Normalize(onnx::ModelProto& model);

}  // namespace trainyard::graph::internal
