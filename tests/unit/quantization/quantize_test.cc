#include "libs/quantization/quantize.h"

#include <cmath>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/quantization/activation_outputs.h"
#include "onnx/onnx_pb.h"
#include "tests/support/onnxruntime_oracle.h"
#include "tests/support/quantization_reference.h"
#include "tests/support/status_matchers.h"

namespace trainyard::quantization {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::LargestDifference;
using ::testing::Le;
using testing::NormalTensor;
using ::testing::Not;
using testing::ReferenceRunner;
using testing::RelativeError;
using testing::ResidualGraph;
using testing::RunOnnxruntime;
using testing::StatusIs;

class InsertQdqTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto graph = ResidualGraph();
    ASSERT_THAT(graph, IsOk());
    graph_ = *std::move(graph);
    ReferenceRunner runner(graph_, {"relu1", "relu2", "shortcut"});
    bool done = false;
    const auto table = Calibrate(runner, {"Input", "relu1", "relu2", "shortcut"},
                                 [&]() -> absl::StatusOr<std::optional<Tensor>> {
                                   if (done) return std::nullopt;
                                   done = true;
                                   return images_;
                                 });
    ASSERT_THAT(table, IsOk());
    table_ = *table;
  }

  Tensor Head(const graph::Graph& graph) {
    ReferenceRunner runner(graph, {"head"});
    return (*runner.Run({images_}))[0];
  }

  Tensor images_ = NormalTensor({2, 3, 8, 8}, 5);
  graph::Graph graph_{"empty"};
  CalibrationTable table_;
};

TEST(ActivationScaleTest, IsTheGreatestMagnitudeOver127) {
  EXPECT_FLOAT_EQ(ActivationScale({-2, 12.7f}), 0.1f);
  EXPECT_FLOAT_EQ(ActivationScale({-25.4f, 12.7f}), 0.2f);
  EXPECT_FLOAT_EQ(ActivationScale({0, 0}), 1.0f / 127);
  EXPECT_FLOAT_EQ(ActivationScale({0, 1e-40f}), 1.0f / 127);
}

TEST_F(InsertQdqTest, EveryKernelIsWithinHalfAStepPerChannel) {
  const auto quantized = InsertQdq(graph_, table_, {});
  ASSERT_THAT(quantized, IsOk());
  for (const std::string name : {"conv1", "conv2", "shortcut", "head"}) {
    const Tensor kernel = *graph_.Initializer(name + "/kernel");
    const Tensor values = *quantized->graph.Initializer(name + "/kernel/int8");
    const Tensor scales = *quantized->graph.Initializer(name + "/kernel/scale");
    ASSERT_EQ(values.shape(), kernel.shape());
    ASSERT_EQ(scales.shape(), Shape{kernel.dim(0)});
    const int64_t block = kernel.size() / kernel.dim(0);
    for (int64_t i = 0; i < kernel.size(); ++i) {
      const float scale = scales.data<float>()[i / block];
      EXPECT_LE(std::abs(kernel.data<float>()[i] - values.data<int8_t>()[i] * scale),
                0.5f * scale * 1.0001f);
      EXPECT_GE(values.data<int8_t>()[i], -127);
    }
    EXPECT_FALSE(quantized->graph.HasInitializer(name + "/kernel"))
        << "the float form is dead weight";
    EXPECT_TRUE(quantized->graph.HasInitializer(name + "/bias"));
  }
}

TEST_F(InsertQdqTest, AWrittenOutChannelHasTheStepsWorkedOutByHand) {
  Tensor kernel = *graph_.Initializer("conv1/kernel");
  for (float& value : kernel.data<float>().subspan(0, 27)) value = 0;
  kernel.data<float>()[0] = -2.54f;   // step 0.02
  kernel.data<float>()[1] = 1.0f;     // 50 steps
  kernel.data<float>()[2] = 0.031f;   // 1.55 steps -> 2
  kernel.data<float>()[3] = -0.029f;  // -1.45 steps -> -1
  ASSERT_THAT(graph_.SetInitializer("conv1/kernel", kernel), IsOk());
  const auto quantized = InsertQdq(graph_, table_, {});
  ASSERT_THAT(quantized, IsOk());
  const Tensor values = *quantized->graph.Initializer("conv1/kernel/int8");
  EXPECT_THAT(values.data<int8_t>().subspan(0, 5), ElementsAre(-127, 50, 2, -1, 0));
  EXPECT_FLOAT_EQ(quantized->graph.Initializer("conv1/kernel/scale")->data<float>()[0], 0.02f);
}

