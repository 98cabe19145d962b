#include "libs/quantization/layers.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "onnx/onnx_pb.h"

namespace trainyard::quantization {

using graph::IsOp;
namespace {

/// With a longer one OpenVINO computes in floats and calls it INT8 where there is no AVX-512.
constexpr int64_t kLongestStride = 3;

/// What keeps a transposed convolution in FP32. All of these were measured in OpenVINO 2026.4:
/// those with groups have no rule in its low-precision pass; strides above three run in floats; and
/// where the stride is above the kernel it takes u8 for s8, which makes other numbers.
std::string WhyConvTransposeInFp32(const onnx::TensorProto& kernel, const onnx::NodeProto& node) {
  if (graph::IntAttribute(node, "group", 1) != 1)
    return "it is a transposed convolution with groups";
  const std::vector<int64_t> strides = graph::IntsAttribute(node, "strides", {});
  for (size_t i = 0; i < strides.size(); ++i) {
    const int64_t side = kernel.dims(static_cast<int>(i) + 2);
    if (strides[i] > std::min(kLongestStride, side)) {
      return absl::StrCat("its stride is ", strides[i], "; INT8 goes up to ",
                          std::min(kLongestStride, side), " for a kernel of ", side);
    }
  }
  return "";
}

/// A factor of the bias (beta) is no matter: biases stay in floats.
std::string WhyGemmInFp32(const onnx::NodeProto& node) {
  if (graph::IntAttribute(node, "transA", 0) != 0) return "its input is transposed (transA)";
  const float alpha = graph::FloatAttribute(node, "alpha", 1);
  return alpha == 1 ? "" : absl::StrCat("its product is multiplied (alpha is ", alpha, ")");
}

}  // namespace

bool HasKernel(const onnx::NodeProto& node) {
  return IsOp(node, "Conv") || IsOp(node, "ConvTranspose") || IsOp(node, "Gemm") ||
         IsOp(node, "MatMul");
}

std::string WhyInFp32(const graph::Graph& graph, const onnx::NodeProto& node) {
  const onnx::TensorProto* kernel = graph.FindInitializer(node.input(1));
  if (kernel == nullptr) {
    return IsOp(node, "MatMul") ? "its second operand is not constant"
                                : "its kernel is not constant";
  }
  if (IsOp(node, "Conv")) return "";
  if (kernel->data_type() != onnx::TensorProto::FLOAT) return "its kernel is not f32";
  // One of no elements may claim any number of channels.
  if (std::count(kernel->dims().begin(), kernel->dims().end(), 0) > 0) return "its kernel is empty";
  if (IsOp(node, "ConvTranspose")) return WhyConvTransposeInFp32(*kernel, node);
  if (kernel->dims_size() != 2) {
    return absl::StrCat("its kernel has ", kernel->dims_size(), " dimensions; INT8 needs 2");
  }
  return IsOp(node, "Gemm") ? WhyGemmInFp32(node) : "";
}

int64_t KernelAxis(const onnx::NodeProto& node) {
  if (IsOp(node, "Conv")) return 0;
  return IsOp(node, "Gemm") && graph::IntAttribute(node, "transB", 0) != 0 ? 0 : 1;
}

}  // namespace trainyard::quantization
