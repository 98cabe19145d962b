#include "libs/quantization/written_out.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/quantization/quantize.h"
#include "onnx/onnx_pb.h"
#include "tests/support/onnxruntime_oracle.h"
#include "tests/support/quantization_reference.h"
#include "tests/support/status_matchers.h"

namespace trainyard {
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

  Graph graph_{"empty"}, quantized_{"empty"};
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
}  // namespace trainyard
