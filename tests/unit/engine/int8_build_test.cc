#include "libs/engine/int8_build.h"

#include <cmath>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/status.h"
#include "libs/engine/comparison.h"
#include "libs/engine/engine.h"
#include "libs/graph/builder.h"
#include "onnx/onnx_pb.h"
#include "tests/support/quantization_reference.h"
#include "tests/support/status_matchers.h"

namespace trainyard::engine {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsOk;
using testing::NormalTensor;
using ::testing::Not;
using testing::StatusIs;

/// Two branches, a Concat, and convolutions before and behind it:
///
///     Input -> stem -> a, b -> all -> mix -> head
absl::StatusOr<graph::Graph> BranchedGraph() {
  graph::GraphBuilder builder("branched");
  const auto conv = [&builder](const std::string& name, const std::string& x, int64_t in,
                               int64_t out, int64_t side, uint64_t seed) {
    const double gain = std::sqrt(2.0 / static_cast<double>(in * side * side));
    return builder.Conv(name, x, NormalTensor({out, in, side, side}, seed, gain),
                        NormalTensor({out}, seed + 50, 0.1), {.pad = side / 2});
  };
  std::string x = builder.Input("Input", {-1, 3, 16, 16});
  x = builder.Relu("stem_relu", conv("stem", x, 3, 16, 3, 1));
  const std::string a = builder.Relu("a_relu", conv("a", x, 16, 8, 1, 2));
  const std::string b = conv("b", x, 16, 12, 3, 3);
  x = builder.Relu("mix_relu", conv("mix", builder.Concat("all", {a, b}, 1), 20, 16, 3, 4));
  builder.Output(conv("head", x, 16, 4, 3, 5), {-1, 4, 16, 16});
  return std::move(builder).Finish();
}

/// A runtime whose passes get the steps of a tensor wrong, by default those behind a Concat: every
/// reader of `tensor` in INT8 is off.
class FaultyBackend : public Backend {
 public:
  explicit FaultyBackend(const Backend& real, const std::string& tensor = "all")
      : real_(real), tensor_(tensor) {}
  const BackendCapabilities& capabilities() const override { return real_.capabilities(); }
  absl::StatusOr<CompiledNetwork> Compile(const graph::Graph& graph,
                                          const CompileOptions& options) const override {
    ++compiled;
    graph::Graph changed = graph.Clone();
    const bool is_int8 = options.precision == Precision::kInt8;
    for (auto& node : *changed.mutable_proto().mutable_graph()->mutable_node()) {
      if (!is_int8 || node.name() != tensor_ + "/dequantize") continue;
      const float scale = graph.Initializer(tensor_ + "/scale")->data<float>()[0];
      TY_RETURN_IF_ERROR(changed.SetInitializer("wrong", Tensor::Of<float>({}, {scale * 1.3f})));
      node.set_input(1, "wrong");
    }
    changed.Reindex();
    return real_.Compile(changed, options);
  }
  absl::StatusOr<std::unique_ptr<EngineRunner>> Load(absl::string_view blob,
                                                     const LoadOptions& options) const override {
    return real_.Load(blob, options);
  }
  mutable int compiled = 0;

 private:
  const Backend& real_;
  const std::string tensor_;
};

/// A backend whose blob is another network than the one it compiled.
class ForgetfulBackend : public FaultyBackend {
 public:
  using FaultyBackend::FaultyBackend;
  absl::StatusOr<std::unique_ptr<EngineRunner>> Load(absl::string_view blob,
                                                     const LoadOptions& options) const override {
    TY_ASSIGN_OR_RETURN(auto runner, FaultyBackend::Load(blob, options));
    return std::make_unique<Halved>(std::move(runner));
  }

