// Layers that are no convolutions: Gemm, MatMul and ConvTranspose.
#include <cmath>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/digest.h"
#include "libs/graph/builder.h"
#include "libs/quantization/activation_outputs.h"
#include "libs/quantization/quantize.h"
#include "libs/quantization/written_out.h"
#include "onnx/onnx_pb.h"
#include "tests/support/onnxruntime_oracle.h"
#include "tests/support/quantization_reference.h"
#include "tests/support/status_matchers.h"

namespace trainyard::quantization {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsOk;
using testing::LargestDifference;
using testing::NormalTensor;
using ::testing::Not;
using testing::RelativeError;
using testing::ResidualGraph;
using testing::RunOnnxruntime;
using testing::StatusIs;

/// One node "layer" that reads "Input" of shape `input` and the f32 constants "kernel" and "bias"
/// (where it has elements).
graph::Graph OneLayer(const std::string& op, const Shape& input, const Tensor& kernel,
                      const Tensor& bias, const std::vector<graph::NodeAttribute>& attributes,
                      const Shape& output) {
  graph::GraphBuilder builder("one layer");
  std::vector<std::string> inputs = {builder.Input("Input", input),
                                     builder.Initializer("kernel", kernel)};
  if (bias.size() > 0) inputs.push_back(builder.Initializer("bias", bias));
  builder.Output(builder.Node(op, "layer", inputs, attributes), output);
  auto graph = std::move(builder).Finish();
  EXPECT_THAT(graph, IsOk());
  return *std::move(graph);
}

CalibrationTable Table(const std::vector<std::string>& names, Range range = {-2.54f, 2}) {
  CalibrationTable table;
  for (const std::string& name : names) table.ranges[name] = range;
  return table;
}

std::vector<int8_t> Steps(const QuantizedModel& model, const std::string& name) {
  const Tensor values = *model.graph.Initializer(name);
  return {values.data<int8_t>().begin(), values.data<int8_t>().end()};
}

std::vector<float> Floats(const Tensor& tensor) {
  return {tensor.data<float>().begin(), tensor.data<float>().end()};
}

/// Two inputs, three outputs. Columns of [in, out] hold at most 2.54, 1.27 and 0.254: steps of
/// 0.02, 0.01 and 0.002.
const Tensor& InByOut() {
  static const auto& kernel = *new Tensor(
      Tensor::Of<float>({2, 3}, std::vector<float>{-2.54f, 1.0f, 0.1f, 0.031f, -1.27f, 0.254f}));
  return kernel;
}
const Tensor& OutByIn() {
  static const auto& kernel = *new Tensor(
      Tensor::Of<float>({3, 2}, std::vector<float>{-2.54f, 0.031f, 1.0f, -1.27f, 0.1f, 0.254f}));
  return kernel;
}

TEST(DenseLayersTest, GemmHasAStepForEachOutputWhicheverWayItsKernelLies) {
  const Tensor bias = Tensor::Of<float>({3}, std::vector<float>{0.5f, 0, -0.5f});
  const auto wide =
      InsertQdq(OneLayer("Gemm", {-1, 2}, InByOut(), bias, {}, {-1, 3}), Table({"Input"}), {});
  const auto tall =
      InsertQdq(OneLayer("Gemm", {-1, 2}, OutByIn(), bias, {{"transB", int64_t{1}}}, {-1, 3}),
                Table({"Input"}), {});
  ASSERT_THAT(wide, IsOk());
  ASSERT_THAT(tall, IsOk());
  EXPECT_THAT(Steps(*wide, "kernel/int8"), ElementsAre(-127, 100, 50, 2, -127, 127));
  EXPECT_THAT(Steps(*tall, "kernel/int8"), ElementsAre(-127, 2, 100, -127, 50, 127));
  for (const auto* model : {&*wide, &*tall}) {
    const graph::Graph& graph = model->graph;
    EXPECT_THAT(Floats(*graph.Initializer("kernel/scale")),
                ElementsAre(::testing::FloatEq(0.02f), ::testing::FloatEq(0.01f),
                            ::testing::FloatEq(0.002f)));
    EXPECT_EQ(graph::IntAttribute(*graph.FindNode("kernel/dequantize"), "axis", -1),
              model == &*wide ? 1 : 0);
    EXPECT_FALSE(graph.HasInitializer("kernel")) << "the float form is dead weight";
    EXPECT_EQ(graph.FindNode("layer")->input(2), "bias") << "stays f32";
    EXPECT_THAT(model->report.kept_in_fp32, IsEmpty());
    ASSERT_EQ(model->report.layers.size(), 1u);
    EXPECT_EQ(model->report.layers[0].input, "Input");
    EXPECT_FLOAT_EQ(model->report.layers[0].weight_scale_min, 0.002f);
    EXPECT_FLOAT_EQ(model->report.layers[0].weight_scale_max, 0.02f);
  }

  // The step of the input is 0.02. In steps it is 50, 100 and, cut off at -128, -150.
  const Tensor input = Tensor::Of<float>({2, 2}, std::vector<float>{1.0f, 2.0f, 1.0f, -3.0f});
  const std::vector<float> expected = {
      1.0f * -2.54f + 2.0f * 0.04f + 0.5f, 1.0f * 1.0f + 2.0f * -1.27f,
      1.0f * 0.1f + 2.0f * 0.254f - 0.5f,  1.0f * -2.54f - 2.56f * 0.04f + 0.5f,
      1.0f * 1.0f - 2.56f * -1.27f,        1.0f * 0.1f - 2.56f * 0.254f - 0.5f};
  for (const auto* model : {&*wide, &*tall}) {
    const auto answer = RunOnnxruntime(model->graph, input);
    ASSERT_THAT(answer, IsOk());
    EXPECT_LT(LargestDifference(Tensor::Of<float>({2, 3}, expected), (*answer)[0]), 1e-5);
    const auto written = WithRoundingWrittenOut(model->graph);
    ASSERT_THAT(written, IsOk());
    const auto plain = RunOnnxruntime(*written, input);
    ASSERT_THAT(plain, IsOk());
    EXPECT_LT(LargestDifference((*plain)[0], (*answer)[0]), 1e-5);
  }
}

TEST(DenseLayersTest, MatMulHasAStepForEachColumnAndAnyRowsBeforeIt) {
  const auto quantized = InsertQdq(
      OneLayer("MatMul", {-1, 1, 2}, InByOut(), Tensor(), {}, {-1, 1, 3}), Table({"Input"}), {});
  ASSERT_THAT(quantized, IsOk());
  EXPECT_THAT(Steps(*quantized, "kernel/int8"), ElementsAre(-127, 100, 50, 2, -127, 127));
  const Tensor input = Tensor::Of<float>({1, 1, 2}, std::vector<float>{1.0f, 2.0f});
  const auto answer = RunOnnxruntime(quantized->graph, input);
  ASSERT_THAT(answer, IsOk());
  EXPECT_LT(
      LargestDifference(Tensor::Of<float>({1, 1, 3}, std::vector<float>{-2.46f, -1.54f, 0.608f}),
                        (*answer)[0]),
      1e-5);
}

// Kernels of 1 x 2 and strides of as much: each input pixel makes two outputs of its own, and each
// output is a sum over input channels.
TEST(DenseLayersTest, ConvTransposeHasItsOutputsOnTheSecondAxis) {
  const Tensor kernel = Tensor::Of<float>(
      {2, 2, 1, 2}, std::vector<float>{-2.54f, 1.0f, 0.1f, 0.254f, 0.031f, 0.5f, -0.2f, 0.05f});
  const auto quantized =
      InsertQdq(OneLayer("ConvTranspose", {-1, 2, 1, 1}, kernel, Tensor(),
                         {{"strides", std::vector<int64_t>{1, 2}}}, {-1, 2, 1, 2}),
                Table({"Input"}), {});
  ASSERT_THAT(quantized, IsOk());
  // Steps of 0.02 and 0.002.
  EXPECT_THAT(Steps(*quantized, "kernel/int8"), ElementsAre(-127, 50, 50, 127, 2, 25, -100, 25));
  EXPECT_EQ(graph::IntAttribute(*quantized->graph.FindNode("kernel/dequantize"), "axis", -1), 1);
  const Tensor input = Tensor::Of<float>({1, 2, 1, 1}, std::vector<float>{1.0f, 2.0f});
  const Tensor expected = Tensor::Of<float>(
      {1, 2, 1, 2},
      std::vector<float>{-2.54f + 2 * 0.04f, 1.0f + 2 * 0.5f, 0.1f - 2 * 0.2f, 0.254f + 2 * 0.05f});
  const auto written = WithRoundingWrittenOut(quantized->graph);
  ASSERT_THAT(written, IsOk());
  for (const graph::Graph* graph : {&quantized->graph, &*written}) {
    const auto answer = RunOnnxruntime(*graph, input);
    ASSERT_THAT(answer, IsOk());
    EXPECT_LT(LargestDifference(expected, (*answer)[0]), 1e-5);
  }
}

/// What the report says of "layer" when it stays as it was.
std::string WhyKept(const graph::Graph& graph) {
  EXPECT_THAT(TensorsToCalibrate(graph, {}), IsEmpty());
  const auto quantized = InsertQdq(graph, {}, {});
  EXPECT_THAT(quantized, IsOk());
  if (!quantized.ok() || quantized->report.kept_in_fp32.size() != 1) return "";
  EXPECT_EQ(quantized->graph.Serialize(), graph.Serialize());
  EXPECT_THAT(quantized->report.layers, IsEmpty());
  return quantized->report.kept_in_fp32[0];
}

TEST(DenseLayersTest, FactorsAndTransposedInputsStayInFp32WithTheReason) {
  const auto gemm = [](const std::vector<graph::NodeAttribute>& attributes) {
    return OneLayer("Gemm", {2, 2}, InByOut(), Tensor::Zeros(DType::kFloat32, {3}), attributes,
                    {2, 3});
  };
  EXPECT_EQ(WhyKept(gemm({{"alpha", 0.5f}})), "layer: its product is multiplied (alpha is 0.5)");
  EXPECT_EQ(WhyKept(gemm({{"transA", int64_t{1}}})), "layer: its input is transposed (transA)");
  const auto biased = InsertQdq(gemm({{"alpha", 1.0f}, {"beta", 0.5f}}), Table({"Input"}), {});
  ASSERT_THAT(biased, IsOk());
  EXPECT_EQ(biased->report.layers.size(), 1u) << "beta only scales what stays f32";
}

TEST(DenseLayersTest, WhatIsNoMatrixOfFloatsStaysInFp32WithTheReason) {
  EXPECT_EQ(
      WhyKept(OneLayer("MatMul", {-1, 1, 2}, NormalTensor({1, 2, 3}, 1), Tensor(), {}, {-1, 1, 3})),
      "layer: its kernel has 3 dimensions; INT8 needs 2");
  EXPECT_EQ(WhyKept(OneLayer("MatMul", {-1, 2}, NormalTensor({2}, 1), Tensor(), {}, {-1})),
            "layer: its kernel has 1 dimensions; INT8 needs 2");

  graph::GraphBuilder both("both");
  const std::string x = both.Input("Input", {-1, 2, 2});
  both.Output(both.Node("MatMul", "layer", {both.Relu("relu", x), x}), {-1, 2, 2});
  const auto product = std::move(both).Finish();
  ASSERT_THAT(product, IsOk());
  EXPECT_EQ(WhyKept(*product), "layer: its second operand is not constant");

  graph::GraphBuilder left("left");
  left.Output(left.Node("MatMul", "layer",
                        {left.Initializer("kernel", NormalTensor({4, 2}, 1)),
                         left.Input("Input", {-1, 2, 2})}),
              {-1, 4, 2});
  const auto constant_left = std::move(left).Finish();
  ASSERT_THAT(constant_left, IsOk());
  EXPECT_EQ(WhyKept(*constant_left), "layer: its second operand is not constant");

  graph::GraphBuilder whole("whole");
  const std::string as_int = whole.Node("Cast", "as_int", {whole.Input("Input", {-1, 2})},
                                        {{"to", int64_t{onnx::TensorProto::INT32}}});
  const std::string four =
      whole.Initializer("kernel", Tensor::Of<int32_t>({2, 2}, std::vector<int32_t>{1, 2, 3, 4}));
  whole.Output(whole.Node("Cast", "as_float", {whole.Node("MatMul", "layer", {as_int, four})},
                          {{"to", int64_t{onnx::TensorProto::FLOAT}}}),
               {-1, 2});
  const auto integers = std::move(whole).Finish();
  ASSERT_THAT(integers, IsOk());
  EXPECT_EQ(WhyKept(*integers), "layer: its kernel is not f32");
}

TEST(DenseLayersTest, TransposedConvolutionsThatOpenvinoRunsInFloatsStayInFp32) {
  const auto up = [](const Shape& kernel, int64_t stride, int64_t group, int64_t size) {
    return OneLayer("ConvTranspose", {-1, 4, 2, 2}, NormalTensor(kernel, 1), Tensor(),
                    {{"strides", std::vector<int64_t>{stride, stride}}, {"group", group}},
                    {-1, kernel[1] * group, size, size});
  };
  EXPECT_EQ(WhyKept(up({4, 2, 2, 2}, 2, 2, 4)),
            "layer: it is a transposed convolution with groups");
  EXPECT_EQ(WhyKept(up({4, 3, 4, 4}, 4, 1, 8)),
            "layer: its stride is 4; INT8 goes up to 3 for a kernel of 4");
  EXPECT_EQ(WhyKept(up({4, 3, 1, 1}, 2, 1, 3)),
            "layer: its stride is 2; INT8 goes up to 1 for a kernel of 1");
  const auto widest = InsertQdq(up({4, 3, 3, 3}, 3, 1, 6), Table({"Input"}), {});
  ASSERT_THAT(widest, IsOk());
  EXPECT_THAT(widest->report.kept_in_fp32, IsEmpty());
}

/// Input [N, 4] -> a -> relu -> b -> c [N, 4]: a and b read one kernel, c the same transposed.
absl::StatusOr<graph::Graph> TiedGraph() {
  graph::GraphBuilder builder("tied");
  // Halved, so that activations stay in the range of their inputs.
  Tensor halved = NormalTensor({4, 4}, 1);
  for (float& value : halved.data<float>()) value *= 0.5f;
  const std::string kernel = builder.Initializer("kernel", halved);
  std::string x = builder.Node("Gemm", "a", {builder.Input("Input", {-1, 4}), kernel});
  x = builder.Relu("relu", x);
  x = builder.Node("Gemm", "b", {x, kernel});
  builder.Output(builder.Node("Gemm", "c", {x, kernel}, {{"transB", int64_t{1}}}), {-1, 4});
  return std::move(builder).Finish();
}

TEST(DenseLayersTest, AKernelThatIsReadTwiceIsQuantizedOnceEachWay) {
  const auto graph = TiedGraph();
  ASSERT_THAT(graph, IsOk());
  EXPECT_THAT(TensorsToCalibrate(*graph, {}), ElementsAre("Input", "relu", "b"));
  const auto quantized = InsertQdq(*graph, Table({"Input", "relu", "b"}, {-6, 6}), {});
  ASSERT_THAT(quantized, IsOk());
  const auto kernel_of = [&](const char* name) {
    return quantized->graph.FindNode(name)->input(1);
  };
  EXPECT_EQ(kernel_of("a"), kernel_of("b"));
  EXPECT_NE(kernel_of("a"), kernel_of("c"));
  const auto axis_of = [&](const char* name) {
    return graph::IntAttribute(*quantized->graph.Producer(kernel_of(name)), "axis", -1);
  };
  EXPECT_EQ(axis_of("b"), 1);
  EXPECT_EQ(axis_of("c"), 0);
  const Tensor input = NormalTensor({8, 4}, 3);
  const auto exact = RunOnnxruntime(*graph, input),
             rounded = RunOnnxruntime(quantized->graph, input);
  ASSERT_THAT(exact, IsOk());
  ASSERT_THAT(rounded, IsOk());
  EXPECT_LT(RelativeError((*exact)[0], (*rounded)[0]), 0.05);
  EXPECT_GT(RelativeError((*exact)[0], (*rounded)[0]), 1e-4) << "it is rounded";
}

TEST(DenseLayersTest, TheyAreExcludedByName) {
  const auto graph = TiedGraph();
  ASSERT_THAT(graph, IsOk());
  const QuantizationOptions options{.excluded_layers = {"c", "a"}};
  EXPECT_THAT(TensorsToCalibrate(*graph, options), ElementsAre("relu"));
  const auto quantized = InsertQdq(*graph, Table({"relu"}), options);
  ASSERT_THAT(quantized, IsOk());
  EXPECT_THAT(quantized->report.kept_in_fp32, ElementsAre("a: excluded", "c: excluded"));
  EXPECT_EQ(quantized->graph.FindNode("c")->input(1), "kernel");
  EXPECT_THAT(InsertQdq(*graph, Table({"relu"}), {.excluded_layers = {"relu"}}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("'relu'"), HasSubstr("no Conv, ConvTranspose, Gemm or"))));
}