TEST_F(InsertQdqTest, FewerStepsMakeThemWider) {
  Tensor kernel = *graph_.Initializer("conv1/kernel");
  for (float& value : kernel.data<float>().subspan(0, 27)) value = 0;
  kernel.data<float>()[0] = -1.28f;  // step 0.02
  kernel.data<float>()[1] = 1.0f;    // 50 steps
  kernel.data<float>()[2] = 0.031f;  // 1.55 steps -> 2
  ASSERT_THAT(graph_.SetInitializer("conv1/kernel", kernel), IsOk());
  const auto quantized = InsertQdq(graph_, table_, {.kernel_steps = 64});
  ASSERT_THAT(quantized, IsOk());
  const Tensor values = *quantized->graph.Initializer("conv1/kernel/int8");
  EXPECT_THAT(values.data<int8_t>().subspan(0, 4), ElementsAre(-64, 50, 2, 0));
  EXPECT_THAT(values.data<int8_t>(), Each(AllOf(Ge(-64), Le(64))));
  EXPECT_THAT(InsertQdq(graph_, table_, {.kernel_steps = 128}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("kernel_steps is 128")));
}

TEST_F(InsertQdqTest, ReadersOfATensorShareOnePair) {
  const auto quantized = InsertQdq(graph_, table_, {});
  ASSERT_THAT(quantized, IsOk());
  const graph::Graph& graph = quantized->graph;
  EXPECT_THAT(graph.Check(), IsOk());
  EXPECT_EQ(graph.FindNode("conv2")->input(0), "relu1/dequantized");
  EXPECT_EQ(graph.FindNode("shortcut")->input(0), "relu1/dequantized");
  EXPECT_EQ(graph.FindNode("add")->input(1), "shortcut");
  EXPECT_EQ(graph.Initializer("relu1/zero_point")->dtype(), DType::kInt8);
  EXPECT_EQ(graph::IntAttribute(*graph.FindNode("conv1/kernel/dequantize"), "axis", -1), 0);
  EXPECT_THAT(graph.OutputNames(), ElementsAre("head"));
}

TEST_F(InsertQdqTest, ActivationsThatCannotBeNegativeAreU8OnRequest) {
  const auto quantized = InsertQdq(graph_, table_, {.unsigned_activations = true});
  ASSERT_THAT(quantized, IsOk());
  const graph::Graph& graph = quantized->graph;
  ASSERT_THAT(graph.Check(), IsOk());
  for (const std::string name : {"relu1", "relu2"}) {
    EXPECT_EQ(graph.Initializer(name + "/zero_point")->dtype(), DType::kUInt8);
    EXPECT_FLOAT_EQ(graph.Initializer(name + "/scale")->data<float>()[0],
                    table_.ranges[name].max / 255);
  }
  EXPECT_EQ(graph.Initializer("Input/zero_point")->dtype(), DType::kInt8);
  const auto wide = InsertQdq(graph_, table_, {});
  const auto fine = RunOnnxruntime(graph, images_), coarse = RunOnnxruntime(wide->graph, images_);
  ASSERT_THAT(fine, IsOk());
  const Tensor exact = Head(graph_);
  EXPECT_LT(RelativeError(exact, (*fine)[0]), 0.9 * RelativeError(exact, (*coarse)[0]));

  table_.ranges["relu1"].min = -1;  // a table of another model
  const auto other = InsertQdq(graph_, table_, {.unsigned_activations = true});
  ASSERT_THAT(other, IsOk());
  EXPECT_EQ(other->graph.Initializer("relu1/zero_point")->dtype(), DType::kInt8);
}

TEST_F(InsertQdqTest, ResidualSumsAreQuantizedOnRequest) {
  const QuantizationOptions options{.quantize_residual_sums = true};
  EXPECT_THAT(TensorsToCalibrate(graph_, options),
              ElementsAre("Input", "relu1", "shortcut", "relu2"));
  const auto quantized = InsertQdq(graph_, table_, options);
  ASSERT_THAT(quantized, IsOk());
  EXPECT_EQ(quantized->graph.FindNode("add")->input(1), "shortcut/dequantized");
  EXPECT_EQ(quantized->graph.FindNode("add")->input(0), "conv2");
}

TEST_F(InsertQdqTest, AConvOfAnotherDomainIsNoConvolution) {
  onnx::NodeProto& foreign = *graph_.mutable_proto().mutable_graph()->add_node();
  foreign.set_op_type("Conv");
  foreign.set_domain("com.example");
  foreign.set_name("foreign");
  foreign.add_input("relu1");  // and no kernel
  foreign.add_output("foreign");
  graph_.mutable_proto().add_opset_import()->set_domain("com.example");
  graph_.Reindex();
  EXPECT_EQ(WeightsDigest(graph_).size(), 64u);
  const auto quantized = InsertQdq(graph_, table_, {});
  ASSERT_THAT(quantized, IsOk());
  EXPECT_EQ(quantized->graph.FindNode("foreign")->input(0), "relu1");
  EXPECT_EQ(quantized->report.layers.size(), 4u);
}

