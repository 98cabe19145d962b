#pragma once

#include <cmath>
#include <functional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "libs/base/random.h"
#include "libs/graph/builder.h"
#include "libs/graph/graph.h"
#include "libs/tensor/tensor.h"
#include "onnx/onnx_pb.h"

namespace trainyard::testing {

/// What lies in the kernels of a zoo graph.
enum class ZooWeights {
  /// Normal numbers, filters of different strength, batch normalization with all its terms.
  kFull,
  /// The same, but every fourth filter (1, 5, 9...) makes exactly zero, its bias and shift
  /// included, in every layer but the head: removing such filters must change no output.
  kSilent,
};

/// A small network of a family that people train: f32 input "Input" of [N, 3, 16, 16]; its layers
/// are wide enough to lose some filters, and end in the Conv or Gemm "head".
struct ZooGraph {
  std::string name;
  std::function<onnx::ModelProto(ZooWeights)> build;
};

/// Whether kSilent silences this filter.
inline bool IsSilent(int64_t filter) { return filter % 4 == 1; }

/// Writes layers with weights; every layer is "<name>", its normalization "<name>_bn" and its
/// activation "<name>_relu". All maps are 16 x 16 unless a stride says otherwise.
class ZooNet {
 public:
  explicit ZooNet(ZooWeights weights) : weights_(weights), builder_("zoo") {
    builder_.Input("Input", {-1, 3, 16, 16});
  }

  /// Filters along `axis`; of unit gain for normal inputs.
  Tensor Kernel(const Shape& shape, int64_t axis = 0, bool may_be_silent = true) {
    Tensor kernel = Tensor::Zeros(DType::kFloat32, shape);
    Philox random(seed_++, 0, 0, RandomPurpose::kInitialization);
    const int64_t filters = shape[axis];
    const double gain = std::sqrt(2.0 * static_cast<double>(filters) / kernel.size());
    std::vector<double> strength(filters);
    for (double& s : strength) s = 0.5 + random.Uniform();
    int64_t inner = 1;
    for (int64_t i = axis + 1; i < kernel.rank(); ++i) inner *= shape[i];
    for (int64_t i = 0; i < kernel.size(); ++i) {
      const int64_t filter = i / inner % filters;
      const bool silent = may_be_silent && weights_ == ZooWeights::kSilent && IsSilent(filter);
      const double value = random.Normal() * gain * strength[filter];
      kernel.data<float>()[i] = silent ? 0.0f : static_cast<float>(value);
    }
    return kernel;
  }
  /// One number a channel, `low` to `high`; 0 for silent ones where `may_be_silent`.
  Tensor Vector(int64_t channels, double low, double high, bool may_be_silent = true) {
    Tensor vector = Tensor::Zeros(DType::kFloat32, {channels});
    Philox random(seed_++, 0, 0, RandomPurpose::kInitialization);
    for (int64_t c = 0; c < channels; ++c) {
      const bool silent = may_be_silent && weights_ == ZooWeights::kSilent && IsSilent(c);
      const double value = low + (high - low) * random.Uniform();
      vector.data<float>()[c] = silent ? 0.0f : static_cast<float>(value);
    }
    return vector;
  }

