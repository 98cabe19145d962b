#pragma once

#include <cstdint>
#include <string>

#include "libs/graph/graph.h"
#include "libs/tensor/tensor.h"

namespace trainyard {

/// Whether `node` is an operator that INT8 has a form for: Conv, ConvTranspose, Gemm or MatMul. Its
/// input 0 is the activation, its input 1 the kernel.
bool HasKernel(const onnx::NodeProto& node);

/// Why such a layer stays in FP32 whatever is asked for, as the report says it ("its kernel is not
/// constant"); "" for one that can be quantized. A kernel of a Conv that is no f32 tensor is not
/// among the reasons: InsertQdq refuses it.
std::string WhyInFp32(const Graph& graph, const onnx::NodeProto& node);

/// Along which axis of a layer's kernel its output channels lie: 0 for Conv ([out, in, ...]) and
/// for Gemm with transB ([out, in]); 1 for ConvTranspose ([in, out, ...]), MatMul and Gemm without
/// it
/// ([in, out]).
int64_t KernelAxis(const onnx::NodeProto& node);

/// To which channel an element of a tensor belongs whose channels lie along an axis.
class ChannelIndex {
 public:
  /// `axis` is one of the shape's.
  ChannelIndex(const Shape& shape, int64_t axis);
  int64_t count() const { return count_; }
  /// `element` counts in the order of storage.
  int64_t Of(int64_t element) const { return element / inner_ % count_; }

 private:
  int64_t count_;
  /// Elements of one index along the axis.
  int64_t inner_ = 1;
};

}  // namespace trainyard