/// A classifier's end: the pooled, flattened map of a Relu cannot be negative.
TEST(DenseLayersTest, TheInputOfADenseHeadBehindARectifierIsU8OnRequest) {
  graph::GraphBuilder builder("classifier");
  const std::string map = builder.Relu(
      "relu", builder.Conv("conv", builder.Input("Input", {-1, 3, 4, 4}),
                           NormalTensor({8, 3, 3, 3}, 1), NormalTensor({8}, 2), {.pad = 1}));
  const std::string flat = builder.Flatten("flat", builder.GlobalAveragePool("pool", map));
  builder.Output(builder.Gemm("head", flat, NormalTensor({5, 8}, 3), NormalTensor({5}, 4)),
                 {-1, 5});
  const auto graph = std::move(builder).Finish();
  ASSERT_THAT(graph, IsOk());
  EXPECT_THAT(TensorsToCalibrate(*graph, {}), ElementsAre("Input", "flat"));
  CalibrationTable table = Table({"Input"}, {-4, 4});
  table.ranges["flat"] = {0, 5.1f};
  const auto quantized = InsertQdq(*graph, table, {.unsigned_activations = true});
  ASSERT_THAT(quantized, IsOk());
  EXPECT_EQ(quantized->graph.FindNode("head")->input(0), "flat/dequantized");
  EXPECT_EQ(quantized->graph.Initializer("flat/zero_point")->dtype(), DType::kUInt8);
  EXPECT_FLOAT_EQ(quantized->graph.Initializer("flat/scale")->data<float>()[0], 0.02f);
  EXPECT_THAT(quantized->graph.OutputNames(), ElementsAre("head"));
}

