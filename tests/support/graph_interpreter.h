#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "libs/graph/graph.h"
#include "libs/tensor/tensor.h"
#include "onnx/onnx_pb.h"

namespace trainyard::testing {

/// Runs a small float graph the slow and obvious way, one scalar after another, in double: the
/// reference for tests of edits that must not change what a graph computes. Knows what the tests
/// need: Conv, BatchNormalization, Relu, Sigmoid, Exp, Add, Sub, Mul, MaxPool, GlobalAveragePool,
/// Concat, Split, Softmax (the last axis), Flatten, Gemm, Transpose, Reshape.
class GraphInterpreter {
 public:
  explicit GraphInterpreter(const graph::Graph& graph) : graph_(graph) {
    for (const std::string& name : graph.InitializerNames()) {
      values_[name] = *graph.Initializer(name);
    }
  }

  Tensor Run(const std::string& input, const Tensor& x, const std::string& output) {
    values_[input] = x;
    for (const onnx::NodeProto* node : graph_.nodes()) {
      if (node->op_type() == "Split") {
        Split(*node);
      } else {
        values_[node->output(0)] = Apply(*node);
      }
    }
    return values_.at(output);
  }

 private:
  const Tensor& In(const onnx::NodeProto& node, int i) { return values_.at(node.input(i)); }

  Tensor Apply(const onnx::NodeProto& node) {
    const std::string& op = node.op_type();
    if (op == "Conv") return Conv(node);
    if (op == "BatchNormalization") return BatchNorm(node);
    if (op == "Relu") return Map(In(node, 0), [](double v) { return std::max(v, 0.0); });
    if (op == "Sigmoid") return Map(In(node, 0), [](double v) { return 1 / (1 + std::exp(-v)); });
    if (op == "Exp") return Map(In(node, 0), [](double v) { return std::exp(v); });
    if (op == "Softmax") return Softmax(In(node, 0));
    if (op == "Sub") return Zip(node, [](double a, double b) { return a - b; });
    if (op == "Add") return Zip(node, [](double a, double b) { return a + b; });
    if (op == "Mul") return Zip(node, [](double a, double b) { return a * b; });
    if (op == "MaxPool") return MaxPool(node);
    if (op == "GlobalAveragePool") return GlobalAveragePool(In(node, 0));
    if (op == "Concat") return Concat(node);
    if (op == "Flatten") return *In(node, 0).Reshape({In(node, 0).dim(0), Rest(In(node, 0), 1)});
    if (op == "Gemm") return Gemm(node);
    if (op == "Transpose") return Transpose(node);
    if (op == "Reshape") return Reshape(node);
    ADD_FAILURE() << "the interpreter does not know " << op;
    return In(node, 0);
  }

  static int64_t Rest(const Tensor& x, int64_t first) {
    int64_t n = 1;
    for (int64_t i = first; i < x.rank(); ++i) n *= x.dim(i);
    return n;
  }

  template <typename F>
  static Tensor Map(const Tensor& x, F f) {
    Tensor y = x.Clone();
    for (float& v : y.data<float>()) v = static_cast<float>(f(v));
    return y;
  }

  template <typename F>
  Tensor Zip(const onnx::NodeProto& node, F f) {
    const Tensor &a = In(node, 0), &b = In(node, 1);
    Tensor y = a.Clone();
    const bool per_channel = a.rank() == 4 && b.rank() >= 3 && b.dim(-2) == 1 && b.dim(-1) == 1;
    const int64_t plane = per_channel ? a.dim(2) * a.dim(3) : 1;
    for (int64_t i = 0; i < a.size(); ++i) {
      const int64_t j = b.size() == 1 ? 0 : (i / plane) % b.size();
      y.data<float>()[i] = static_cast<float>(f(a.data<float>()[i], b.data<float>()[j]));
    }
    return y;
  }

  /// Calls visit(input index or -1 in the padding, ky, kx) for each tap of an output position.
  template <typename F>
  static void Taps(const Tensor& x, int64_t n, int64_t c, int64_t oy, int64_t ox, int64_t kh,
                   int64_t kw, const onnx::NodeProto& node, F visit) {
    const auto strides = graph::IntsAttribute(node, "strides", {1, 1});
    const auto pads = graph::IntsAttribute(node, "pads", {0, 0, 0, 0});
    for (int64_t ky = 0; ky < kh; ++ky) {
      for (int64_t kx = 0; kx < kw; ++kx) {
        const int64_t iy = oy * strides[0] + ky - pads[0], ix = ox * strides[1] + kx - pads[1];
        const bool inside = iy >= 0 && iy < x.dim(2) && ix >= 0 && ix < x.dim(3);
        visit(inside ? ((n * x.dim(1) + c) * x.dim(2) + iy) * x.dim(3) + ix : -1, ky, kx);
      }
    }
  }

