#include "libs/graph/builder.h"

#include <type_traits>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "onnx/onnx_pb.h"

namespace trainyard::graph {
namespace {

void Declare(onnx::ValueInfoProto* value, const std::string& name, const Shape& shape) {
  value->set_name(name);
  auto* type = value->mutable_type()->mutable_tensor_type();
  type->set_elem_type(onnx::TensorProto::FLOAT);
  for (size_t i = 0; i < shape.size(); ++i) {
    auto* dim = type->mutable_shape()->add_dim();
    if (shape[i] >= 0) {
      dim->set_dim_value(shape[i]);
    } else {
      // Dimensions of one name are of one size.
      dim->set_dim_param(i == 0 ? "N" : absl::StrCat(name, "_", i));
    }
  }
}

void Fill(onnx::AttributeProto& proto, const NodeAttribute& attribute) {
  proto.set_name(attribute.name);
  std::visit(
      [&proto](const auto& value) {
        using T = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<T, int64_t>) {
          proto.set_type(onnx::AttributeProto::INT);
          proto.set_i(value);
        } else if constexpr (std::is_same_v<T, float>) {
          proto.set_type(onnx::AttributeProto::FLOAT);
          proto.set_f(value);
        } else if constexpr (std::is_same_v<T, std::string>) {
          proto.set_type(onnx::AttributeProto::STRING);
          proto.set_s(value);
        } else if constexpr (std::is_same_v<T, Tensor>) {
          proto.set_type(onnx::AttributeProto::TENSOR);
          *proto.mutable_t() = TensorToProto("", value);
        } else {
          proto.set_type(onnx::AttributeProto::INTS);
          proto.mutable_ints()->Add(value.begin(), value.end());
        }
      },
      attribute.value);
}

using Ints = std::vector<int64_t>;

Ints PadsOf(const Window& window) {
  return window.pads.has_value() ? Ints(window.pads->begin(), window.pads->end())
                                 : Ints(4, window.pad);
}

}  // namespace

std::string GraphBuilder::Input(const std::string& name, const Shape& shape) {
  Declare(graph_.mutable_proto().mutable_graph()->add_input(), name, shape);
  return name;
}

void GraphBuilder::Output(const std::string& value, const Shape& shape) {
  Declare(graph_.mutable_proto().mutable_graph()->add_output(), value, shape);
}

std::string GraphBuilder::Initializer(const std::string& name, const Tensor& tensor) {
  if (graph_.HasInitializer(name)) {
    status_.Update(
        absl::InvalidArgumentError(absl::StrCat("initializer '", name, "' is added twice")));
  }
  status_.Update(graph_.SetInitializer(name, tensor));
  return name;
}

std::string GraphBuilder::Node(absl::string_view op, const std::string& name,
                               const std::vector<std::string>& inputs,
                               const std::vector<NodeAttribute>& attributes) {
  return Nodes(op, name, inputs, 1, attributes)[0];
}

std::vector<std::string> GraphBuilder::Nodes(absl::string_view op, const std::string& name,
                                             const std::vector<std::string>& inputs, int outputs,
                                             const std::vector<NodeAttribute>& attributes) {
  onnx::NodeProto* node = graph_.mutable_proto().mutable_graph()->add_node();
  node->set_op_type(std::string(op));
  node->set_name(name);
  for (const std::string& input : inputs) node->add_input(input);
  for (int i = 0; i < outputs; ++i) node->add_output(i == 0 ? name : absl::StrCat(name, "_", i));
  for (const NodeAttribute& attribute : attributes) Fill(*node->add_attribute(), attribute);
  return {node->output().begin(), node->output().end()};
}

std::string GraphBuilder::Conv(const std::string& name, const std::string& x, const Tensor& kernel,
                               const std::optional<Tensor>& bias, const Window& window) {
  std::vector<std::string> inputs = {x, Initializer(absl::StrCat(name, "/kernel"), kernel)};
  if (bias.has_value()) inputs.push_back(Initializer(absl::StrCat(name, "/bias"), *bias));
  return Node("Conv", name, inputs,
              {{"kernel_shape", Ints{kernel.dim(2), kernel.dim(3)}},
               {"strides", Ints(2, window.stride)},
               {"pads", PadsOf(window)},
               {"dilations", Ints(2, window.dilation)},
               {"group", window.group}});
}

