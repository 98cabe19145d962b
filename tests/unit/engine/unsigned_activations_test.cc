#include "libs/engine/openvino/unsigned_activations.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/quantization/quantize.h"
#include "onnx/onnx_pb.h"
#include "tests/support/onnxruntime_oracle.h"
#include "tests/support/quantization_reference.h"
#include "tests/support/status_matchers.h"

namespace trainyard::engine {
namespace {

using testing::IsOk;
using testing::LargestDifference;
using testing::NormalTensor;
using testing::ResidualGraph;
using testing::RunOnnxruntime;

class UnsignedActivationsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto graph = ResidualGraph();
    ASSERT_THAT(graph, IsOk());
    quantization::CalibrationTable table;
    // Narrow, so that values are cut off at both ends too.
    for (const std::string name : {"Input", "relu1", "relu2"}) table.ranges[name] = {-1, 1};
    auto quantized = quantization::InsertQdq(*graph, table, {});
    ASSERT_THAT(quantized, IsOk());
    quantized_ = std::move(quantized->graph);
  }

  graph::Graph quantized_{"empty"};
};

TEST_F(UnsignedActivationsTest, OnnxruntimeGivesTheSameNumbers) {
  const graph::Graph shifted = WithUnsignedActivations(quantized_);
  ASSERT_THAT(shifted.Check(), IsOk());
  const Tensor images = NormalTensor({2, 3, 8, 8}, 7);
  const auto before = RunOnnxruntime(quantized_, images), after = RunOnnxruntime(shifted, images);
  ASSERT_THAT(before, IsOk());
  ASSERT_THAT(after, IsOk());
  EXPECT_EQ(LargestDifference((*before)[0], (*after)[0]), 0);
}

TEST_F(UnsignedActivationsTest, ActivationsAreU8AndKernelsStayS8) {
  const graph::Graph shifted = WithUnsignedActivations(quantized_);
  int pairs = 0;
  for (const onnx::NodeProto* node : shifted.nodes()) {
    const bool quantizes = node->op_type() == "QuantizeLinear";
    if (!quantizes && node->op_type() != "DequantizeLinear") continue;
    const Tensor zero = *shifted.Initializer(node->input(2));
    if (!quantizes && shifted.HasInitializer(node->input(0))) {
      EXPECT_EQ(zero.dtype(), DType::kInt8) << node->name();
      continue;
    }
    ASSERT_EQ(zero.dtype(), DType::kUInt8) << node->name();
    EXPECT_EQ(zero.data<uint8_t>()[0], 128);
    ++pairs;
  }
  EXPECT_EQ(pairs, 6) << "three pairs";
}

// With a zero point that is not 0 OpenVINO computes them in floats.
TEST_F(UnsignedActivationsTest, WhatTransposedConvolutionsAloneReadIsLeft) {
  onnx::GraphProto& proto = *quantized_.mutable_proto().mutable_graph();
  for (auto& node : *proto.mutable_node()) {
    // relu1 is read by conv2 and shortcut, relu2 by head alone.
    if (node.name() == "conv2" || node.name() == "head") node.set_op_type("ConvTranspose");
  }
  quantized_.Reindex();
  const graph::Graph shifted = WithUnsignedActivations(quantized_);
  EXPECT_EQ(shifted.FindNode("relu2/quantize")->input(2), "relu2/zero_point");
  EXPECT_EQ(shifted.FindNode("relu2/dequantize")->input(2), "relu2/zero_point");
  EXPECT_EQ(shifted.Initializer("relu2/zero_point")->dtype(), DType::kInt8);
  EXPECT_NE(shifted.FindNode("relu1/quantize")->input(2), "relu1/zero_point");
}

TEST_F(UnsignedActivationsTest, IntegersThatSomebodyElseReadsAreLeft) {
  onnx::ValueInfoProto* output = quantized_.mutable_proto().mutable_graph()->add_output();
  output->set_name("relu1/quantized");
  output->mutable_type()->mutable_tensor_type()->set_elem_type(onnx::TensorProto::INT8);
  quantized_.Reindex();
  const graph::Graph shifted = WithUnsignedActivations(quantized_);
  EXPECT_EQ(shifted.FindNode("relu1/quantize")->input(2), "relu1/zero_point");
  EXPECT_EQ(shifted.FindNode("relu1/dequantize")->input(2), "relu1/zero_point");
  EXPECT_NE(shifted.FindNode("relu2/quantize")->input(2), "relu2/zero_point");
  EXPECT_EQ(shifted.Initializer("relu1/zero_point")->dtype(), DType::kInt8);
}

TEST_F(UnsignedActivationsTest, IntegersThatAnotherOperatorComputesWithAreLeft) {
  // Reads integers and a zero point as DequantizeLinear does.
  onnx::NodeProto* reader = quantized_.mutable_proto().mutable_graph()->add_node();
  reader->set_name("reader");
  reader->set_op_type("ConvInteger");
  for (const char* input : {"relu1/quantized", "kernel", "relu1/zero_point"})
    reader->add_input(input);
  reader->add_output("integers");
  quantized_.Reindex();
  const graph::Graph shifted = WithUnsignedActivations(quantized_);
  EXPECT_EQ(shifted.FindNode("relu1/quantize")->input(2), "relu1/zero_point");
  EXPECT_EQ(shifted.FindNode("reader")->input(2), "relu1/zero_point");
}

}  // namespace
}  // namespace trainyard::engine