// Other exporters give such names too.
TEST_F(InsertQdqTest, NamesThatTheGraphHasAreLeftToIt) {
  onnx::GraphProto& proto = *graph_.mutable_proto().mutable_graph();
  for (const std::string name : {"relu1/scale", "conv2/kernel/int8"}) {
    ASSERT_THAT(graph_.SetInitializer(name, Tensor::Of<float>({}, std::vector<float>{3})), IsOk());
  }
  onnx::NodeProto& node = *proto.add_node();
  node.set_op_type("Sum");
  node.set_name("relu1/quantize");
  for (const char* input : {"relu1", "relu1/scale", "conv2/kernel/int8"}) node.add_input(input);
  node.add_output("relu1/dequantized");
  *proto.add_output() = proto.output(0);
  proto.mutable_output(1)->set_name("relu1/dequantized");
  proto.mutable_output(1)->mutable_type()->mutable_tensor_type()->clear_shape();
  graph_.Reindex();
  const auto quantized = InsertQdq(graph_, table_, {});
  ASSERT_THAT(quantized, IsOk());
  EXPECT_EQ(quantized->graph.FindNode("conv2")->input(0), "relu1/dequantized_1");
  EXPECT_EQ(quantized->graph.Initializer("relu1/scale")->data<float>()[0], 3);
  EXPECT_EQ(quantized->graph.Initializer("conv2/kernel/int8")->data<float>()[0], 3);
  EXPECT_LT(RelativeError(Head(graph_), Head(quantized->graph)), 0.03);
}

TEST_F(InsertQdqTest, AnExcludedNodeStaysAsItWas) {
  const QuantizationOptions options{.excluded_layers = {"head"}};
  const auto quantized = InsertQdq(graph_, table_, options);
  ASSERT_THAT(quantized, IsOk());
  EXPECT_EQ(quantized->graph.FindNode("head")->input(0), "relu2");
  EXPECT_EQ(quantized->graph.FindNode("head")->input(1), "head/kernel");
  EXPECT_THAT(quantized->report.kept_in_fp32, ElementsAre("head: excluded"));
  EXPECT_EQ(quantized->report.layers.size(), 3u);
}

TEST_F(InsertQdqTest, NamesEveryUnknownExcludedNode) {
  EXPECT_THAT(InsertQdq(graph_, table_, {.excluded_layers = {"conv9", "relu1"}}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("'conv9'"), HasSubstr("'relu1'"))));
}

TEST_F(InsertQdqTest, NamesEveryTensorWithoutARange) {
  table_.ranges.erase("relu1");
  table_.ranges.erase("relu2");
  EXPECT_THAT(
      InsertQdq(graph_, table_, {}),
      StatusIs(absl::StatusCode::kFailedPrecondition,
               AllOf(HasSubstr("'relu1'"), HasSubstr("'relu2'"), Not(HasSubstr("'Input'")))));
}

TEST_F(InsertQdqTest, AnOldOpsetIsRefusedByNumber) {
  graph_.mutable_proto().mutable_opset_import(0)->set_version(12);
  EXPECT_THAT(InsertQdq(graph_, table_, {}),
              StatusIs(absl::StatusCode::kUnimplemented,
                       AllOf(HasSubstr("opset 12"), HasSubstr("convert_version"))));
}

TEST_F(InsertQdqTest, AKernelThatIsNotFiniteIsNamed) {
  Tensor kernel = *graph_.Initializer("conv2/kernel");
  kernel.data<float>()[3] = std::nanf("");
  ASSERT_THAT(graph_.SetInitializer("conv2/kernel", kernel), IsOk());
  EXPECT_THAT(InsertQdq(graph_, table_, {}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("conv2"), HasSubstr("not finite"))));
}

TEST_F(InsertQdqTest, OnnxruntimeAndTheSlowReferenceAgreeOnTheResult) {
  const auto quantized = InsertQdq(graph_, table_, {.quantize_residual_sums = true});
  ASSERT_THAT(quantized, IsOk());
  const auto witness = RunOnnxruntime(quantized->graph, images_);
  ASSERT_THAT(witness, IsOk());
  const Tensor reference = Head(quantized->graph);
  ASSERT_EQ((*witness)[0].shape(), reference.shape());
  // Sums in float and in double may round an activation to neighbouring steps, rarely.
  EXPECT_LT(RelativeError(reference, (*witness)[0]), 2e-3);
}

TEST_F(InsertQdqTest, TheResultStaysNearTheFloatNetwork) {
  const auto quantized = InsertQdq(graph_, table_, {});
  ASSERT_THAT(quantized, IsOk());
  // Eight bits of a normal distribution cut at three sigma or more: about 1 % a layer.
  EXPECT_LT(RelativeError(Head(graph_), Head(quantized->graph)), 0.03);
}

}  // namespace
}  // namespace trainyard::quantization
