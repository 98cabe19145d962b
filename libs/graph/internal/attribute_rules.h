#pragma once

#include "libs/base/problems.h"

namespace onnx {
class GraphProto;
}  // namespace onnx

namespace trainyard::graph::internal {

/// Adds every attribute that says something impossible: of any node, one that is there twice, that
/// is sparse, or whose content is not of its type; of standard operators, a number outside its
/// range (strides, dilations and kernel_shape from 1, pads from 0, group from 1 and a divisor of
/// the filters, flags of 0 or 1, axes within 32, perm a permutation, finite floats), windows whose
/// parts have different lengths, and kernels of another shape. Bodies of nodes too.
///
/// Those who compute with attributes afterwards, the ONNX library included, divide by them.
void CheckAttributes(const onnx::GraphProto& graph, Problems& problems);

/// Adds every node that is written for training, in bodies too: BatchNormalization with
/// training_mode or with outputs for statistics, Dropout whose third input is not a constant false.
/// The nodes are in topological order.
void CheckInferenceForm(const onnx::GraphProto& graph, Problems& problems);

}  // namespace trainyard::graph::internal