  static int64_t OutSize(int64_t in, int64_t k, int axis, const onnx::NodeProto& node) {
    const auto strides = graph::IntsAttribute(node, "strides", {1, 1});
    const auto pads = graph::IntsAttribute(node, "pads", {0, 0, 0, 0});
    return (in + pads[axis] + pads[axis + 2] - k) / strides[axis] + 1;
  }

  Tensor Conv(const onnx::NodeProto& node) {
    const Tensor &x = In(node, 0), &w = In(node, 1);
    const int64_t groups = graph::IntAttribute(node, "group", 1);
    const int64_t per_group = w.dim(0) / groups;
    Tensor y =
        Tensor::Zeros(DType::kFloat32, {x.dim(0), w.dim(0), OutSize(x.dim(2), w.dim(2), 0, node),
                                        OutSize(x.dim(3), w.dim(3), 1, node)});
    float* out = y.data<float>().data();
    for (int64_t n = 0; n < y.dim(0); ++n) {
      for (int64_t o = 0; o < y.dim(1); ++o) {
        for (int64_t oy = 0; oy < y.dim(2); ++oy) {
          for (int64_t ox = 0; ox < y.dim(3); ++ox) {
            double sum = node.input_size() > 2 ? In(node, 2).data<float>()[o] : 0;
            for (int64_t i = 0; i < w.dim(1); ++i) {
              Taps(x, n, o / per_group * w.dim(1) + i, oy, ox, w.dim(2), w.dim(3), node,
                   [&](int64_t at, int64_t ky, int64_t kx) {
                     const int64_t tap = ((o * w.dim(1) + i) * w.dim(2) + ky) * w.dim(3) + kx;
                     if (at >= 0) sum += double{x.data<float>()[at]} * w.data<float>()[tap];
                   });
            }
            *out++ = static_cast<float>(sum);
          }
        }
      }
    }
    return y;
  }

  Tensor MaxPool(const onnx::NodeProto& node) {
    const Tensor& x = In(node, 0);
    const auto k = graph::IntsAttribute(node, "kernel_shape", {});
    Tensor y = Tensor::Zeros(DType::kFloat32, {x.dim(0), x.dim(1), OutSize(x.dim(2), k[0], 0, node),
                                               OutSize(x.dim(3), k[1], 1, node)});
    float* out = y.data<float>().data();
    for (int64_t n = 0; n < y.dim(0); ++n) {
      for (int64_t c = 0; c < y.dim(1); ++c) {
        for (int64_t oy = 0; oy < y.dim(2); ++oy) {
          for (int64_t ox = 0; ox < y.dim(3); ++ox) {
            float best = -std::numeric_limits<float>::infinity();
            Taps(x, n, c, oy, ox, k[0], k[1], node, [&](int64_t at, int64_t, int64_t) {
              if (at >= 0) best = std::max(best, x.data<float>()[at]);
            });
            *out++ = best;
          }
        }
      }
    }
    return y;
  }

  Tensor BatchNorm(const onnx::NodeProto& node) {
    Tensor y = In(node, 0).Clone();
    const double epsilon = graph::FloatAttribute(node, "epsilon", 1e-5f);
    const int64_t plane = Rest(y, 2);
    for (int64_t i = 0; i < y.size(); ++i) {
      const int64_t c = i / plane % y.dim(1);
      const auto at = [&](int input) { return double{In(node, input).data<float>()[c]}; };
      float& v = y.data<float>()[i];
      v = static_cast<float>((v - at(3)) / std::sqrt(at(4) + epsilon) * at(1) + at(2));
    }
    return y;
  }

  static Tensor GlobalAveragePool(const Tensor& x) {
    Tensor y = Tensor::Zeros(DType::kFloat32, {x.dim(0), x.dim(1), 1, 1});
    const int64_t plane = Rest(x, 2);
    for (int64_t i = 0; i < y.size(); ++i) {
      double sum = 0;
      for (int64_t p = 0; p < plane; ++p) sum += x.data<float>()[i * plane + p];
      y.data<float>()[i] = static_cast<float>(sum / static_cast<double>(plane));
    }
    return y;
  }

  Tensor Concat(const onnx::NodeProto& node) {
    const int64_t axis = graph::IntAttribute(node, "axis", 1);
    Shape shape = In(node, 0).shape();
    shape[axis] = 0;
    for (int i = 0; i < node.input_size(); ++i) shape[axis] += In(node, i).dim(axis);
    Tensor y = Tensor::Zeros(DType::kFloat32, shape);
    int64_t outer = 1;
    for (int64_t i = 0; i < axis; ++i) outer *= shape[i];
    float* out = y.data<float>().data();
    for (int64_t o = 0; o < outer; ++o) {
      for (int i = 0; i < node.input_size(); ++i) {
        const int64_t run = Rest(In(node, i), axis);
        const auto from = In(node, i).data<float>().subspan(o * run, run);
        out = std::copy(from.begin(), from.end(), out);
      }
    }
    return y;
  }