  std::string Conv(const std::string& name, const std::string& x, int64_t in, int64_t out,
                   int64_t kernel = 1, graph::Window window = {}) {
    window.pad = kernel / 2;
    return builder_.Conv(name, x, Kernel({out, in / window.group, kernel, kernel}),
                         Vector(out, -0.2, 0.2), window);
  }
  std::string BatchNorm(const std::string& name, const std::string& x, int64_t channels) {
    return builder_.BatchNorm(name, x,
                              {.gamma = Vector(channels, 0.7, 1.3, false),
                               .beta = Vector(channels, -0.3, 0.3),
                               .mean = Vector(channels, -0.2, 0.2),
                               .variance = Vector(channels, 0.6, 1.6, false)});
  }
  std::string ConvBnRelu(const std::string& name, const std::string& x, int64_t in, int64_t out,
                         int64_t kernel = 1, graph::Window window = {}) {
    const std::string y = BatchNorm(name + "_bn", Conv(name, x, in, out, kernel, window), out);
    return builder_.Relu(name + "_relu", y);
  }
  std::string Up(const std::string& name, const std::string& x) {
    const std::string scales = builder_.Initializer(
        name + "/scales", Tensor::Of<float>({4}, std::vector<float>{1, 1, 2, 2}));
    return builder_.Node("Resize", name, {x, "", scales},
                         {{"mode", std::string("nearest")},
                          {"coordinate_transformation_mode", std::string("asymmetric")},
                          {"nearest_mode", std::string("floor")}});
  }
  std::string Ints(const std::string& name, const std::vector<int64_t>& values) {
    return builder_.Initializer(name,
                                Tensor::Of<int64_t>({static_cast<int64_t>(values.size())}, values));
  }
  std::string Gemm(const std::string& name, const std::string& x, int64_t in, int64_t out,
                   bool may_be_silent = true) {
    const Tensor kernel = Kernel({out, in}, 0, may_be_silent);
    return builder_.Node(
        "Gemm", name,
        {x, builder_.Initializer(name + "/kernel", kernel),
         builder_.Initializer(name + "/bias", Vector(out, -0.2, 0.2, may_be_silent))},
        {{"transB", int64_t{1}}});
  }
  graph::GraphBuilder& operator()() { return builder_; }

  /// Ends with a 1 x 1 convolution of four channels on a map of `size` x `size`.
  onnx::ModelProto ConvHead(const std::string& x, int64_t in, int64_t size = 16) {
    builder_.Output(
        builder_.Conv("head", x, Kernel({4, in, 1, 1}, 0, false), Vector(4, -1, 1, false), {}),
        {-1, 4, size, size});
    return Finish();
  }
  onnx::ModelProto GemmHead(const std::string& x, int64_t in) {
    builder_.Output(Gemm("head", x, in, 4, false), {-1, 4});
    return Finish();
  }
  onnx::ModelProto Finish() {
    absl::StatusOr<graph::Graph> graph = std::move(builder_).Finish();
    if (!graph.ok()) ADD_FAILURE() << graph.status();
    return graph.ok() ? graph->proto() : onnx::ModelProto();
  }