 private:
  class Halved : public EngineRunner {
   public:
    explicit Halved(std::unique_ptr<EngineRunner> inner) : inner_(std::move(inner)) {}
    const std::vector<std::string>& input_names() const override { return inner_->input_names(); }
    const std::vector<std::string>& output_names() const override { return inner_->output_names(); }
    int max_batch_size() const override { return inner_->max_batch_size(); }
    const std::vector<Shape>& input_shapes() const override { return inner_->input_shapes(); }
    const std::vector<Shape>& output_shapes() const override { return inner_->output_shapes(); }
    absl::StatusOr<std::vector<RuntimeLayer>> RuntimeLayers() const override {
      return inner_->RuntimeLayers();
    }
    absl::StatusOr<std::vector<Tensor>> Run(absl::Span<const Tensor> inputs) override {
      TY_ASSIGN_OR_RETURN(std::vector<Tensor> outputs, inner_->Run(inputs));
      for (Tensor& output : outputs) {
        for (float& value : output.data<float>()) value /= 2;
      }
      return outputs;
    }

   private:
    std::unique_ptr<EngineRunner> inner_;
  };
};

class Int8BuildTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto backend = FindBackend("openvino");
    ASSERT_THAT(backend, IsOk());
    backend_ = *backend;
    auto graph = BranchedGraph();
    ASSERT_THAT(graph, IsOk());
    graph_ = *std::move(graph);
    const auto table = CalibrateGraph(graph_, {}, Images()(), 2, 2);
    ASSERT_THAT(table, IsOk());
    table_ = *table;
  }

  std::function<quantization::BatchSource()> Images() {
    return [this] {
      return [this, next = int64_t{0}]() mutable -> absl::StatusOr<std::optional<Tensor>> {
        if (next == images_.dim(0)) return std::nullopt;
        next += 2;
        return *images_.Rows(next - 2, next);
      };
    };
  }

  Int8Request Request() {
    return {.folded = graph_,
            .table = table_,
            // Right on every processor.
            .quantization = {.kernel_steps = 64},
            .compile = {Precision::kInt8, 2, 2},
            .images = Images()};
  }

  const Backend* backend_ = nullptr;
  Tensor images_ = NormalTensor({4, 3, 16, 16}, 5);
  graph::Graph graph_{"empty"};
  quantization::CalibrationTable table_;
};

TEST_F(Int8BuildTest, TheReportHasTheFiguresOfTheNetworkThatIsSaved) {
  const auto built = BuildInt8(*backend_, Request());
  ASSERT_THAT(built, IsOk());
  EXPECT_THAT(built->warnings, IsEmpty());
  EXPECT_THAT(built->quantized.report.kept_in_fp32, IsEmpty());
  EXPECT_EQ(built->quantized.report.compared_images, 4);

  // The same once more, from the blob alone.
  const auto exact = backend_->Compile(graph_, {Precision::kFp32, 4, 1});
  const auto saved = backend_->Load(built->network.blob, {2, {"Input"}, {"head"}, 1});
  ASSERT_THAT(exact, IsOk());
  ASSERT_THAT(saved, IsOk());
  quantization::SignalToNoise sum;
  for (const int64_t first : {0, 2}) {
    const Tensor batch = *images_.Rows(first, first + 2);
    ASSERT_THAT(quantization::AddDifference((*exact->runner->Run({batch}))[0],
                                            (*(*saved)->Run({batch}))[0], sum),
                IsOk());
  }
  ASSERT_EQ(built->quantized.report.outputs.size(), 1u);
  const quantization::OutputError& output = built->quantized.report.outputs[0];
  EXPECT_NEAR(output.error.decibels(), sum.decibels(), 0.01);
  EXPECT_GT(output.error.decibels(), 25);
  EXPECT_NEAR(output.as_written.decibels(), output.error.decibels(), 1);
}

TEST_F(Int8BuildTest, WhatTheRuntimeGetsWrongStaysInFp32AndIsNamed) {
  const FaultyBackend faulty(*backend_);
  for (const bool with_images : {true, false}) {
    Int8Request request = Request();
    if (!with_images) request.images = nullptr;
    const auto built = BuildInt8(faulty, request);
    ASSERT_THAT(built, IsOk());
    EXPECT_THAT(built->warnings, ElementsAre(AllOf(HasSubstr("computes other numbers"),
                                                   HasSubstr("kept in FP32 for that: mix"))));
    EXPECT_THAT(built->quantized.report.kept_in_fp32,
                ElementsAre(AllOf(HasSubstr("mix: "), HasSubstr("gets it wrong"))));
    EXPECT_EQ(built->quantized.report.layers.size(), 4u) << "the others are in INT8";
    const quantization::OutputError& output = built->quantized.report.outputs[0];
    EXPECT_GT(output.error.decibels(), with_images ? 25 : 15);
    EXPECT_EQ(built->quantized.report.compared_images, with_images ? 4 : 0);
  }
  EXPECT_LT(faulty.compiled, 40);
}

