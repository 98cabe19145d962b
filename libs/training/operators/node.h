#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/graph/graph.h"
#include "onnx/onnx_pb.h"

namespace trainyard::training {

/// The values of one run, by slot. Constants and parameters fill the first slots.
struct Frame {
  std::vector<at::Tensor> values;
  bool training = false;
};

/// One node, mapped: reads its input slots, writes its output slots. LibTorch's exceptions pass.
using Step = std::function<void(Frame&)>;

/// What a mapping sees of its node while the graph is compiled. Implemented by the compiler in
/// executor.cc; lives only for the call.
class NodeView {
 public:
  virtual ~NodeView() = default;

  virtual const onnx::NodeProto& node() const = 0;
  virtual int64_t opset() const = 0;
  /// Whether input `i` is given (optional inputs may be absent or empty).
  bool HasInput(int i) const { return i < node().input_size() && !node().input(i).empty(); }

  /// The slot of input `i`, which must be given, or of output `i`.
  virtual int Input(int i) const = 0;
  virtual int Output(int i) const = 0;
  /// As Input, and declares that training may change it when it is an initializer.
  virtual int Weight(int i) = 0;
  /// As Input, and declares a running statistic, which the node itself changes.
  virtual absl::StatusOr<int> Statistic(int i) = 0;
  /// Whether the node may write its result into the memory of input `i`: nobody else reads the
  /// value, and the node that made it does not need it for its gradient.
  virtual bool MayOverwrite(int i) const = 0;
  /// Whether this BatchNormalization keeps its statistics and affine in training.
  virtual bool BatchNormIsFrozen() const = 0;

  /// The elements of an input that is constant. kUnimplemented when the graph computes it.
  virtual absl::StatusOr<std::vector<int64_t>> ConstantInts(int i) const = 0;
  virtual absl::StatusOr<std::vector<float>> ConstantFloats(int i) const = 0;

  /// kUnimplemented / kInvalidArgument in the words "node 'n' (Op): <message>".
  absl::Status Unimplemented(absl::string_view message) const;
  absl::Status Invalid(absl::string_view message) const;
};

/// Maps one node. One function a family member; the table is in operators.cc.
using Mapper = absl::StatusOr<Step> (*)(NodeView&);

/// nullptr when the operator is not offered.
Mapper FindMapper(absl::string_view op_type);

// conv.cc
absl::StatusOr<Step> MapConv(NodeView& node);
absl::StatusOr<Step> MapGemm(NodeView& node);
absl::StatusOr<Step> MapMatMul(NodeView& node);
// norm.cc
absl::StatusOr<Step> MapBatchNormalization(NodeView& node);
absl::StatusOr<Step> MapDropout(NodeView& node);
// pointwise.cc
absl::StatusOr<Step> MapRelu(NodeView& node);
absl::StatusOr<Step> MapLeakyRelu(NodeView& node);
absl::StatusOr<Step> MapClip(NodeView& node);
absl::StatusOr<Step> MapSigmoid(NodeView& node);
absl::StatusOr<Step> MapSoftmax(NodeView& node);
absl::StatusOr<Step> MapAdd(NodeView& node);
absl::StatusOr<Step> MapSub(NodeView& node);
absl::StatusOr<Step> MapMul(NodeView& node);
absl::StatusOr<Step> MapDiv(NodeView& node);
absl::StatusOr<Step> MapIdentity(NodeView& node);
// shape.cc
absl::StatusOr<Step> MapTranspose(NodeView& node);
absl::StatusOr<Step> MapReshape(NodeView& node);
absl::StatusOr<Step> MapConcat(NodeView& node);
absl::StatusOr<Step> MapFlatten(NodeView& node);
absl::StatusOr<Step> MapSqueeze(NodeView& node);
absl::StatusOr<Step> MapUnsqueeze(NodeView& node);
absl::StatusOr<Step> MapPad(NodeView& node);
// pool.cc
absl::StatusOr<Step> MapMaxPool(NodeView& node);
absl::StatusOr<Step> MapAveragePool(NodeView& node);
absl::StatusOr<Step> MapGlobalAveragePool(NodeView& node);
// quantize.cc
absl::StatusOr<Step> MapQuantizeLinear(NodeView& node);
absl::StatusOr<Step> MapDequantizeLinear(NodeView& node);

/// Pads of the two spatial dimensions: rows before and after, columns before and after.
struct Pads {
  int64_t top = 0, left = 0, bottom = 0, right = 0;
  bool symmetric() const { return top == bottom && left == right; }
  bool none() const { return top == 0 && left == 0 && bottom == 0 && right == 0; }
};

/// What Conv and the pools share. `kernel` may be empty in Conv (its weight says it).
struct Window {
  std::vector<int64_t> kernel, strides, dilations;
  Pads pads;
  /// auto_pad SAME_UPPER (1), SAME_LOWER (-1): pads follow the input's size; 0: `pads`.
  int same = 0;

  /// The pads for an input of `height` x `width` and this kernel.
  Pads PadsFor(int64_t height, int64_t width, int64_t kernel_h, int64_t kernel_w) const;
};

/// Reads kernel_shape, strides, dilations, pads and auto_pad of a node on images. kUnimplemented for
/// one or three spatial dimensions.
absl::StatusOr<Window> ReadWindow(const NodeView& node);

}  // namespace trainyard::training
