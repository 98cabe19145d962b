#include <algorithm>
#include <cmath>

#include "libs/training/torch_tensor.h"
#include "tests/support/status_matchers.h"
#include "tests/support/training_graphs.h"

namespace trainyard::training {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatNear;
using ::testing::HasSubstr;
using ::testing::Pointwise;
using ::trainyard::testing::Floats;
using ::trainyard::testing::Ints;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::OneNode;
using ::trainyard::testing::RandomTensor;
using ::trainyard::testing::RunGraph;
using ::trainyard::testing::StatusIs;
using Constants = std::vector<std::pair<std::string, Tensor>>;

Tensor RunNode(absl::string_view op, const Tensor& x, const Constants& constants,
           const std::vector<graph::NodeAttribute>& attributes, const Shape& output) {
  auto graph = OneNode(op, x.shape(), constants, attributes, output);
  EXPECT_THAT(graph, IsOk());
  if (!graph.ok()) return Tensor();
  auto result = RunGraph(*graph, x);
  EXPECT_THAT(result, IsOk());
  if (!result.ok()) return Tensor();
  EXPECT_EQ(result->shape(), output);
  return *result;
}

std::vector<float> Values(const Tensor& tensor) {
  const auto values = tensor.data<float>();
  return {values.begin(), values.end()};
}

struct ConvCase {
  int64_t group, stride, dilation, top, left, bottom, right;
};

// Seven loops, in double.
Tensor SlowConv(const Tensor& x, const Tensor& w, const Tensor& b, const ConvCase& c) {
  const auto size = [&](int axis, int64_t before, int64_t after) {
    const int64_t reach = (w.dim(axis) - 1) * c.dilation + 1;
    return (x.dim(axis) + before + after - reach) / c.stride + 1;
  };
  const int64_t rows = size(2, c.top, c.bottom), columns = size(3, c.left, c.right);
  Tensor y = Tensor::Zeros(DType::kFloat32, {x.dim(0), w.dim(0), rows, columns});
  const auto at = [](const Tensor& t, int64_t i, int64_t j, int64_t k, int64_t l) -> double {
    return t.data<float>()[((i * t.dim(1) + j) * t.dim(2) + k) * t.dim(3) + l];
  };
  size_t position = 0;
  for (int64_t n = 0; n < x.dim(0); ++n)
    for (int64_t o = 0; o < w.dim(0); ++o)
      for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < columns; ++j) {
          double sum = b.data<float>()[o];
          const int64_t first = o / (w.dim(0) / c.group) * w.dim(1);
          for (int64_t q = 0; q < w.dim(1); ++q)
            for (int64_t u = 0; u < w.dim(2); ++u)
              for (int64_t v = 0; v < w.dim(3); ++v) {
                const int64_t r = i * c.stride + u * c.dilation - c.top;
                const int64_t s = j * c.stride + v * c.dilation - c.left;
                if (r < 0 || s < 0 || r >= x.dim(2) || s >= x.dim(3)) continue;
                sum += at(x, n, first + q, r, s) * at(w, o, q, u, v);
              }
          y.data<float>()[position++] = static_cast<float>(sum);
        }
  return y;
}

TEST(ConvTest, AgreesWithSevenLoops) {
  const ConvCase cases[] = {{1, 1, 1, 1, 1, 1, 1}, {1, 2, 1, 1, 1, 1, 1}, {2, 1, 1, 0, 0, 0, 0},
                            {4, 1, 1, 1, 1, 1, 1}, {1, 1, 2, 2, 2, 2, 2}, {1, 2, 1, 0, 0, 1, 1},
                            {2, 2, 2, 1, 0, 3, 2}};
  for (const ConvCase& c : cases) {
    const Tensor x = RandomTensor({2, 4, 9, 7}, 1);
    const Tensor w = RandomTensor({8, 4 / c.group, 3, 3}, 2);
    const Tensor b = RandomTensor({8}, 3);
    const Tensor expected = SlowConv(x, w, b, c);
    const Tensor actual =
        RunNode("Conv", x, {{"w", w}, {"b", b}},
            {{"strides", std::vector<int64_t>{c.stride, c.stride}},
             {"dilations", std::vector<int64_t>{c.dilation, c.dilation}},
             {"pads", std::vector<int64_t>{c.top, c.left, c.bottom, c.right}},
             {"group", c.group}},
            expected.shape());
    EXPECT_THAT(Values(actual), Pointwise(FloatNear(1e-4), Values(expected)));
  }
}

