#pragma once

#include <cstdint>
#include <string>

#include "libs/graph/graph.h"
#include "libs/tensor/tensor.h"

namespace trainyard::quantization {

/// Whether `node` is an operator that INT8 has a form for: Conv, ConvTranspose, Gemm or MatMul. Its
/// input 0 is the activation, its input 1 the kernel.
bool HasKernel(const onnx::NodeProto& node);

/// Why such a layer stays in FP32 whatever is asked for, as the report says it ("its kernel is not
/// constant"); "" for one that can be quantized. A kernel of a Conv that is no f32 tensor is not
/// among the reasons: InsertQdq refuses it.
std::string WhyInFp32(const graph::Graph& graph, const onnx::NodeProto& node);

/// Along which axis of a layer's kernel its output channels lie: 0 for Conv ([out, in, ...]) and
/// for Gemm with transB ([out, in]); 1 for ConvTranspose ([in, out, ...]), MatMul and Gemm without
/// it
/// ([in, out]).
int64_t KernelAxis(const onnx::NodeProto& node);

/// Calls `visit(element, channel)` for each element of a tensor of that shape, in the order of
/// storage; its channels lie along `axis`, which is one of the shape's.
template <typename Visit>
void ForEachElement(const Shape& shape, int64_t axis, const Visit& visit) {
  int64_t outer = 1, inner = 1;
  for (int64_t i = 0; i < axis; ++i) outer *= shape[i];
  for (size_t i = axis + 1; i < shape.size(); ++i) inner *= shape[i];
  int64_t element = 0;
  for (int64_t o = 0; o < outer; ++o) {
    for (int64_t channel = 0; channel < shape[axis]; ++channel) {
      for (int64_t i = 0; i < inner; ++i) visit(element++, channel);
    }
  }
}

}  // namespace trainyard::quantization
