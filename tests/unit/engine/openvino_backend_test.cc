#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/engine/backend.h"
#include "libs/engine/benchmark.h"
#include "libs/quantization/quantize.h"
#include "tests/support/onnxruntime_oracle.h"
#include "tests/support/quantization_reference.h"
#include "tests/support/status_matchers.h"

namespace trainyard::engine {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::LargestDifference;
using testing::NormalTensor;
using testing::ReferenceRunner;
using testing::ResidualGraph;
using testing::StatusIs;

class OpenvinoBackendTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto backend = FindBackend("openvino");
    ASSERT_THAT(backend, IsOk());
    backend_ = *backend;
    auto graph = ResidualGraph();
    ASSERT_THAT(graph, IsOk());
    graph_ = *std::move(graph);
  }

  Tensor Reference(const Tensor& images) {
    ReferenceRunner runner(graph_, {"head"});
    return (*runner.Run({images}))[0];
  }

  const Backend* backend_ = nullptr;
  graph::Graph graph_{"empty"};
};

TEST(FindBackendTest, NamesThoseThatThereAre) {
  EXPECT_THAT(FindBackend("openvin"),
              StatusIs(absl::StatusCode::kNotFound,
                       AllOf(HasSubstr("'openvin'"), HasSubstr("did you mean 'openvino'"))));
}

TEST_F(OpenvinoBackendTest, SaysWhatItIs) {
  EXPECT_EQ(backend_->capabilities().name, "openvino");
  EXPECT_THAT(backend_->capabilities().version, HasSubstr("."));
  EXPECT_THAT(backend_->capabilities().native_precisions, Contains("FP32"));
}

TEST_F(OpenvinoBackendTest, AgreesWithTheReferenceForEveryBatch) {
  const auto network = backend_->Compile(graph_, {Precision::kFp32, 4, 1});
  ASSERT_THAT(network, IsOk());
  EngineRunner& runner = *network->runner;
  EXPECT_THAT(runner.input_names(), ElementsAre("Input"));
  EXPECT_THAT(runner.output_names(), ElementsAre("head"));
  EXPECT_THAT(runner.input_shapes(), ElementsAre(Shape{-1, 3, 8, 8}));
  EXPECT_THAT(runner.output_shapes(), ElementsAre(Shape{-1, 4, 8, 8}));
  for (const int64_t batch : {1, 3, 4, 2}) {
    const Tensor images = NormalTensor({batch, 3, 8, 8}, batch);
    const auto outputs = runner.Run({images});
    ASSERT_THAT(outputs, IsOk());
    ASSERT_EQ((*outputs)[0].shape(), (Shape{batch, 4, 8, 8}));
    EXPECT_LT(LargestDifference((*outputs)[0], Reference(images)), 1e-4);
  }
}

TEST_F(OpenvinoBackendTest, ComputesInF32WhateverTheProcessorOffers) {
  const auto network = backend_->Compile(graph_, {Precision::kFp32, 1, 1});
  ASSERT_THAT(network, IsOk());
  const auto layers = network->runner->RuntimeLayers();
  ASSERT_THAT(layers, IsOk());
  int64_t macs = 0;
  for (const RuntimeLayer& layer : *layers) {
    macs += layer.macs;
    if (layer.macs == 0) continue;
    EXPECT_EQ(layer.precision, "f32") << layer.name;
  }
  // conv1 8*3*9, conv2 8*8*9, shortcut 8*8, head 4*8*9, each at 64 places.
  EXPECT_EQ(macs, 64 * (216 + 576 + 64 + 288));
}

TEST_F(OpenvinoBackendTest, ABlobRunsAsTheNetworkThatItCameFrom) {
  const auto network = backend_->Compile(graph_, {Precision::kFp32, 2, 1});
  ASSERT_THAT(network, IsOk());
  const auto loaded = backend_->Load(network->blob, {2, {"Input"}, {"head"}, 2});
  ASSERT_THAT(loaded, IsOk());
  const Tensor images = NormalTensor({2, 3, 8, 8}, 9);
  EXPECT_EQ(LargestDifference((*(*loaded)->Run({images}))[0], (*network->runner->Run({images}))[0]),
            0);
  EXPECT_THAT(
      backend_->Load(network->blob, {2, {"Input"}, {"other"}, 1}),
      StatusIs(absl::StatusCode::kDataLoss, AllOf(HasSubstr("'head'"), HasSubstr("'other'"))));
  EXPECT_THAT(backend_->Load("no blob", {2, {"Input"}, {"head"}, 1}),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("OpenVINO")));
}