// oneDNN wrote beyond its scratch memory here, which ended the process soon or late.
TEST(ConvTest, TheGradientOfAStridedPointwiseKernelOfFewChannels) {
  const Tensor kernel = RandomTensor({8, 8, 1, 1}, 3), input = RandomTensor({3, 8, 16, 16}, 4);
  const auto graph = OneNode("Conv", {-1, 8, 16, 16}, {{"w", kernel}},
                             {{"strides", std::vector<int64_t>{2, 2}}}, {-1, 8, 8, 8});
  ASSERT_THAT(graph, IsOk());
  const auto executor = Executor::Create(*graph, {});
  ASSERT_THAT(executor, IsOk());
  at::Tensor gradient;
  for (int i = 0; i < 20; ++i) {
    const auto outputs = (*executor)->Forward({ToTorch(input)}, Mode::kTraining);
    ASSERT_THAT(outputs, IsOk());
    (*outputs)[0].sum().backward();
    at::Tensor& grad = (*executor)->parameters()[0].value.mutable_grad();
    gradient = grad;
    grad = at::Tensor();
  }
  const at::Tensor seen =
      ToTorch(input).slice(2, 0, 16, 2).slice(3, 0, 16, 2).sum({0, 2, 3}).reshape({1, 8});
  EXPECT_LT(gradient.reshape({8, 8}).sub(seen).abs().max().item<float>(), 1e-4f);
}

TEST(ConvTest, SameUpperPutsTheOddPixelBehind) {
  const Tensor x = RandomTensor({1, 2, 8, 8}, 1), w = RandomTensor({3, 2, 3, 3}, 2);
  const Tensor expected =
      SlowConv(x, w, Tensor::Zeros(DType::kFloat32, {3}), {1, 2, 1, 0, 0, 1, 1});
  const Tensor actual = RunNode("Conv", x, {{"w", w}},
                            {{"strides", std::vector<int64_t>{2, 2}},
                             {"auto_pad", std::string("SAME_UPPER")}},
                            {1, 3, 4, 4});
  EXPECT_THAT(Values(actual), Pointwise(FloatNear(1e-4), Values(expected)));
}

TEST(GemmTest, TransposesScalesAndAdds) {
  // 0.5 * [1 2; 3 4] [1 2 3; 4 5 6]... with b transposed, plus 2 * c.
  const Tensor y = RunNode("Gemm", Floats({2, 2}, {1, 2, 3, 4}),
                       {{"b", Floats({3, 2}, {1, 4, 2, 5, 3, 6})}, {"c", Floats({3}, {1, 2, 3})}},
                       {{"transB", int64_t{1}}, {"alpha", 0.5f}, {"beta", 2.0f}}, {2, 3});
  EXPECT_THAT(Values(y), ElementsAre(6.5, 10, 13.5, 11.5, 17, 22.5));
}

TEST(PointwiseTest, KnownValues) {
  const Tensor x = Floats({1, 4}, {-2, -0.5, 0, 3});
  EXPECT_THAT(Values(RunNode("Relu", x, {}, {}, {1, 4})), ElementsAre(0, 0, 0, 3));
  EXPECT_THAT(Values(RunNode("LeakyRelu", x, {}, {{"alpha", 0.1f}}, {1, 4})),
              Pointwise(FloatNear(1e-6), {-0.2f, -0.05f, 0.f, 3.f}));
  EXPECT_THAT(Values(RunNode("Clip", x, {{"lo", Floats({}, {-1})}, {"hi", Floats({}, {2})}}, {}, {1, 4})),
              ElementsAre(-1, -0.5, 0, 2));
  EXPECT_THAT(Values(RunNode("Clip", x, {{"", Tensor()}, {"hi", Floats({}, {2})}}, {}, {1, 4})),
              ElementsAre(-2, -0.5, 0, 2));
  EXPECT_THAT(Values(RunNode("Sigmoid", Floats({1, 2}, {0, 2}), {}, {}, {1, 2})),
              Pointwise(FloatNear(1e-6), {0.5f, 0.8807971f}));
  EXPECT_THAT(Values(RunNode("Softmax", Floats({1, 2}, {0, std::log(3.f)}), {}, {}, {1, 2})),
              Pointwise(FloatNear(1e-6), {0.25f, 0.75f}));
  const Tensor two = Floats({1}, {2});
  EXPECT_THAT(Values(RunNode("Add", x, {{"c", two}}, {}, {1, 4})), ElementsAre(0, 1.5, 2, 5));
  EXPECT_THAT(Values(RunNode("Sub", x, {{"c", two}}, {}, {1, 4})), ElementsAre(-4, -2.5, -2, 1));
  EXPECT_THAT(Values(RunNode("Mul", x, {{"c", two}}, {}, {1, 4})), ElementsAre(-4, -1, 0, 6));
  EXPECT_THAT(Values(RunNode("Div", x, {{"c", two}}, {}, {1, 4})), ElementsAre(-1, -0.25, 0, 1.5));
}

