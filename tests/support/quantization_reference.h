#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/random.h"
#include "libs/graph/builder.h"
#include "libs/graph/graph.h"
#include "libs/graph/runner.h"
#include "libs/tensor/tensor.h"
#include "onnx/onnx_pb.h"

namespace trainyard::testing {

/// Normal numbers times `scale`, the same for the same seed.
inline Tensor NormalTensor(Shape shape, uint64_t seed, double scale = 1) {
  Tensor tensor = Tensor::Zeros(DType::kFloat32, std::move(shape));
  Philox random(seed, 0, 0, RandomPurpose::kSampleData);
  for (float& value : tensor.data<float>()) value = static_cast<float>(scale * random.Normal());
  return tensor;
}

/// A residual block with a projection, between a stem and a head:
///
///     Input [N,3,8,8] -> conv1 -> relu1 -> conv2 -> add <- shortcut <- relu1
///     add -> relu2 -> head [N,4,8,8]
inline absl::StatusOr<graph::Graph> ResidualGraph() {
  graph::GraphBuilder builder("residual");
  const auto kernel = [](int64_t out, int64_t in, int64_t side, uint64_t seed) {
    return NormalTensor({out, in, side, side}, seed, std::sqrt(2.0 / (in * side * side)));
  };
  const std::string x = builder.Input("Input", {-1, 3, 8, 8});
  const std::string stem = builder.Relu(
      "relu1",
      builder.Conv("conv1", x, kernel(8, 3, 3, 1), NormalTensor({8}, 11, 0.1), {.pad = 1}));
  const std::string main =
      builder.Conv("conv2", stem, kernel(8, 8, 3, 2), NormalTensor({8}, 12, 0.1), {.pad = 1});
  const std::string side =
      builder.Conv("shortcut", stem, kernel(8, 8, 1, 3), NormalTensor({8}, 13, 0.1), {});
  const std::string sum = builder.Relu("relu2", builder.Add("add", main, side));
  builder.Output(builder.Conv("head", sum, kernel(4, 8, 3, 4), NormalTensor({4}, 14), {.pad = 1}),
                 {-1, 4, 8, 8});
  return std::move(builder).Finish();
}

/// Runs a graph of Conv (stride 1, one group), Relu, Add, QuantizeLinear and DequantizeLinear, one
/// scalar after another, in double. Gives any tensor of the graph as output.
class ReferenceRunner : public graph::GraphRunner {
 public:
  ReferenceRunner(const graph::Graph& graph, std::vector<std::string> outputs)
      : graph_(graph.Clone()), inputs_(graph.InputNames()), outputs_(std::move(outputs)) {}

  const std::vector<std::string>& input_names() const override { return inputs_; }
  const std::vector<std::string>& output_names() const override { return outputs_; }

  absl::StatusOr<std::vector<Tensor>> Run(absl::Span<const Tensor> inputs) override {
    values_.clear();
    for (const std::string& name : graph_.InitializerNames()) {
      values_[name] = *graph_.Initializer(name);
    }
    values_[inputs_[0]] = inputs[0];
    for (const onnx::NodeProto* node : graph_.nodes()) values_[node->output(0)] = Apply(*node);
    std::vector<Tensor> outputs;
    for (const std::string& name : outputs_) outputs.push_back(values_.at(name));
    return outputs;
  }

 private:
  Tensor Apply(const onnx::NodeProto& node) {
    const Tensor& x = values_.at(node.input(0));
    if (node.op_type() == "Conv") return Conv(x, node);
    if (node.op_type() == "QuantizeLinear") return Quantize(x, values_.at(node.input(1)));
    if (node.op_type() == "DequantizeLinear") return Dequantize(x, values_.at(node.input(1)));
    Tensor y = x.Clone();
    for (int64_t i = 0; i < y.size(); ++i) {
      float& value = y.data<float>()[i];
      value = node.op_type() == "Add" ? value + values_.at(node.input(1)).data<float>()[i]
                                      : std::max(value, 0.0f);
    }
    return y;
  }