TEST_F(OpenvinoBackendTest, RefusesInputsThatDoNotFit) {
  const auto network = backend_->Compile(graph_, {Precision::kFp32, 2, 1});
  ASSERT_THAT(network, IsOk());
  EngineRunner& runner = *network->runner;
  EXPECT_THAT(runner.Run({}), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("1 inputs")));
  EXPECT_THAT(runner.Run({NormalTensor({1, 3, 8, 9}, 1)}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("[1, 3, 8, 9]"), HasSubstr("[-1, 3, 8, 8]"))));
  EXPECT_THAT(runner.Run({Tensor::Zeros(DType::kUInt8, {1, 3, 8, 8})}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("u8")));
  EXPECT_THAT(runner.Run({Tensor::Zeros(DType::kFloat32, {0, 3, 8, 8})}),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(runner.Run({NormalTensor({3, 3, 8, 8}, 1)}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("3 images"), HasSubstr("engine's 2"))));
}

TEST_F(OpenvinoBackendTest, RefusesOptionsOutOfRangeAndGraphsItCannotRead) {
  EXPECT_THAT(backend_->Compile(graph_, {Precision::kFp32, 0, 1}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("max_batch_size is 0")));
  graph::Graph broken = graph_.Clone();
  broken.mutable_proto().mutable_graph()->mutable_node(0)->set_op_type("Unheard");
  EXPECT_THAT(backend_->Compile(broken, {Precision::kFp32, 1, 1}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("Unheard")));
}

TEST_F(OpenvinoBackendTest, BenchmarksOnlyWhatFits) {
  const auto network = backend_->Compile(graph_, {Precision::kFp32, 2, 1});
  ASSERT_THAT(network, IsOk());
  const auto result = Benchmark(*network->runner, 2, 0.01);
  ASSERT_THAT(result, IsOk());
  EXPECT_GE(result->runs, 5);
  EXPECT_GT(result->ms_per_image, 0);
  EXPECT_THAT(Benchmark(*network->runner, 3, 0.01), StatusIs(absl::StatusCode::kInvalidArgument));
}

// A Dropout changes nothing, so the runtime takes it out and has one tensor for its two sides.
TEST_F(OpenvinoBackendTest, TensorsThatTheRuntimeMakesOneKeepTheirNames) {
  graph::GraphBuilder builder("one tensor");
  const std::string x = builder.Conv("conv", builder.Input("Input", {-1, 3, 8, 8}),
                                     NormalTensor({4, 3, 1, 1}, 1), std::nullopt, {});
  const std::string same = builder.Node("Dropout", "same", {x});
  builder.Output(builder.Conv("head", same, NormalTensor({4, 4, 1, 1}, 2), std::nullopt, {}),
                 {-1, 4, 8, 8});
  builder.Output(x, {-1, 4, 8, 8});
  builder.Output(same, {-1, 4, 8, 8});
  const auto graph = std::move(builder).Finish();
  ASSERT_THAT(graph, IsOk());
  const auto network = backend_->Compile(*graph, {Precision::kFp32, 2, 1});
  ASSERT_THAT(network, IsOk());
  const auto loaded = backend_->Load(network->blob, {2, {"Input"}, {"head", "conv", "same"}, 1});
  ASSERT_THAT(loaded, IsOk());
  const auto outputs = (*loaded)->Run({NormalTensor({2, 3, 8, 8}, 3)});
  ASSERT_THAT(outputs, IsOk());
  EXPECT_EQ(LargestDifference((*outputs)[1], (*outputs)[2]), 0);
}

}  // namespace
}  // namespace trainyard::engine