TEST(ShapeTest, MovesElementsAsOnnxSays) {
  const Tensor x = Floats({1, 2, 3}, {1, 2, 3, 4, 5, 6});
  EXPECT_THAT(Values(RunNode("Transpose", x, {}, {{"perm", std::vector<int64_t>{0, 2, 1}}}, {1, 3, 2})),
              ElementsAre(1, 4, 2, 5, 3, 6));
  EXPECT_THAT(Values(RunNode("Transpose", x, {}, {}, {3, 2, 1})), ElementsAre(1, 4, 2, 5, 3, 6));
  RunNode("Reshape", x, {{"s", Ints({0, -1, 2})}}, {}, {1, 3, 2});
  RunNode("Flatten", x, {}, {{"axis", int64_t{2}}}, {2, 3});
  RunNode("Squeeze", x, {{"a", Ints({0})}}, {}, {2, 3});
  RunNode("Unsqueeze", x, {{"a", Ints({0, -1})}}, {}, {1, 1, 2, 3, 1});
  EXPECT_THAT(Values(RunNode("Concat", x, {{"c", Floats({1, 1, 3}, {7, 8, 9})}}, {{"axis", int64_t{1}}},
                         {1, 3, 3})),
              ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 9));
  EXPECT_THAT(Values(RunNode("Pad", x, {{"p", Ints({0, 0, 1, 0, 1, 0})}, {"v", Floats({}, {9})}}, {},
                         {1, 3, 4})),
              ElementsAre(9, 1, 2, 3, 9, 4, 5, 6, 9, 9, 9, 9));
}

TEST(PoolTest, MaximumWithUnevenPadsIgnoresThem) {
  const Tensor x = Floats({1, 1, 2, 2}, {-1, -2, -3, -4});
  const Tensor y = RunNode("MaxPool", x, {},
                       {{"kernel_shape", std::vector<int64_t>{2, 2}},
                        {"strides", std::vector<int64_t>{2, 2}},
                        {"pads", std::vector<int64_t>{0, 0, 2, 2}}},
                       {1, 1, 2, 2});
  EXPECT_EQ(Values(y)[0], -1);
}

TEST(PoolTest, AveragesCountPadsOnlyWhenAsked) {
  const Tensor x = Floats({1, 1, 2, 2}, {1, 2, 3, 4});
  const std::vector<graph::NodeAttribute> window = {{"kernel_shape", std::vector<int64_t>{2, 2}},
                                                    {"strides", std::vector<int64_t>{2, 2}},
                                                    {"pads", std::vector<int64_t>{1, 1, 1, 1}}};
  EXPECT_THAT(Values(RunNode("AveragePool", x, {}, window, {1, 1, 2, 2})), ElementsAre(1, 2, 3, 4));
  std::vector<graph::NodeAttribute> counted = window;
  counted.push_back({"count_include_pad", int64_t{1}});
  EXPECT_THAT(Values(RunNode("AveragePool", x, {}, counted, {1, 1, 2, 2})),
              ElementsAre(0.25, 0.5, 0.75, 1));
  EXPECT_THAT(Values(RunNode("GlobalAveragePool", x, {}, {}, {1, 1, 1, 1})), ElementsAre(2.5));
}

TEST(QuantizeTest, RoundsHalfToEvenAndSaturates) {
  graph::GraphBuilder builder("qdq");
  const std::string x = builder.Input("x", {1, 6});
  const std::string scale = builder.Initializer("scale", Floats({}, {0.5f}));
  const std::string zero = builder.Initializer("zero", Tensor::Zeros(DType::kInt8, {}));
  const std::string q = builder.Node("QuantizeLinear", "q", {x, scale, zero});
  builder.Output(builder.Node("DequantizeLinear", "dq", {q, scale, zero}), {1, 6});
  auto graph = std::move(builder).Finish();
  ASSERT_THAT(graph, IsOk());
  auto y = RunGraph(*graph, Floats({1, 6}, {0.25f, 0.75f, 1.25f, -0.25f, 100, -100}));
  ASSERT_THAT(y, IsOk());
  EXPECT_THAT(Values(*y), ElementsAre(0, 1, 1, 0, 63.5, -64));
}

