#include "libs/quantization/written_out.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/quantization/quantize.h"
#include "onnx/onnx_pb.h"
#include "tests/support/onnxruntime_oracle.h"
#include "tests/support/quantization_reference.h"
#include "tests/support/status_matchers.h"

namespace trainyard::quantization {
namespace {

using ::testing::HasSubstr;
using testing::IsOk;
using testing::NormalTensor;
using testing::RelativeError;
using testing::ResidualGraph;
using testing::RunOnnxruntime;
using testing::StatusIs;

class WrittenOutTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto graph = ResidualGraph();
    ASSERT_THAT(graph, IsOk());
    graph_ = *std::move(graph);
    CalibrationTable table;
    // Narrow, so that values are cut off at both ends too.
    for (const std::string name : {"Input", "relu1", "relu2"}) table.ranges[name] = {-1.5f, 1};
    auto quantized = InsertQdq(graph_, table, {.kernel_steps = 20});
    ASSERT_THAT(quantized, IsOk());
    quantized_ = std::move(quantized->graph);
  }

  graph::Graph graph_{"empty"}, quantized_{"empty"};
};

TEST_F(WrittenOutTest, ComputesWhatOnnxruntimeMakesOfTheQdqForm) {
  const auto written = WithRoundingWrittenOut(quantized_);
  ASSERT_THAT(written, IsOk());
  ASSERT_THAT(written->Check(), IsOk());
  const Tensor images = NormalTensor({2, 3, 8, 8}, 7);
  const auto wanted = RunOnnxruntime(quantized_, images), got = RunOnnxruntime(*written, images);
  const auto exact = RunOnnxruntime(graph_, images);
  ASSERT_THAT(wanted, IsOk());
  ASSERT_THAT(got, IsOk());
  // A sum on the edge of two steps may fall to the other, rarely.
  EXPECT_LT(RelativeError((*wanted)[0], (*got)[0]), 2e-3);
  EXPECT_GT(RelativeError((*exact)[0], (*got)[0]), 0.05) << "the rounding is there";
}

// As tools write that train with rounding: no zero points where they are 0, biases in s32.
TEST_F(WrittenOutTest, ZeroPointsMayBeAbsentAndBiasesWhole) {
  onnx::GraphProto& proto = *quantized_.mutable_proto().mutable_graph();
  int absent = 0;
  for (auto& node : *proto.mutable_node()) {
    if (node.op_type() != "DequantizeLinear") continue;
    node.mutable_input()->RemoveLast();
    ++absent;
  }
  ASSERT_GT(absent, 3);
  const int64_t filters = graph_.Initializer("conv1/kernel")->dim(0);
  std::vector<int32_t> bias(filters);
  for (int64_t i = 0; i < filters; ++i) bias[i] = static_cast<int32_t>(70000 * (i - 1));
  ASSERT_THAT(quantized_.SetInitializer("whole", Tensor::Of<int32_t>({filters}, bias)), IsOk());
  ASSERT_THAT(
      quantized_.SetInitializer("whole/step", Tensor::Of<float>({}, std::vector<float>{1e-6f})),
      IsOk());
  onnx::NodeProto& node = *proto.add_node();
  node.set_op_type("DequantizeLinear");
  node.set_name("whole/dequantize");
  node.add_input("whole");
  node.add_input("whole/step");
  node.add_output("whole/dequantized");
  for (auto& one : *proto.mutable_node()) {
    if (one.name() == "conv1") one.set_input(2, "whole/dequantized");
  }
  quantized_.Reindex();
  const auto sorted = graph::Graph::Parse(quantized_.Serialize());
  ASSERT_THAT(sorted, IsOk());
  const auto written = WithRoundingWrittenOut(*sorted);
  ASSERT_THAT(written, IsOk());
  ASSERT_THAT(written->Check(), IsOk());
  const Tensor images = NormalTensor({2, 3, 8, 8}, 7);
  const auto wanted = RunOnnxruntime(*sorted, images), got = RunOnnxruntime(*written, images);
  ASSERT_THAT(wanted, IsOk());
  ASSERT_THAT(got, IsOk());
  EXPECT_LT(RelativeError((*wanted)[0], (*got)[0]), 2e-3);
}

TEST_F(WrittenOutTest, LeavesNoIntegers) {
  const auto written = WithRoundingWrittenOut(quantized_);
  ASSERT_THAT(written, IsOk());
  for (const onnx::NodeProto* node : written->nodes()) {
    EXPECT_EQ(node->op_type().find("quantizeLinear"), std::string::npos) << node->name();
    EXPECT_NE(node->op_type(), "QuantizeLinear") << node->name();
  }
  for (const std::string& name : written->InitializerNames()) {
    EXPECT_NE(written->Initializer(name)->dtype(), DType::kInt8) << name;
  }
  EXPECT_EQ(written->OutputNames(), quantized_.OutputNames());
}

TEST_F(WrittenOutTest, AStepThatIsComputedIsRefusedByName) {
  for (auto& node : *quantized_.mutable_proto().mutable_graph()->mutable_node()) {
    if (node.name() == "relu1/quantize") node.set_input(1, "Input");
  }
  quantized_.Reindex();
  EXPECT_THAT(WithRoundingWrittenOut(quantized_),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("relu1/quantize")));
}

}  // namespace
}  // namespace trainyard::quantization