std::string GraphBuilder::BatchNorm(const std::string& name, const std::string& x,
                                    const BatchNormParameters& parameters) {
  return Node("BatchNormalization", name,
              {x, Initializer(absl::StrCat(name, "/gamma"), parameters.gamma),
               Initializer(absl::StrCat(name, "/beta"), parameters.beta),
               Initializer(absl::StrCat(name, "/moving_mean"), parameters.mean),
               Initializer(absl::StrCat(name, "/moving_variance"), parameters.variance)},
              {{"epsilon", parameters.epsilon},
               {"momentum", parameters.momentum},
               {"training_mode", int64_t{0}}});
}

std::string GraphBuilder::Relu(const std::string& name, const std::string& x) {
  return Node("Relu", name, {x});
}

std::string GraphBuilder::LeakyRelu(const std::string& name, const std::string& x, float slope) {
  return Node("LeakyRelu", name, {x}, {{"alpha", slope}});
}

std::string GraphBuilder::Sigmoid(const std::string& name, const std::string& x) {
  return Node("Sigmoid", name, {x});
}

std::string GraphBuilder::Softmax(const std::string& name, const std::string& x, int64_t axis) {
  return Node("Softmax", name, {x}, {{"axis", axis}});
}

std::string GraphBuilder::Clip(const std::string& name, const std::string& x,
                               const std::string& low, const std::string& high) {
  return Node("Clip", name, {x, low, high});
}

std::string GraphBuilder::Add(const std::string& name, const std::string& a, const std::string& b) {
  return Node("Add", name, {a, b});
}

std::string GraphBuilder::Mul(const std::string& name, const std::string& a, const std::string& b) {
  return Node("Mul", name, {a, b});
}

std::string GraphBuilder::MaxPool(const std::string& name, const std::string& x, int64_t kernel,
                                  const Window& window) {
  return Node("MaxPool", name, {x},
              {{"kernel_shape", Ints(2, kernel)},
               {"strides", Ints(2, window.stride)},
               {"pads", PadsOf(window)},
               {"dilations", Ints(2, window.dilation)}});
}

std::string GraphBuilder::GlobalAveragePool(const std::string& name, const std::string& x) {
  return Node("GlobalAveragePool", name, {x});
}

std::string GraphBuilder::Flatten(const std::string& name, const std::string& x) {
  return Node("Flatten", name, {x}, {{"axis", int64_t{1}}});
}

std::string GraphBuilder::Gemm(const std::string& name, const std::string& x, const Tensor& kernel,
                               const std::optional<Tensor>& bias) {
  std::vector<std::string> inputs = {x, Initializer(absl::StrCat(name, "/kernel"), kernel)};
  if (bias.has_value()) inputs.push_back(Initializer(absl::StrCat(name, "/bias"), *bias));
  return Node("Gemm", name, inputs, {{"transB", int64_t{1}}});
}

std::string GraphBuilder::Concat(const std::string& name, const std::vector<std::string>& values,
                                 int64_t axis) {
  return Node("Concat", name, values, {{"axis", axis}});
}

std::string GraphBuilder::Transpose(const std::string& name, const std::string& x,
                                    const std::vector<int64_t>& permutation) {
  return Node("Transpose", name, {x}, {{"perm", permutation}});
}

std::string GraphBuilder::Reshape(const std::string& name, const std::string& x,
                                  const Shape& shape) {
  const Tensor sizes =
      Tensor::Of<int64_t>({static_cast<int64_t>(shape.size())}, absl::MakeConstSpan(shape));
  return Node("Reshape", name, {x, Initializer(absl::StrCat(name, "/shape"), sizes)});
}

absl::StatusOr<Graph> GraphBuilder::Finish() && {
  TY_RETURN_IF_ERROR(status_);
  graph_.Reindex();
  TY_RETURN_IF_ERROR(graph_.Check());
  return std::move(graph_);
}

}  // namespace trainyard::graph