struct GradientCase {
  std::string name, op;
  Constants constants;
  std::vector<graph::NodeAttribute> attributes;
  Shape output;
};

/// The sum of a node's outputs, each with a weight of its own.
double Weighed(const GradientCase& c, const Tensor& x, const Tensor& weights) {
  const Tensor y = RunNode(c.op, x, c.constants, c.attributes, c.output);
  double sum = 0;
  for (int64_t i = 0; i < y.size(); ++i) sum += double{y.data<float>()[i]} * weights.data<float>()[i];
  return sum;
}

// What backbones are made of; the input is a wave that keeps away from the kinks.
TEST(GradientTest, OfTheInputAgreesWithFiniteDifferences) {
  const Tensor gate = RandomTensor({1, 4, 1, 1}, 5);
  const GradientCase cases[] = {
      {"depthwise", "Conv", {{"w", RandomTensor({4, 1, 3, 3}, 2)}},
       {{"group", int64_t{4}}, {"strides", std::vector<int64_t>{2, 2}},
        {"pads", std::vector<int64_t>{0, 0, 1, 1}}}, {1, 4, 2, 2}},
      {"leaky", "LeakyRelu", {}, {{"alpha", 0.1f}}, {1, 4, 4, 4}},
      {"relu6", "Clip", {{"lo", Floats({}, {0})}, {"hi", Floats({}, {6})}}, {}, {1, 4, 4, 4}},
      {"sigmoid", "Sigmoid", {}, {}, {1, 4, 4, 4}},
      {"gate", "Mul", {{"gate", gate}}, {}, {1, 4, 4, 4}},
      {"pool", "MaxPool", {}, {{"kernel_shape", std::vector<int64_t>{2, 2}},
                               {"strides", std::vector<int64_t>{2, 2}}}, {1, 4, 2, 2}},
      {"mean", "GlobalAveragePool", {}, {}, {1, 4, 1, 1}},
      {"flat", "Flatten", {}, {}, {1, 64}},
  };
  Tensor x = Tensor::Zeros(DType::kFloat32, {1, 4, 4, 4});
  for (int64_t i = 0; i < x.size(); ++i) {
    x.data<float>()[i] = static_cast<float>((i * 37 % 64) - 31.5) / 4;  // -7.875 to 7.875
  }
  for (const GradientCase& c : cases) {
    SCOPED_TRACE(c.name);
    const Tensor weights = RandomTensor(c.output, 7);
    auto graph = OneNode(c.op, x.shape(), c.constants, c.attributes, c.output);
    ASSERT_THAT(graph, IsOk());
    auto executor = Executor::Create(*graph, {});
    ASSERT_THAT(executor, IsOk());
    at::Tensor input = ToTorch(x).requires_grad_(true);
    auto y = (*executor)->Forward({input}, Mode::kTraining);
    ASSERT_THAT(y, IsOk());
    (*y)[0].mul(ToTorch(weights)).sum().backward();
    const at::Tensor gradient = input.grad().contiguous();
    const float step = 1.0f / 16;
    for (const int64_t i : {0, 7, 21, 40, 63}) {
      Tensor above = x.Clone(), below = x.Clone();
      above.data<float>()[i] += step;
      below.data<float>()[i] -= step;
      const double slope =
          (Weighed(c, above, weights) - Weighed(c, below, weights)) / (2 * double{step});
      EXPECT_NEAR(gradient.data_ptr<float>()[i], slope, 2e-3) << i;
    }
  }
}

TEST(UnknownOperatorTest, EveryOneIsNamedWithItsNode) {
  graph::GraphBuilder builder("test");
  const std::string x = builder.Input("x", {1, 4});
  const std::string a = builder.Node("Erf", "first", {x});
  builder.Output(builder.Node("Tan", "second", {a}), {1, 4});
  auto graph = std::move(builder).Finish();
  ASSERT_THAT(graph, IsOk());
  EXPECT_THAT(Executor::Create(*graph, {}),
              StatusIs(absl::StatusCode::kUnimplemented,
                       ::testing::AllOf(HasSubstr("node 'first' (Erf)"),
                                        HasSubstr("node 'second' (Tan)"))));
}

}  // namespace
}  // namespace trainyard::training