// Input -> conv -> relu -> pool -> flat -> hidden -> head, a classifier.
TEST_F(Int8BuildTest, ADenseLayerThatTheRuntimeGetsWrongStaysInFp32Too) {
  graph::GraphBuilder builder("classifier");
  std::string x = builder.Relu("relu", builder.Conv("conv", builder.Input("Input", {-1, 3, 16, 16}),
                                                    NormalTensor({16, 3, 3, 3}, 1, 0.3),
                                                    NormalTensor({16}, 2, 0.1), {.pad = 1}));
  x = builder.Flatten("flat", builder.MaxPool("pool", x, 4, {.stride = 4}));
  x = builder.Relu("hidden_relu", builder.Gemm("hidden", x, NormalTensor({24, 256}, 3, 0.1),
                                               NormalTensor({24}, 4, 0.1)));
  builder.Output(builder.Gemm("head", x, NormalTensor({5, 24}, 5, 0.3), NormalTensor({5}, 6, 0.1)),
                 {-1, 5});
  auto graph = std::move(builder).Finish();
  ASSERT_THAT(graph, IsOk());
  graph_ = *std::move(graph);
  const auto table = CalibrateGraph(graph_, {}, Images()(), 2, 2);
  ASSERT_THAT(table, IsOk());
  table_ = *table;

  const auto right = BuildInt8(*backend_, Request());
  ASSERT_THAT(right, IsOk());
  EXPECT_THAT(right->warnings, IsEmpty());
  EXPECT_EQ(right->quantized.report.layers.size(), 3u);

  const auto mended = BuildInt8(FaultyBackend(*backend_, "flat"), Request());
  ASSERT_THAT(mended, IsOk());
  EXPECT_THAT(mended->warnings, ElementsAre(HasSubstr("kept in FP32 for that: hidden")));
  EXPECT_THAT(mended->quantized.report.kept_in_fp32,
              ElementsAre(AllOf(HasSubstr("hidden: "), HasSubstr("gets it wrong"))));
  EXPECT_EQ(mended->quantized.report.layers.size(), 2u);
}

TEST_F(Int8BuildTest, ItIsTheBlobThatIsCompared) {
  const ForgetfulBackend forgetful(*backend_);
  EXPECT_THAT(BuildInt8(forgetful, Request()),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("even without INT8")));
}

TEST_F(Int8BuildTest, RangesThatCutValuesOffAreAWarningAndThenRefused) {
  const quantization::CalibrationTable right = table_;
  const auto cut = [&](float share) {
    table_ = right;
    for (auto& [name, range] : table_.ranges) range = {range.min * share, range.max * share};
    return BuildInt8(*backend_, Request());
  };
  const auto low = cut(0.5f);
  ASSERT_THAT(low, IsOk());
  EXPECT_THAT(low->warnings,
              ElementsAre(AllOf(HasSubstr("'head'"), HasSubstr("sound engines have 20 dB"),
                                HasSubstr("--excluded_layers"))));
  const double decibels = low->quantized.report.outputs[0].error.decibels();
  EXPECT_LT(decibels, kWarnBelowDecibels);
  EXPECT_GE(decibels, kRefuseBelowDecibels);
  EXPECT_THAT(cut(0.05f), StatusIs(absl::StatusCode::kFailedPrecondition,
                                   AllOf(HasSubstr("'head'"), HasSubstr("at least 6 dB"),
                                         HasSubstr("Calibrate on images"), HasSubstr("-t fp32"))));
}