  /// Into parts along the last axis.
  void Split(const onnx::NodeProto& node) {
    const Tensor& x = In(node, 0);
    const auto sizes = In(node, 1).data<int64_t>();
    int64_t offset = 0;
    for (int part = 0; part < node.output_size(); ++part) {
      Shape shape = x.shape();
      shape.back() = sizes[part];
      Tensor y = Tensor::Zeros(DType::kFloat32, shape);
      for (int64_t i = 0; i < y.size(); ++i) {
        const int64_t row = i / sizes[part], column = i % sizes[part];
        y.data<float>()[i] = x.data<float>()[row * x.dim(-1) + offset + column];
      }
      offset += sizes[part];
      values_[node.output(part)] = y;
    }
  }

  static Tensor Softmax(const Tensor& x) {
    Tensor y = Map(x, [](double v) { return std::exp(v); });
    const int64_t width = x.dim(-1);
    for (int64_t row = 0; row < y.size() / width; ++row) {
      const auto values = y.data<float>().subspan(row * width, width);
      double sum = 0;
      for (const float v : values) sum += v;
      for (float& v : values) v = static_cast<float>(v / sum);
    }
    return y;
  }

  Tensor Gemm(const onnx::NodeProto& node) {
    const Tensor &a = In(node, 0), &b = In(node, 1);
    const bool transposed = graph::IntAttribute(node, "transB", 0) != 0;
    const int64_t depth = a.dim(1), units = transposed ? b.dim(0) : b.dim(1);
    Tensor y = Tensor::Zeros(DType::kFloat32, {a.dim(0), units});
    for (int64_t n = 0; n < a.dim(0); ++n) {
      for (int64_t u = 0; u < units; ++u) {
        double sum = node.input_size() > 2 ? In(node, 2).data<float>()[u] : 0;
        for (int64_t d = 0; d < depth; ++d) {
          sum += double{a.data<float>()[n * depth + d]} *
                 b.data<float>()[transposed ? u * depth + d : d * units + u];
        }
        y.data<float>()[n * units + u] = static_cast<float>(sum);
      }
    }
    return y;
  }

  Tensor Transpose(const onnx::NodeProto& node) {
    const Tensor& x = In(node, 0);
    const auto perm = graph::IntsAttribute(node, "perm", {});
    Shape shape, steps(x.rank(), 1);
    for (int64_t i = x.rank() - 2; i >= 0; --i) steps[i] = steps[i + 1] * x.dim(i + 1);
    for (const int64_t p : perm) shape.push_back(x.dim(p));
    Tensor y = Tensor::Zeros(DType::kFloat32, shape);
    for (int64_t i = 0; i < y.size(); ++i) {
      int64_t rest = i, from = 0;
      for (int64_t d = y.rank() - 1; d >= 0; --d) {
        from += rest % shape[d] * steps[perm[d]];
        rest /= shape[d];
      }
      y.data<float>()[i] = x.data<float>()[from];
    }
    return y;
  }

  Tensor Reshape(const onnx::NodeProto& node) {
    const Tensor& x = In(node, 0);
    const Tensor& sizes = In(node, 1);
    Shape shape(sizes.data<int64_t>().begin(), sizes.data<int64_t>().end());
    int64_t known = 1, open = -1;
    for (size_t i = 0; i < shape.size(); ++i) {
      if (shape[i] == 0) shape[i] = x.dim(static_cast<int64_t>(i));
      if (shape[i] < 0) {
        open = static_cast<int64_t>(i);
      } else {
        known *= shape[i];
      }
    }
    if (open >= 0) shape[open] = x.size() / known;
    return *x.Reshape(shape);
  }

  const graph::Graph& graph_;
  std::map<std::string, Tensor> values_;
};

/// A tensor with values that look random and are the same everywhere, in (-1, 1).
inline Tensor Wavy(Shape shape, double phase = 0.3) {
  Tensor tensor = Tensor::Zeros(DType::kFloat32, std::move(shape));
  for (int64_t i = 0; i < tensor.size(); ++i) {
    tensor.data<float>()[i] =
        static_cast<float>(std::sin(12.9898 * static_cast<double>(i) + phase));
  }
  return tensor;
}

/// The largest absolute difference of two tensors of one shape.
inline double MaxDifference(const Tensor& a, const Tensor& b) {
  EXPECT_EQ(a.shape(), b.shape());
  double worst = 0;
  for (int64_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    worst = std::max(worst, std::abs(double{a.data<float>()[i]} - b.data<float>()[i]));
  }
  return worst;
}

}  // namespace trainyard::testing
