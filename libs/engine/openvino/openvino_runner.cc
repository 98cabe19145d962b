#include "libs/engine/openvino/openvino_runner.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "openvino/runtime/infer_request.hpp"

namespace trainyard::engine {
namespace {

Shape ShapeOf(const ov::PartialShape& partial) {
  Shape shape;
  if (partial.rank().is_dynamic()) return shape;
  for (const ov::Dimension& dimension : partial) {
    shape.push_back(dimension.is_static() ? dimension.get_length() : -1);
  }
  return shape;
}

/// Whether a port is the tensor `name`. Where the runtime takes a node out that changes nothing,
/// the tensors before and behind it become one and have one name; the port still says its own.
bool IsNamed(const ov::Output<const ov::Node>& port, const std::string& name) {
  return port.get_names().count(name) > 0 ||
         port.get_node()->get_friendly_name() == absl::StrCat(name, "/sink_port_0");
}

/// The ports' shapes with the batch as -1, whatever its bounds. A first dimension that stays the
/// same where the batch may vary keeps its size: it is no batch.
absl::StatusOr<std::vector<Shape>> BatchedShapes(
    const std::vector<ov::Output<const ov::Node>>& ports, const std::vector<std::string>& names,
    int max_batch_size) {
  if (ports.size() != names.size()) {
    return absl::InvalidArgumentError(absl::StrCat("the compiled network has ", ports.size(),
                                                   " tensors here; expected ", names.size()));
  }
  std::vector<Shape> shapes;
  for (size_t i = 0; i < ports.size(); ++i) {
    if (!IsNamed(ports[i], names[i])) {
      return absl::InvalidArgumentError(absl::StrCat("tensor ", i, " of the compiled network is '",
                                                     ports[i].get_any_name(), "'; expected '",
                                                     names[i], "'"));
    }
    Shape shape = ShapeOf(ports[i].get_partial_shape());
    if (shape.empty() || ports[i].get_element_type() != ov::element::f32) {
      return absl::InvalidArgumentError(absl::StrCat(
          "tensor '", names[i], "' is ", ports[i].get_element_type().get_type_name(), " ",
          ports[i].get_partial_shape().to_string(), "; expected f32 with the batch first"));
    }
    if (max_batch_size == 1) shape[0] = -1;
    shapes.push_back(std::move(shape));
  }
  return shapes;
}

std::string RuntimeText(const ov::Node& node, const char* key) {
  const auto& info = node.get_rt_info();
  const auto found = info.find(key);
  return found == info.end() ? "" : found->second.as<std::string>();
}

/// Elements of one image: all dimensions but the first, the batch.
int64_t PerImage(const Shape& shape) {
  int64_t count = 1;
  for (size_t i = 1; i < shape.size(); ++i) count *= shape[i];
  return count;
}

/// Places of a map of [batch, channels, places...].
int64_t Places(const Shape& shape) {
  int64_t count = 1;
  for (size_t i = 2; i < shape.size(); ++i) count *= shape[i];
  return count;
}

/// Multiply-accumulates for one image of the types of layer that have them. A convolution reads its
/// kernel whole at each place of its output, a transposed one at each place of its input; a product
/// of matrices sums over the last dimension of the first (the one before it when that is the
/// batch).
int64_t MacsOf(const std::string& type, const ov::Node& node) {
  const bool transposed = type == "Deconvolution";
  const bool dense = type == "FullyConnected" || type == "MatMul";
  if (type != "Convolution" && !transposed && !dense) return 0;
  if (node.get_input_size() < 2) return 0;
  const Shape input = ShapeOf(node.get_input_partial_shape(0));
  const Shape output = ShapeOf(node.get_output_partial_shape(0));
  const Shape kernel = ShapeOf(node.get_input_partial_shape(1));
  if (dense) {
    if (input.empty() || output.empty()) return 0;
    const int64_t depth =
        input.back() < 0 && input.size() > 1 ? input[input.size() - 2] : input.back();
    return std::max<int64_t>(PerImage(output) * depth, 0);
  }
  if (output.size() < 3) return 0;
  int64_t macs = Places(transposed ? input : output);
  for (const int64_t dimension : kernel) macs *= dimension;
  return std::max<int64_t>(macs, 0);
}

class OpenvinoRunner : public EngineRunner {
 public:
  OpenvinoRunner(ov::CompiledModel compiled, const LoadOptions& options)
      : compiled_(std::move(compiled)),
        request_(compiled_.create_infer_request()),
        max_batch_size_(options.max_batch_size),
        input_names_(options.input_names),
        output_names_(options.output_names) {}