TEST_F(Int8BuildTest, WithoutImagesNothingIsSaidOfTheAccuracy) {
  for (auto& [name, range] : table_.ranges) range = {range.min / 50, range.max / 50};
  Int8Request request = Request();
  request.images = nullptr;
  const auto built = BuildInt8(*backend_, request);
  ASSERT_THAT(built, IsOk());
  EXPECT_THAT(built->warnings, IsEmpty());
  EXPECT_EQ(built->quantized.report.compared_images, 0);
  EXPECT_THAT(quantization::QuantizationReportJson(built->quantized.report),
              Not(HasSubstr("\"sqnr_db\"")));
}

// Nothing that the runtime or INT8 did.
TEST_F(Int8BuildTest, ANetworkThatAnswersNoNumbersIsToldOf) {
  graph::Graph graph = graph_.Clone();
  onnx::GraphProto& proto = *graph.mutable_proto().mutable_graph();
  for (const auto& [op, from] : {std::pair("Relu", "head"), std::pair("Log", "Relu")}) {
    onnx::NodeProto& node = *proto.add_node();
    node.set_op_type(op);
    node.set_name(op);
    node.add_input(from);
    node.add_output(op);
  }
  proto.mutable_output(0)->set_name("Log");
  graph.Reindex();
  const auto table = CalibrateGraph(graph, {}, Images()(), 2, 2);
  ASSERT_THAT(table, IsOk());
  EngineOptions options{.precision = "fp32", .max_batch_size = 2, .threads = 2};
  options.images = Images();
  const auto exact = BuildEngine({graph.Clone(), {}}, options);
  ASSERT_THAT(exact, IsOk());
  EXPECT_THAT(exact->warnings, ElementsAre(HasSubstr("not finite on the images: 'Log'")));
  const Int8Request request = {.folded = graph,
                               .table = *table,
                               .quantization = {.kernel_steps = 64},
                               .compile = {Precision::kInt8, 2, 2},
                               .images = Images()};
  EXPECT_THAT(BuildInt8(*backend_, request),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("in FP32"), HasSubstr("on the calibration images: 'Log'"),
                             HasSubstr("-t fp32"))));
}

TEST_F(Int8BuildTest, LayersThatAreExcludedStayInFp32) {
  Int8Request request = Request();
  request.quantization.excluded_layers = {"mix", "head"};
  const auto built = BuildInt8(*backend_, request);
  ASSERT_THAT(built, IsOk());
  EXPECT_THAT(built->quantized.report.kept_in_fp32, ElementsAre("mix: excluded", "head: excluded"));
  request.quantization.excluded_layers = {"maxi"};
  EXPECT_THAT(BuildInt8(*backend_, request),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("excluded_layers"), HasSubstr("'maxi'"))));
}

TEST_F(Int8BuildTest, AStopEndsIt) {
  std::stop_source stop;
  stop.request_stop();
  Int8Request request = Request();
  request.stop = stop.get_token();
  EXPECT_THAT(BuildInt8(*backend_, request), StatusIs(absl::StatusCode::kCancelled));
}

TEST(OutputsBelowTest, NamesTheWorstFirstAndWhatIsNotFinite) {
  const std::vector<quantization::OutputError> outputs = {{"good", {1000, 1}, {}},
                                                          {"low", {10, 1}, {}},
                                                          {"broken", {10, std::nan("")}, {}},
                                                          {"zero", {0, 1}, {}},
                                                          {"lower", {2, 1}, {}}};
  EXPECT_THAT(OutputsBelow(outputs, 20),
              ElementsAre("'broken' is not finite", "'lower' 3.0 dB", "'low' 10.0 dB"));
  EXPECT_THAT(OutputsBelow(outputs, 6), ElementsAre("'broken' is not finite", "'lower' 3.0 dB"));
}

TEST(AgreesTest, AllowsHalfAsMuchErrorMoreAndTheOrderOfSums) {
  EXPECT_TRUE(Agrees({1, 2.2}, {1, 1}));
  EXPECT_FALSE(Agrees({1, 2.3}, {1, 1}));
  EXPECT_TRUE(Agrees({1, 0.9e-8}, {1, 0}));
  EXPECT_FALSE(Agrees({1, 1.1e-8}, {1, 0}));
  EXPECT_FALSE(Agrees({1, std::nan("")}, {1, 1}));
}

}  // namespace
}  // namespace trainyard::engine
