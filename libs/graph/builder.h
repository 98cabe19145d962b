#pragma once

#include <array>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/graph/graph.h"
#include "libs/tensor/tensor.h"

namespace trainyard::graph {

/// A node's attribute: {"axis", int64_t{1}}.
struct NodeAttribute {
  std::string name;
  std::variant<int64_t, float, std::string, std::vector<int64_t>, Tensor> value;
};

/// Window of a convolution or pooling. The same on both axes; padding is explicit, never
/// SAME_UPPER.
struct Window {
  int64_t stride = 1;
  int64_t pad = 0;
  int64_t dilation = 1;
  int64_t group = 1;
  /// Rows above, columns on the left, rows below, columns on the right: instead of `pad`, where the
  /// sides differ.
  std::optional<std::array<int64_t, 4>> pads;
};

/// The five tensors of a batch normalization, each of shape [C], and its two numbers.
struct BatchNormParameters {
  Tensor gamma, beta, mean, variance;
  float epsilon = 1e-3f;
  /// ONNX's convention: running = running * momentum + batch * (1 - momentum).
  float momentum = 0.99f;
};

/// Writes a graph node by node. Every function adds one node called `name`, whose single output is
/// the value `name` as well, and returns that value's name. Weights become initializers called
/// `<name>/kernel`, `<name>/bias`, `<name>/gamma`, `<name>/beta`, `<name>/moving_mean` and
/// `<name>/moving_variance`. Mistakes (doubled names, unknown values) are told by Finish. Not
/// thread-safe.
///
///     GraphBuilder builder("net");
///     std::string x = builder.Input("Input", {-1, 3, 32, 32});
///     x = builder.Conv("conv1", x, kernel, std::nullopt, {.stride = 2, .pad = 1});
///     builder.Output(builder.Relu("relu1", x), {-1, 8, 16, 16});
///     TY_ASSIGN_OR_RETURN(Graph graph, std::move(builder).Finish());
class GraphBuilder {
 public:
  explicit GraphBuilder(absl::string_view name) : graph_(name) {}

  /// Declares an f32 graph input; -1 is an open dimension: the first is the batch "N", any other
  /// has a name of its own.
  std::string Input(const std::string& name, const Shape& shape);
  /// Declares that the value is an f32 output of the graph, of this shape.
  void Output(const std::string& value, const Shape& shape);
  /// Adds a constant and returns its name.
  std::string Initializer(const std::string& name, const Tensor& tensor);
  bool HasInitializer(const std::string& name) const { return graph_.HasInitializer(name); }
  /// Adds any node with one output.
  std::string Node(absl::string_view op, const std::string& name,
                   const std::vector<std::string>& inputs,
                   const std::vector<NodeAttribute>& attributes = {});

  /// Adds any node with `outputs` outputs, and returns their names: `<name>`, `<name>_1`...
  std::vector<std::string> Nodes(absl::string_view op, const std::string& name,
                                 const std::vector<std::string>& inputs, int outputs,
                                 const std::vector<NodeAttribute>& attributes = {});

  /// `kernel` has shape [out, in / group, kh, kw], `bias` [out].
  std::string Conv(const std::string& name, const std::string& x, const Tensor& kernel,
                   const std::optional<Tensor>& bias, const Window& window);
  std::string BatchNorm(const std::string& name, const std::string& x,
                        const BatchNormParameters& parameters);
  std::string Relu(const std::string& name, const std::string& x);
  std::string LeakyRelu(const std::string& name, const std::string& x, float slope);
  std::string Sigmoid(const std::string& name, const std::string& x);
  std::string Softmax(const std::string& name, const std::string& x, int64_t axis);
  /// `low` and `high` are names of scalars, which several nodes may share.
  std::string Clip(const std::string& name, const std::string& x, const std::string& low,
                   const std::string& high);
  std::string Add(const std::string& name, const std::string& a, const std::string& b);
  /// As Add, with ONNX's broadcasting.
  std::string Mul(const std::string& name, const std::string& a, const std::string& b);
  std::string MaxPool(const std::string& name, const std::string& x, int64_t kernel,
                      const Window& window);
  std::string GlobalAveragePool(const std::string& name, const std::string& x);
  /// [N, C, H, W] to [N, C * H * W].
  std::string Flatten(const std::string& name, const std::string& x);
  /// A dense layer: `kernel` has shape [out, in], `bias` [out].
  std::string Gemm(const std::string& name, const std::string& x, const Tensor& kernel,
                   const std::optional<Tensor>& bias);
  std::string Concat(const std::string& name, const std::vector<std::string>& values, int64_t axis);
  std::string Transpose(const std::string& name, const std::string& x,
                        const std::vector<int64_t>& permutation);
  /// 0 keeps a dimension, -1 takes what is left. The shape is the initializer `<name>/shape`.
  std::string Reshape(const std::string& name, const std::string& x, const Shape& shape);

  /// The graph, checked. kInvalidArgument names every node that is wrong. Call once.
  absl::StatusOr<Graph> Finish() &&;

 private:
  Graph graph_;
  absl::Status status_;
};

}  // namespace trainyard::graph