  absl::Status ReadPorts() {
    TY_ASSIGN_OR_RETURN(input_shapes_,
                        BatchedShapes(compiled_.inputs(), input_names_, max_batch_size_));
    TY_ASSIGN_OR_RETURN(output_shapes_,
                        BatchedShapes(compiled_.outputs(), output_names_, max_batch_size_));
    return absl::OkStatus();
  }

  const std::vector<std::string>& input_names() const override { return input_names_; }
  const std::vector<std::string>& output_names() const override { return output_names_; }
  const std::vector<Shape>& input_shapes() const override { return input_shapes_; }
  const std::vector<Shape>& output_shapes() const override { return output_shapes_; }
  int max_batch_size() const override { return max_batch_size_; }

  absl::StatusOr<std::vector<Tensor>> Run(absl::Span<const Tensor> inputs) override {
    TY_RETURN_IF_ERROR(CheckInputs(inputs));
    try {
      for (size_t i = 0; i < inputs.size(); ++i) {
        // OpenVINO has no tensor of constants; it only reads inputs.
        void* data = const_cast<void*>(inputs[i].raw());
        const ov::Shape shape(inputs[i].shape().begin(), inputs[i].shape().end());
        request_.set_input_tensor(i, ov::Tensor(ov::element::f32, shape, data));
      }
      request_.infer();
      return CopyOutputs();
    } catch (const std::exception& error) {
      return absl::InternalError(
          absl::StrCat("OpenVINO failed to run the network: ", error.what()));
    }
  }

  absl::StatusOr<std::vector<RuntimeLayer>> RuntimeLayers() const override {
    try {
      std::vector<RuntimeLayer> layers;
      for (const auto& node : compiled_.get_runtime_model()->get_ordered_ops()) {
        RuntimeLayer layer;
        layer.name = node->get_friendly_name();
        layer.type = RuntimeText(*node, "layerType");
        layer.precision = RuntimeText(*node, "runtimePrecision");
        layer.implementation = RuntimeText(*node, "primitiveType");
        layer.macs = MacsOf(layer.type, *node);
        layers.push_back(std::move(layer));
      }
      return layers;
    } catch (const std::exception& error) {
      return absl::InternalError(absl::StrCat("OpenVINO gives no runtime model: ", error.what()));
    }
  }

 private:
  absl::Status CheckInputs(absl::Span<const Tensor> inputs) const {
    if (inputs.size() != input_names_.size()) {
      return absl::InvalidArgumentError(absl::StrCat("the engine takes ", input_names_.size(),
                                                     " inputs; ", inputs.size(), " were given"));
    }
    for (size_t i = 0; i < inputs.size(); ++i) {
      const Shape& wanted = input_shapes_[i];
      bool fits = inputs[i].dtype() == DType::kFloat32 &&
                  inputs[i].shape().size() == wanted.size() && inputs[i].size() > 0;
      for (size_t d = 1; fits && d < wanted.size(); ++d) {
        fits = wanted[d] < 0 || inputs[i].shape()[d] == wanted[d];
      }
      if (!fits) {
        return absl::InvalidArgumentError(absl::StrCat(
            "input '", input_names_[i], "' is ", NameOf(inputs[i].dtype()), " ",
            ShapeText(inputs[i].shape()), "; expected f32 ", ShapeText(wanted), ", batch first"));
      }
      if (inputs[i].dim(0) > max_batch_size_) {
        return absl::InvalidArgumentError(
            absl::StrCat("a batch of ", inputs[i].dim(0), " images is above the engine's ",
                         max_batch_size_, "; build it with a larger maximum batch (-m)"));
      }
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<Tensor>> CopyOutputs() {
    std::vector<Tensor> outputs;
    for (size_t i = 0; i < output_names_.size(); ++i) {
      const ov::Tensor source = request_.get_output_tensor(i);
      const ov::Shape shape = source.get_shape();
      TY_ASSIGN_OR_RETURN(Tensor copy,
                          Tensor::Create(DType::kFloat32, Shape(shape.begin(), shape.end())));
      std::memcpy(copy.raw(), source.data(), source.get_byte_size());
      outputs.push_back(std::move(copy));
    }
    return outputs;
  }

  ov::CompiledModel compiled_;
  ov::InferRequest request_;
  int max_batch_size_;
  std::vector<std::string> input_names_, output_names_;
  std::vector<Shape> input_shapes_, output_shapes_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<EngineRunner>> MakeOpenvinoRunner(ov::CompiledModel compiled,
                                                                 const LoadOptions& options) {
  try {
    auto runner = std::make_unique<OpenvinoRunner>(std::move(compiled), options);
    TY_RETURN_IF_ERROR(runner->ReadPorts());
    return runner;
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("OpenVINO makes no request: ", error.what()));
  }
}

}  // namespace trainyard::engine