 private:
  const ZooWeights weights_;
  graph::GraphBuilder builder_;
  uint64_t seed_ = 100;
};

// --- the families; each is one paper's idea in three to eight layers

inline onnx::ModelProto Residual(ZooWeights weights, bool projection) {
  ZooNet net(weights);
  std::string x = net.ConvBnRelu("stem", "Input", 3, 16, 3);
  for (const std::string unit : {"a", "b"}) {
    std::string y = net.ConvBnRelu(unit + "1", x, 16, 16, 3);
    y = net.BatchNorm(unit + "2_bn", net.Conv(unit + "2", y, 16, 16, 3), 16);
    if (projection) x = net.BatchNorm(unit + "s_bn", net.Conv(unit + "s", x, 16, 16), 16);
    x = net().Relu(unit + "_relu", net().Add(unit + "_add", y, x));
  }
  return net.ConvHead(x, 16);
}

inline onnx::ModelProto Inception(ZooWeights weights) {
  ZooNet net(weights);
  const std::string x = net.ConvBnRelu("stem", "Input", 3, 16, 3);
  const std::string a = net.ConvBnRelu("a", x, 16, 8);
  const std::string b = net.ConvBnRelu("b2", net.ConvBnRelu("b1", x, 16, 8), 8, 12, 3);
  const std::string pool = net().Node(
      "AveragePool", "pool", {x},
      {{"kernel_shape", std::vector<int64_t>{3, 3}}, {"pads", std::vector<int64_t>{1, 1, 1, 1}}});
  const std::string c = net.ConvBnRelu("c", pool, 16, 8);
  return net.ConvHead(net.ConvBnRelu("mix", net().Concat("all", {a, b, c}, 1), 28, 16, 3), 16);
}

inline onnx::ModelProto Fire(ZooWeights weights) {
  ZooNet net(weights);
  std::string x = net().Relu("stem_relu", net.Conv("stem", "Input", 3, 16, 3));
  for (const std::string fire : {"f1", "f2"}) {
    x = net().Relu(fire + "s_relu", net.Conv(fire + "s", x, fire == "f1" ? 16 : 24, 8));
    const std::string a = net().Relu(fire + "a_relu", net.Conv(fire + "a", x, 8, 12));
    const std::string b = net().Relu(fire + "b_relu", net.Conv(fire + "b", x, 8, 12, 3));
    x = net().Concat(fire, {a, b}, 1);
  }
  return net.ConvHead(x, 24);
}

inline onnx::ModelProto UNet(ZooWeights weights, bool transposed) {
  ZooNet net(weights);
  const std::string wide = net.ConvBnRelu("down1", "Input", 3, 16, 3);
  std::string x = net().MaxPool("pool", wide, 2, {.stride = 2});
  x = net.ConvBnRelu("down2", x, 16, 24, 3);
  if (transposed) {
    x = net().Node(
        "ConvTranspose", "up", {x, net().Initializer("up/kernel", net.Kernel({24, 16, 2, 2}, 1))},
        {{"strides", std::vector<int64_t>{2, 2}}, {"kernel_shape", std::vector<int64_t>{2, 2}}});
  } else {
    x = net.Up("up", x);
  }
  x = net().Concat("skip", {x, wide}, 1);
  return net.ConvHead(net.ConvBnRelu("last", x, transposed ? 32 : 40, 16, 3), 16);
}

inline onnx::ModelProto DenseNet(ZooWeights weights) {
  ZooNet net(weights);
  std::string x = net.Conv("stem", "Input", 3, 16, 3);
  int64_t width = 16;
  for (const std::string layer : {"a", "b", "c"}) {
    const std::string y = net().Relu(layer + "_relu", net.BatchNorm(layer + "_bn", x, width));
    x = net().Concat(layer + "_cat", {x, net.Conv(layer, y, width, 8, 3)}, 1);
    width += 8;
  }
  x = net().Relu("last_relu", net.BatchNorm("last_bn", x, width));
  return net.ConvHead(x, width);
}

inline onnx::ModelProto DepthwiseSeparable(ZooWeights weights) {
  ZooNet net(weights);
  std::string x = net.ConvBnRelu("stem", "Input", 3, 16, 3);
  x = net.ConvBnRelu("dw1", x, 16, 16, 3, {.group = 16});
  x = net.ConvBnRelu("pw1", x, 16, 24);
  x = net.ConvBnRelu("dw2", x, 24, 24, 3, {.stride = 2, .group = 24});
  return net.ConvHead(net.ConvBnRelu("pw2", x, 24, 16), 16, 8);
}

inline onnx::ModelProto InvertedResidual(ZooWeights weights) {
  ZooNet net(weights);
  std::string x = net.ConvBnRelu("stem", "Input", 3, 16, 3);
  for (const std::string unit : {"a", "b"}) {
    std::string y = net.ConvBnRelu(unit + "_expand", x, 16, 48);
    y = net.ConvBnRelu(unit + "_dw", y, 48, 48, 3, {.group = 48});
    y = net.BatchNorm(unit + "_project_bn", net.Conv(unit + "_project", y, 48, 16), 16);
    x = net().Add(unit + "_add", x, y);
  }
  return net.ConvHead(x, 16);
}

inline onnx::ModelProto SqueezeExcite(ZooWeights weights) {
  ZooNet net(weights);
  std::string x = net.ConvBnRelu("stem", "Input", 3, 16, 3);
  std::string gate = net().Node("GlobalAveragePool", "pool", {x});
  gate = net().Relu("reduce_relu", net.Conv("reduce", gate, 16, 8));
  gate = net().Node("Sigmoid", "gate", {net.Conv("expand", gate, 8, 16)});
  return net.ConvHead(net.ConvBnRelu("last", net().Node("Mul", "scale", {x, gate}), 16, 16, 3), 16);
}

/// HardSwish, PRelu with a slope a channel, LeakyRelu, Clip, and constants that scale channels.
inline onnx::ModelProto Activations(ZooWeights weights) {
  ZooNet net(weights);
  std::string x = net().Node("HardSwish", "swish", {net.Conv("a", "Input", 3, 16, 3)});
  Tensor slope = *net.Vector(16, 0.1, 0.4, false).Reshape({16, 1, 1});
  x = net().Node("PRelu", "prelu",
                 {net.Conv("b", x, 16, 16, 3), net().Initializer("slope", slope)});
  Tensor scale = *net.Vector(16, 0.5, 1.5, false).Reshape({1, 16, 1, 1});
  x = net().Node("Mul", "scaled", {x, net().Initializer("scale", scale)});
  x = net().Node("LeakyRelu", "leaky", {net.Conv("c", x, 16, 16, 3)}, {{"alpha", 0.1f}});
  const auto bound = [&](const std::string& name, float value) {
    return net().Initializer(name, Tensor::Of<float>({}, std::vector<float>{value}));
  };
  x = net().Node("Clip", "relu6", {net.Conv("d", x, 16, 16), bound("low", 0), bound("high", 6)});
  return net.ConvHead(x, 16);
}

inline onnx::ModelProto FeaturePyramid(ZooWeights weights) {
  ZooNet net(weights);
  const std::string c1 = net.ConvBnRelu("c1", "Input", 3, 16, 3);
  const std::string c2 = net.ConvBnRelu("c2", c1, 16, 24, 3, {.stride = 2});
  const std::string p2 = net.Conv("p2", c2, 24, 16);
  const std::string sum = net().Add("merge", net.Conv("p1", c1, 16, 16), net.Up("up", p2));
  return net.ConvHead(net.ConvBnRelu("smooth", sum, 16, 16, 3), 16);
}

inline onnx::ModelProto FlattenAndDense(ZooWeights weights) {
  ZooNet net(weights);
  std::string x = net.ConvBnRelu("a", "Input", 3, 16, 3, {.stride = 2});
  x = net().MaxPool("pool", x, 2, {.stride = 2});
  x = net().Node("Flatten", "flat", {x}, {{"axis", int64_t{1}}});
  x = net().Relu("fc1_relu", net.Gemm("fc1", x, 16 * 16, 24));
  return net.GemmHead(x, 24);
}

/// MatMul and Add in place of Gemm, as TensorFlow and Keras write dense layers.
inline onnx::ModelProto MatMulAndAdd(ZooWeights weights) {
  ZooNet net(weights);
  std::string x = net.ConvBnRelu("a", "Input", 3, 16, 3, {.stride = 2});
  x = net().Node("GlobalAveragePool", "pool", {x});
  x = net().Node("Flatten", "flat", {x}, {{"axis", int64_t{1}}});
  x = net().Node("MatMul", "fc1", {x, net().Initializer("fc1/kernel", net.Kernel({16, 16}, 1))});
  x = net().Add("fc1_sum", x, net().Initializer("fc1/bias", net.Vector(16, -0.2, 0.2)));
  return net.GemmHead(net().Relu("fc1_relu", x), 16);
}

inline onnx::ModelProto GroupedConv(ZooWeights weights) {
  ZooNet net(weights);
  std::string x = net.ConvBnRelu("a", "Input", 3, 16, 3);
  x = net.ConvBnRelu("grouped", x, 16, 16, 3, {.group = 4});
  return net.ConvHead(net.ConvBnRelu("b", x, 16, 16), 16);
}

inline onnx::ModelProto ChannelShuffle(ZooWeights weights) {
  ZooNet net(weights);
  std::string x = net.ConvBnRelu("a", "Input", 3, 16, 3);
  x = net().Reshape("split_groups", x, {0, 4, 4, 16, 16});
  x = net().Transpose("swap", x, {0, 2, 1, 3, 4});
  x = net().Reshape("join_groups", x, {0, 16, 16, 16});
  return net.ConvHead(net.ConvBnRelu("b", x, 16, 16), 16);
}

/// Cross-stage partial: one half of the channels goes around a block.
inline onnx::ModelProto CrossStagePartial(ZooWeights weights) {
  ZooNet net(weights);
  const std::string x = net.ConvBnRelu("a", "Input", 3, 16, 3);
  const std::vector<std::string> halves = net().Nodes(
      "Split", "split", {x, net.Ints("split/sizes", {8, 8})}, 2, {{"axis", int64_t{1}}});
  const std::string y = net.ConvBnRelu("b", halves[1], 8, 8, 3);
  return net.ConvHead(net.ConvBnRelu("c", net().Concat("join", {halves[0], y}, 1), 16, 16), 16);
}

inline onnx::ModelProto ReduceMeanPool(ZooWeights weights) {
  ZooNet net(weights);
  std::string x = net.ConvBnRelu("a", "Input", 3, 16, 3);
  x = net().Node("ReduceMean", "mean", {x},
                 {{"axes", std::vector<int64_t>{2, 3}}, {"keepdims", int64_t{0}}});
  x = net().Relu("fc1_relu", net.Gemm("fc1", x, 16, 16));
  return net.GemmHead(x, 16);
}

/// One head on two levels, as RetinaNet has it: the same weights behind two producers.
inline onnx::ModelProto SharedHead(ZooWeights weights) {
  ZooNet net(weights);
  const std::string p1 = net.ConvBnRelu("p1", "Input", 3, 16, 3);
  const std::string p2 = net.ConvBnRelu("p2", p1, 16, 16, 3, {.stride = 2});
  const std::string tower = net().Initializer("tower/kernel", net.Kernel({16, 16, 3, 3}));
  const std::string head = net().Initializer("head/kernel", net.Kernel({4, 16, 1, 1}, 0, false));
  for (const auto& [level, x, size] : {std::tuple("1", p1, 16), std::tuple("2", p2, 8)}) {
    const std::string name = std::string("tower") + level;
    std::string y =
        net().Node("Conv", name, {x, tower}, {{"pads", std::vector<int64_t>{1, 1, 1, 1}}});
    y = net().Node("Conv", std::string("head") + level, {net().Relu(name + "_relu", y), head});
    net().Output(y, {-1, 4, size, size});
  }
  return net.Finish();
}

/// An auto-encoder whose decoder reads the encoder's weights the other way round.
inline onnx::ModelProto TiedWeights(ZooWeights weights) {
  ZooNet net(weights);
  std::string x = net.ConvBnRelu("a", "Input", 3, 16, 3);
  x = net().Node("Flatten", "flat", {net().Node("GlobalAveragePool", "pool", {x})});
  Tensor kernel = net.Kernel({16, 8}, 1);
  for (int64_t i = 0; weights == ZooWeights::kSilent && i < kernel.size(); ++i) {
    if (IsSilent(i / 8)) kernel.data<float>()[i] = 0;  // a filter of the decoder
  }
  const std::string tied = net().Initializer("tied", kernel);
  x = net().Relu("encode_relu", net().Node("Gemm", "encode", {x, tied}));
  x = net().Node("Gemm", "decode", {x, tied}, {{"transB", int64_t{1}}});
  return net.GemmHead(net().Relu("decode_relu", x), 16);
}

// --- the ways in which exporters write shapes down

/// Shapes and scales in Constant nodes, as PyTorch writes them.
inline onnx::ModelProto ConstantNodes(ZooWeights weights) {
  ZooNet net(weights);
  std::string x = net.ConvBnRelu("a", "Input", 3, 16, 3, {.stride = 2});
  const std::string scales =
      net().Node("Constant", "scales", {},
                 {{"value", Tensor::Of<float>({4}, std::vector<float>{1, 1, 2, 2})}});
  x = net().Node("Resize", "up", {x, "", scales}, {{"mode", std::string("nearest")}});
  x = net.ConvBnRelu("b", x, 16, 16, 3);
  x = net().Node("GlobalAveragePool", "pool", {x});
  const std::string shape = net().Node(
      "Constant", "shape", {}, {{"value", Tensor::Of<int64_t>({2}, std::vector<int64_t>{0, -1})}});
  return net.GemmHead(net().Node("Reshape", "flat", {x, shape}), 16);
}

/// x.view(-1, C): the batch is what is left.
inline onnx::ModelProto ReshapeToRows(ZooWeights weights) {
  ZooNet net(weights);
  std::string x = net.ConvBnRelu("a", "Input", 3, 16, 3);
  x = net().Reshape("rows", net().Node("GlobalAveragePool", "pool", {x}), {-1, 16});
  x = net().Relu("fc1_relu", net.Gemm("fc1", x, 16, 16));
  return net.GemmHead(x, 16);
}

/// x.view(x.size(0), -1) of PyTorch: Shape, Gather, Unsqueeze, Concat, Reshape.
inline onnx::ModelProto TorchView(ZooWeights weights) {
  ZooNet net(weights);
  std::string x = net.ConvBnRelu("a", "Input", 3, 16, 3, {.stride = 2});
  x = net().MaxPool("pool", x, 2, {.stride = 2});
  const std::string first = net().Node(
      "Constant", "first", {}, {{"value", Tensor::Of<int64_t>({}, std::vector<int64_t>{0})}});
  const std::string batch = net().Node(
      "Gather", "batch", {net().Node("Shape", "shape", {x}), first}, {{"axis", int64_t{0}}});
  const std::string row = net().Node("Unsqueeze", "row", {batch, net.Ints("axes", {0})});
  const std::string rest = net().Node(
      "Constant", "rest", {}, {{"value", Tensor::Of<int64_t>({1}, std::vector<int64_t>{-1})}});
  const std::string target = net().Concat("target", {row, rest}, 0);
  x = net().Node("Reshape", "flat", {x, target});
  x = net().Relu("fc1_relu", net.Gemm("fc1", x, 16 * 16, 24));
  return net.GemmHead(x, 24);
}

/// interpolate(x, size=y.shape[2:]) of PyTorch: a Resize to sizes that are worked out.
inline onnx::ModelProto TorchInterpolate(ZooWeights weights) {
  ZooNet net(weights);
  const std::string wide = net.ConvBnRelu("down1", "Input", 3, 16, 3);
  std::string x = net.ConvBnRelu("down2", wide, 16, 24, 3, {.stride = 2});
  const auto slice = [&](const std::string& name, const std::string& of, int64_t from, int64_t to) {
    const std::string shape = net().Node("Shape", name + "_shape", {of});
    return net().Node("Slice", name,
                      {shape, net.Ints(name + "_from", {from}), net.Ints(name + "_to", {to})});
  };
  const std::string sizes =
      net().Concat("sizes", {slice("kept", x, 0, 2), slice("map", wide, 2, 4)}, 0);
  x = net().Node("Resize", "up", {x, "", "", sizes}, {{"mode", std::string("linear")}});
  x = net().Concat("skip", {x, wide}, 1);
  return net.ConvHead(net.ConvBnRelu("last", x, 40, 16, 3), 16);
}

/// An If whose branches read a layer's map from outside.
inline onnx::ModelProto IfBodies(ZooWeights weights) {
  ZooNet net(weights);
  std::string x = net.ConvBnRelu("a", "Input", 3, 16, 3);
  x = net.ConvBnRelu("b", x, 16, 16, 3);
  net().Initializer("condition", Tensor::Of<bool>({}, {true}));
  onnx::ModelProto model = net.ConvHead(x, 16);
  onnx::GraphProto& graph = *model.mutable_graph();
  onnx::NodeProto* choose = graph.add_node();
  choose->set_op_type("If");
  choose->set_name("choose");
  choose->add_input("condition");
  choose->add_output("chosen");
  for (const auto& [branch, op] :
       {std::pair("then_branch", "Neg"), std::pair("else_branch", "Abs")}) {
    auto* attribute = choose->add_attribute();
    attribute->set_name(branch);
    attribute->set_type(onnx::AttributeProto::GRAPH);
    onnx::GraphProto& body = *attribute->mutable_g();
    body.set_name(branch);
    auto* inner = body.add_node();
    inner->set_op_type(op);
    inner->add_input("a_relu");
    inner->add_output(std::string(branch) + "_out");
    auto* output = body.add_output();
    output->set_name(inner->output(0));
    output->mutable_type()->mutable_tensor_type()->set_elem_type(onnx::TensorProto::FLOAT);
  }
  auto* output = graph.add_output();
  *output = graph.input(0);
  output->set_name("chosen");
  output->mutable_type()->mutable_tensor_type()->mutable_shape()->mutable_dim(1)->set_dim_value(16);
  return model;
}

/// A file of IR 3: every initializer is a graph input as well.
inline onnx::ModelProto AsIr3(onnx::ModelProto model) {
  model.set_ir_version(3);
  for (const onnx::TensorProto& tensor : model.graph().initializer()) {
    onnx::ValueInfoProto* input = model.mutable_graph()->add_input();
    input->set_name(tensor.name());
    auto* type = input->mutable_type()->mutable_tensor_type();
    type->set_elem_type(tensor.data_type());
    type->mutable_shape();
    for (const int64_t dim : tensor.dims()) type->mutable_shape()->add_dim()->set_dim_value(dim);
  }
  return model;
}

/// The same network in the words of an older opset, 11 to 17.
inline onnx::ModelProto AtOpset(onnx::ModelProto model, int64_t opset) {
  model.mutable_opset_import(0)->set_version(opset);
  for (onnx::NodeProto& node : *model.mutable_graph()->mutable_node()) {
    if (opset < 14 && node.op_type() == "BatchNormalization") {
      auto& attributes = *node.mutable_attribute();
      for (int i = attributes.size() - 1; i >= 0; --i) {
        if (attributes[i].name() == "training_mode") attributes.DeleteSubrange(i, 1);
      }
    }
    const std::string& op = node.op_type();
    if (opset >= 13 || (op != "Split" && op != "Unsqueeze")) continue;
    auto* attribute = node.add_attribute();
    attribute->set_name(op == "Split" ? "split" : "axes");
    attribute->set_type(onnx::AttributeProto::INTS);
    for (const auto& tensor : model.graph().initializer()) {
      if (tensor.name() != node.input(1)) continue;
      const Tensor values = *graph::TensorFromProto(tensor);
      for (const int64_t value : values.data<int64_t>()) attribute->add_ints(value);
    }
    node.mutable_input()->DeleteSubrange(1, 1);
  }
  return model;
}

/// Every family once, by name.
inline const std::vector<ZooGraph>& Zoo() {
  static const auto& zoo = *new std::vector<ZooGraph>{
      {"residual", [](ZooWeights w) { return Residual(w, false); }},
      {"residual with projections", [](ZooWeights w) { return Residual(w, true); }},
      {"inception", Inception},
      {"fire", Fire},
      {"u-net", [](ZooWeights w) { return UNet(w, false); }},
      {"u-net with transposed convolutions", [](ZooWeights w) { return UNet(w, true); }},
      {"densenet", DenseNet},
      {"depthwise separable", DepthwiseSeparable},
      {"inverted residual", InvertedResidual},
      {"squeeze and excite", SqueezeExcite},
      {"activations and scales", Activations},
      {"feature pyramid", FeaturePyramid},
      {"flatten and dense", FlattenAndDense},
      {"matmul and add", MatMulAndAdd},
      {"grouped convolution", GroupedConv},
      {"channel shuffle", ChannelShuffle},
      {"cross-stage partial", CrossStagePartial},
      {"reduce mean", ReduceMeanPool},
      {"shared head", SharedHead},
      {"tied weights", TiedWeights},
      {"constant nodes", ConstantNodes},
      {"reshape to rows", ReshapeToRows},
      {"torch view", TorchView},
      {"torch interpolate", TorchInterpolate},
      {"if bodies", IfBodies},
      {"residual of IR 3", [](ZooWeights w) { return AsIr3(Residual(w, true)); }},
      {"residual of opset 11", [](ZooWeights w) { return AtOpset(Residual(w, true), 11); }},
      {"inception of opset 13", [](ZooWeights w) { return AtOpset(Inception(w), 13); }},
      {"cross-stage partial of opset 12",
       [](ZooWeights w) { return AtOpset(CrossStagePartial(w), 12); }},
      {"torch view of opset 11", [](ZooWeights w) { return AtOpset(TorchView(w), 11); }},
  };
  return zoo;
}

}  // namespace trainyard::testing