std::string BytesOf(const Tensor& tensor) {
  return {static_cast<const char*>(tensor.raw()), static_cast<size_t>(tensor.size_bytes())};
}

TEST(WeightsDigestTest, IsOfTheKernelsOfAllLayersOneBehindTheOther) {
  const auto convolutions = ResidualGraph();
  ASSERT_THAT(convolutions, IsOk());
  std::string bytes;
  for (const char* name : {"conv1", "conv2", "shortcut", "head"}) {
    bytes += BytesOf(*convolutions->Initializer(std::string(name) + "/kernel"));
  }
  EXPECT_EQ(WeightsDigest(*convolutions), Sha256Hex(bytes)) << "as in tables that people have";

  const auto dense = TiedGraph();
  ASSERT_THAT(dense, IsOk());
  const std::string kernel = BytesOf(*dense->Initializer("kernel"));
  EXPECT_EQ(WeightsDigest(*dense), Sha256Hex(kernel + kernel + kernel));
}

TEST(DenseLayersTest, AKernelThatIsNotFiniteIsNamed) {
  Tensor kernel = InByOut().Clone();
  kernel.data<float>()[4] = std::nanf("");
  EXPECT_THAT(
      InsertQdq(OneLayer("Gemm", {-1, 2}, kernel, Tensor(), {}, {-1, 3}), Table({"Input"}), {}),
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr("'layer'"), HasSubstr("'kernel'"), HasSubstr("finite"))));
  EXPECT_THAT(InsertQdq(OneLayer("Gemm", {-1, 2}, InByOut(), Tensor(), {}, {-1, 3}), Table({}), {}),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("'Input'"), Not(HasSubstr("kernel")))));
}

}  // namespace
}  // namespace trainyard::quantization