  static Tensor Quantize(const Tensor& x, const Tensor& scale) {
    Tensor y = Tensor::Zeros(DType::kInt8, x.shape());
    for (int64_t i = 0; i < x.size(); ++i) {
      const float steps = std::nearbyint(x.data<float>()[i] / scale.data<float>()[0]);
      y.data<int8_t>()[i] = static_cast<int8_t>(std::clamp(steps, -128.0f, 127.0f));
    }
    return y;
  }

  /// A scale of one element is for all; else one for each index of the first axis.
  static Tensor Dequantize(const Tensor& x, const Tensor& scale) {
    Tensor y = Tensor::Zeros(DType::kFloat32, x.shape());
    const int64_t block = x.size() / scale.size();
    for (int64_t i = 0; i < x.size(); ++i) {
      y.data<float>()[i] = static_cast<float>(x.data<int8_t>()[i]) * scale.data<float>()[i / block];
    }
    return y;
  }

  Tensor Conv(const Tensor& x, const onnx::NodeProto& node) {
    const Tensor& kernel = values_.at(node.input(1));
    const Tensor& bias = values_.at(node.input(2));
    const int64_t pad = graph::IntsAttribute(node, "pads", {0, 0, 0, 0})[0];
    const int64_t height = x.dim(2) + 2 * pad - kernel.dim(2) + 1;
    const int64_t width = x.dim(3) + 2 * pad - kernel.dim(3) + 1;
    Tensor y = Tensor::Zeros(DType::kFloat32, {x.dim(0), kernel.dim(0), height, width});
    int64_t at = 0;
    for (int64_t n = 0; n < x.dim(0); ++n) {
      for (int64_t o = 0; o < kernel.dim(0); ++o) {
        for (int64_t row = 0; row < height; ++row) {
          for (int64_t column = 0; column < width; ++column) {
            y.data<float>()[at++] = static_cast<float>(
                bias.data<float>()[o] + Patch(x, kernel, n, o, row - pad, column - pad));
          }
        }
      }
    }
    return y;
  }

  static double Patch(const Tensor& x, const Tensor& kernel, int64_t n, int64_t o, int64_t top,
                      int64_t left) {
    double sum = 0;
    for (int64_t c = 0; c < x.dim(1); ++c) {
      for (int64_t i = 0; i < kernel.dim(2); ++i) {
        for (int64_t j = 0; j < kernel.dim(3); ++j) {
          const int64_t row = top + i, column = left + j;
          if (row < 0 || column < 0 || row >= x.dim(2) || column >= x.dim(3)) continue;
          const int64_t from = ((n * x.dim(1) + c) * x.dim(2) + row) * x.dim(3) + column;
          const int64_t k = ((o * kernel.dim(1) + c) * kernel.dim(2) + i) * kernel.dim(3) + j;
          sum += double{x.data<float>()[from]} * kernel.data<float>()[k];
        }
      }
    }
    return sum;
  }

  graph::Graph graph_;
  std::vector<std::string> inputs_, outputs_;
  std::map<std::string, Tensor> values_;
};

/// Root mean square of the difference over that of `wanted`.
inline double RelativeError(const Tensor& wanted, const Tensor& got) {
  double difference = 0, size = 0;
  for (int64_t i = 0; i < wanted.size(); ++i) {
    const double error = double{wanted.data<float>()[i]} - got.data<float>()[i];
    difference += error * error;
    size += double{wanted.data<float>()[i]} * wanted.data<float>()[i];
  }
  return std::sqrt(difference / size);
}

inline double LargestDifference(const Tensor& a, const Tensor& b) {
  double largest = 0;
  for (int64_t i = 0; i < a.size(); ++i) {
    largest = std::max<double>(largest, std::abs(a.data<float>()[i] - b.data<float>()[i]));
  }
  return largest;
}

}  // namespace trainyard::testing
