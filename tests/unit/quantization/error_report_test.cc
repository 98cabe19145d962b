#include "libs/quantization/error_report.h"

#include <cmath>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/quantization/quantize.h"
#include "tests/support/quantization_reference.h"
#include "tests/support/status_matchers.h"

namespace trainyard::quantization {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::NormalTensor;
using testing::ReferenceRunner;
using testing::ResidualGraph;
using testing::StatusIs;

BatchSource Once(Tensor batch) {
  return [batch, done = false]() mutable -> absl::StatusOr<std::optional<Tensor>> {
    if (done) return std::nullopt;
    done = true;
    return batch;
  };
}

TEST(SignalToNoiseTest, IsTenTimesTheLogarithm) {
  EXPECT_DOUBLE_EQ((SignalToNoise{100, 1}).decibels(), 20);
  EXPECT_DOUBLE_EQ((SignalToNoise{1, 0}).decibels(), 300);
  EXPECT_DOUBLE_EQ((SignalToNoise{0, 1}).decibels(), 0);
}

class MeasureActivationsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto graph = ResidualGraph();
    ASSERT_THAT(graph, IsOk());
    graph_ = *std::move(graph);
    ReferenceRunner runner(graph_, {"relu1", "relu2"});
    const auto table = Calibrate(runner, {"Input", "relu1", "relu2"}, Once(images_));
    ASSERT_THAT(table, IsOk());
    table_ = *table;
  }

  const std::vector<std::string> tensors_ = {"head", "relu1", "relu2"};
  Tensor images_ = NormalTensor({2, 3, 8, 8}, 5);
  graph::Graph graph_{"empty"};
  CalibrationTable table_;
};

TEST_F(MeasureActivationsTest, FillsInRoundingClippingAndWhatGathers) {
  auto quantized = InsertQdq(graph_, table_, {});
  ASSERT_THAT(quantized, IsOk());
  ReferenceRunner reference(graph_, tensors_), int8(quantized->graph, tensors_);
  ASSERT_THAT(MeasureActivations(reference, int8, Once(images_), quantized->report), IsOk());
  const std::vector<LayerQuantization>& layers = quantized->report.layers;
  ASSERT_EQ(layers.size(), 4u);
  for (const LayerQuantization& layer : layers) {
    EXPECT_EQ(layer.clipped_fraction, 0) << "the table was measured on the same images";
    EXPECT_GT(layer.input_rounding->decibels(), 25) << layer.node;
    EXPECT_GT(layer.weight.decibels(), 25) << layer.node;
  }
  EXPECT_EQ(layers[0].gathered->decibels(), 300) << "the network's input is the same for both";
  EXPECT_LT(layers[3].gathered->decibels(), layers[1].gathered->decibels()) << "noise gathers";
  ASSERT_EQ(quantized->report.outputs.size(), 1u);
  EXPECT_EQ(quantized->report.outputs[0].error.signal, 0) << "those are the engine's to measure";
}

TEST_F(MeasureActivationsTest, CountsWhatLiesBeyondTheRange) {
  table_.ranges["Input"] = {-0.5f, 0.5f};
  auto quantized = InsertQdq(graph_, table_, {});
  ASSERT_THAT(quantized, IsOk());
  ReferenceRunner reference(graph_, tensors_), int8(quantized->graph, tensors_);
  ASSERT_THAT(MeasureActivations(reference, int8, Once(images_), quantized->report), IsOk());
  // P(|z| > 0.5) of a standard normal is 0.617; 384 values have a standard error of 0.025.
  EXPECT_NEAR(quantized->report.layers[0].clipped_fraction, 0.617, 0.1);
}

TEST_F(MeasureActivationsTest, ATensorThatIsNotGivenIsNamed) {
  auto quantized = InsertQdq(graph_, table_, {});
  ASSERT_THAT(quantized, IsOk());
  ReferenceRunner reference(graph_, {"head"}), int8(quantized->graph, tensors_);
  EXPECT_THAT(MeasureActivations(reference, int8, Once(images_), quantized->report),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("'relu1'")));
}

TEST(AddDifferenceTest, SumsSignalAndNoise) {
  SignalToNoise sum;
  ASSERT_THAT(AddDifference(Tensor::Of<float>({2}, {3, -4}), Tensor::Of<float>({2}, {3, -3}), sum),
              IsOk());
  ASSERT_THAT(AddDifference(Tensor::Of<float>({1}, {5}), Tensor::Of<float>({1}, {2}), sum), IsOk());
  EXPECT_EQ(sum.signal, 50);
  EXPECT_EQ(sum.noise, 10);
  EXPECT_THAT(AddDifference(Tensor::Of<float>({1}, {5}), Tensor::Of<float>({2}, {2, 2}), sum),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("1 elements in FP32 and 2 in INT8")));
}

TEST(QuantizationReportTest, PrintsJsonWithALineForEachLayer) {
  QuantizationReport report;
  report.calibration_images = 8;
  report.compared_images = 4;
  report.outputs = {{"y", {1000, 1}, {2000, 1}}, {"always zero", {0, 1}, {0, 1}}};
  report.layers.push_back({.node = "a \"b\"",
                           .input = "x",
                           .input_range = {-1, 2},
                           .input_scale = 0.5f,
                           .weight_scale_min = 0.25f,
                           .weight_scale_max = 0.75f,
                           .weight = {1000, 1}});
  report.layers[0].gathered = SignalToNoise{100, 1};
  report.kept_in_fp32 = {"head: excluded"};
  const std::string head = "{\n  \"version\": 2,\n  \"calibration_images\": 8,\n";
  const std::string tail =
      "  \"layers_are_of\": \"the same rounding in floats, not the engine\",\n  \"layers\": [\n    "
      "{\"node\": \"a \\\"b\\\"\", \"input\": \"x\", \"type\": \"s8\", \"min\": -1, \"max\": 2, "
      "\"scale\": 0.5, "
      "\"weight_scale_min\": 0.25, \"weight_scale_max\": 0.75, \"weight_sqnr_db\": 30.00, "
      "\"gathered_sqnr_db\": 20.00}"
      "\n  ],\n  \"kept_in_fp32\": [\n    \"head: excluded\"\n  ]\n}\n";
  EXPECT_EQ(QuantizationReportJson(report),
            head +
                "  \"compared_images\": 4,\n  \"outputs_are_of\": \"the saved engine\",\n"
                "  \"outputs\": [\n"
                "    {\"output\": \"y\", \"sqnr_db\": 30.00, \"as_written_sqnr_db\": 33.01},\n"
                "    {\"output\": \"always zero\", \"sqnr_db\": null, "
                "\"as_written_sqnr_db\": null}\n  ],\n" +
                tail);
  report.compared_images = 0;
  EXPECT_EQ(QuantizationReportJson(report),
            head +
                "  \"compared_images\": 0,\n  \"outputs_are_of\": \"the saved engine\",\n"
                "  \"outputs\": [\n    \n  ],\n" +
                tail);
}

TEST(WorstLayersTest, BeginsWithTheNoisiest) {
  QuantizationReport report;
  report.layers.push_back({.node = "good", .weight = {1000, 1}});
  report.layers.push_back({.node = "bad", .weight = {10, 1}});
  report.layers.push_back({.node = "middle", .weight = {100, 1}});
  EXPECT_THAT(WorstLayers(report, 2), ElementsAre("bad: kernel 10.0 dB", "middle: kernel 20.0 dB"));
}

}  // namespace
}  // namespace trainyard::quantization
