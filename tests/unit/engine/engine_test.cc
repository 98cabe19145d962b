#include "libs/engine/engine.h"

#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/files.h"
#include "libs/graph/builder.h"
#include "libs/networks/ssd/ssd_builder.h"
#include "onnx/onnx_pb.h"
#include "tests/support/onnxruntime_oracle.h"
#include "tests/support/quantization_reference.h"
#include "tests/support/status_matchers.h"

namespace trainyard::engine {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsOk;
using testing::LargestDifference;
using testing::NormalTensor;
using testing::RelativeError;
using testing::RunOnnxruntime;
using testing::StatusIs;

/// SSD-ResNet10 at 128 x 128 with three classes and fresh weights.
class SsdEngineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto built = networks::BuildSsd({.depth = 10, .width = 128, .height = 128, .classes = 3}, 42);
    ASSERT_THAT(built, IsOk());
    model_.graph = std::move(built->graph);
    model_.record.set_network("ssd");
    model_.record.add_classes("nut");
  }

  /// Both batches of `images_`, again and again for each caller.
  quantization::BatchSource Images() {
    return [this, next = int64_t{0}]() mutable -> absl::StatusOr<std::optional<Tensor>> {
      if (next == images_.dim(0)) return std::nullopt;
      auto batch = images_.Rows(next, next + 2);
      next += 2;
      return *batch;
    };
  }

  EngineOptions Int8Options() {
    EngineOptions options{.precision = "int8", .max_batch_size = 4, .threads = 2};
    auto table = CalibrateGraph(model_.graph, {}, Images(), 2, 2);
    EXPECT_THAT(table, IsOk());
    options.calibration = *table;
    options.images = [this] { return Images(); };
    return options;
  }

  const std::string path_ = ::testing::TempDir() + "/engine_test.engine";
  // Of the size of pixels after the mean is taken off.
  Tensor images_ = NormalTensor({4, 3, 128, 128}, 3, 60);
  Model model_{graph::Graph("empty"), {}};
};

TEST_F(SsdEngineTest, Fp32AgreesWithOnnxruntimeOnTheRawHeads) {
  const auto built = BuildEngine(model_, {.precision = "fp32", .max_batch_size = 4, .threads = 2});
  ASSERT_THAT(built, IsOk());
  const auto outputs = built->runner->Run({images_});
  const auto witness = RunOnnxruntime(model_.graph, images_);
  ASSERT_THAT(outputs, IsOk());
  ASSERT_THAT(witness, IsOk());
  EXPECT_THAT(built->runner->output_names(), ElementsAre("mbox_conf", "mbox_loc"));
  for (size_t i = 0; i < 2; ++i) {
    ASSERT_EQ((*outputs)[i].shape(), (*witness)[i].shape());
    EXPECT_LT(LargestDifference((*outputs)[i], (*witness)[i]), 1e-3);
  }
}

TEST_F(SsdEngineTest, AtLeastNineTenthsOfTheWorkRunsInInt8) {
  const auto built = BuildEngine(model_, Int8Options());
  ASSERT_THAT(built, IsOk());
  if (built->file.header.precision_used() != "int8") GTEST_SKIP() << "no INT8 on this processor";
  EXPECT_GE(built->coverage.share(), 0.9) << ::testing::PrintToString(built->coverage.float_layers);
  EXPECT_EQ(built->coverage.macs, *model_.graph.MacCount());
  EXPECT_EQ(built->file.header.macs(), built->coverage.macs);
  // All that a processor without VNNI is told.
  EXPECT_THAT(built->warnings, Each(HasSubstr("-64 to 64")));
  EXPECT_THAT(built->quantized->report.kept_in_fp32, IsEmpty());
}

TEST_F(SsdEngineTest, Int8StaysNearFp32AndTheReportSaysHowNear) {
  auto built = BuildEngine(model_, Int8Options());
  const auto exact = BuildEngine(model_, {.max_batch_size = 4, .threads = 2});
  ASSERT_THAT(built, IsOk());
  ASSERT_THAT(exact, IsOk());
  const auto got = built->runner->Run({images_});
  const auto wanted = exact->runner->Run({images_});
  for (size_t i = 0; i < 2; ++i) EXPECT_LT(RelativeError((*wanted)[i], (*got)[i]), 0.1);

  const quantization::QuantizationReport& report = built->quantized->report;
  EXPECT_EQ(report.compared_images, 4);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_NEAR(report.outputs[i].error.decibels(),
                -20 * std::log10(RelativeError((*wanted)[i], (*got)[i])), 0.1);
  }
  ASSERT_THAT(ExplainQuantization(model_.graph, *built->quantized, Images(), 2, 2), IsOk());
  for (const quantization::LayerQuantization& layer : report.layers) {
    EXPECT_GT(layer.gathered->decibels(), 20) << layer.node;
  }
  EXPECT_EQ(report.calibration_images, 4);
  size_t convolutions = 0;
  for (const onnx::NodeProto* node : model_.graph.nodes())
    convolutions += node->op_type() == "Conv";
  EXPECT_EQ(report.layers.size(), convolutions);
  for (const quantization::OutputError& output : report.outputs)
    EXPECT_GT(output.error.decibels(), 20);
}

// Run by CMakeLists.txt once more with kernels for a processor without VNNI, where kernels of eight
// bits lose a third of each output.
TEST_F(SsdEngineTest, KernelsOfSevenBitsStayNearFp32OnAnyProcessor) {
  EngineOptions options = Int8Options();
  options.kernel_steps = 64;
  const auto built = BuildEngine(model_, options);
  const auto exact = BuildEngine(model_, {.max_batch_size = 4, .threads = 2});
  ASSERT_THAT(built, IsOk());
  ASSERT_THAT(exact, IsOk());
  EXPECT_THAT(built->warnings, ElementsAre(HasSubstr("-64 to 64")));
  const auto got = built->runner->Run({images_});
  const auto wanted = exact->runner->Run({images_});
  for (size_t i = 0; i < 2; ++i) EXPECT_LT(RelativeError((*wanted)[i], (*got)[i]), 0.05);
}

// On a processor that cuts such sums off, the layers that lose by it go back to FP32, by name.
TEST_F(SsdEngineTest, KernelsOfEightBitsStayNearFp32OnAnyProcessorToo) {
  EngineOptions options = Int8Options();
  options.kernel_steps = 127;
  const auto built = BuildEngine(model_, options);
  ASSERT_THAT(built, IsOk());
  for (const quantization::OutputError& output : built->quantized->report.outputs) {
    EXPECT_GT(output.error.decibels(), 25) << ::testing::PrintToString(built->warnings);
  }
  EXPECT_EQ(built->warnings.empty(), built->quantized->report.kept_in_fp32.empty());
}

TEST_F(SsdEngineTest, AFileRunsAsTheEngineThatWroteIt) {
  EngineOptions options = Int8Options();
  options.source.set_file_name("ssd.etlt");
  const auto built = BuildEngine(model_, options);
  ASSERT_THAT(built, IsOk());
  ASSERT_THAT(SaveEngineFile(built->file, path_), IsOk());
  const auto loaded = LoadEngine(path_, 1);
  ASSERT_THAT(loaded, IsOk());
  EXPECT_EQ(loaded->record.network(), "ssd");
  EXPECT_EQ(loaded->header.precision_used(), "int8");
  EXPECT_EQ(loaded->header.inputs(0).name(), "Input");
  EXPECT_EQ(loaded->runner->max_batch_size(), 4);
  const auto wanted = built->runner->Run({images_});
  const auto got = loaded->runner->Run({images_});
  ASSERT_THAT(got, IsOk());
  for (size_t i = 0; i < 2; ++i) EXPECT_LT(RelativeError((*wanted)[i], (*got)[i]), 1e-5);
  ASSERT_THAT(RemoveTree(path_), IsOk());
}

TEST_F(SsdEngineTest, AnEngineOfAnotherMachineIsExplained) {
  auto built = BuildEngine(model_, {.max_batch_size = 1, .threads = 2});
  ASSERT_THAT(built, IsOk());
  built->file.header.mutable_hardware()->set_model(2001);
  built->file.header.mutable_hardware()->add_features("avx1024");
  ASSERT_THAT(SaveEngineFile(built->file, path_), IsOk());
  EXPECT_THAT(LoadEngine(path_, 1),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("instead of 2001"), HasSubstr("without avx1024"),
                             HasSubstr("trainyard converter"))));
  ASSERT_THAT(RemoveTree(path_), IsOk());
}

TEST_F(SsdEngineTest, Int8WithoutRangesNamesTheThreeWays) {
  EXPECT_THAT(BuildEngine(model_, {.precision = "int8"}),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("-c"), HasSubstr("--cal_image_dir"), HasSubstr("folder"))));
}

TEST_F(SsdEngineTest, ATableOfOtherWeightsIsAWarning) {
  EngineOptions options = Int8Options();
  options.calibration->weights_sha256 = std::string(64, '0');
  const auto built = BuildEngine(model_, options);
  ASSERT_THAT(built, IsOk());
  EXPECT_THAT(built->warnings, Contains(HasSubstr("other weights")));
}

TEST_F(SsdEngineTest, Fp16OnThisKindOfProcessorIsFp32AndSaysSo) {
  const auto backend = FindBackend("openvino");
  ASSERT_THAT(backend, IsOk());
  const auto& native = (*backend)->capabilities().native_precisions;
  if (std::count(native.begin(), native.end(), "FP16") > 0) GTEST_SKIP() << "it has FP16";
  const auto built = BuildEngine(model_, {.precision = "fp16", .max_batch_size = 1, .threads = 2});
  ASSERT_THAT(built, IsOk());
  EXPECT_EQ(built->file.header.precision_requested(), "fp16");
  EXPECT_EQ(built->file.header.precision_used(), "fp32");
  EXPECT_THAT(built->warnings, ElementsAre(HasSubstr("FP16")));
}

TEST_F(SsdEngineTest, WeightsThatMakeNothingSensibleAreAllNamed) {
  std::vector<std::string> kernels;
  for (const onnx::NodeProto* node : model_.graph.nodes()) {
    if (node->op_type() == "Conv") kernels.push_back(node->input(1));
  }
  Tensor first = *model_.graph.Initializer(kernels[0]),
         last = *model_.graph.Initializer(kernels.back());
  first.data<float>()[5] = std::nanf("");
  last.data<float>()[0] = HUGE_VALF;
  ASSERT_THAT(model_.graph.SetInitializer(kernels[0], first), IsOk());
  ASSERT_THAT(model_.graph.SetInitializer(kernels.back(), last), IsOk());
  for (const std::string precision : {"fp32", "int8"}) {
    EXPECT_THAT(BuildEngine(model_, {.precision = precision}),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr(kernels[0]), HasSubstr(kernels.back()),
                               HasSubstr("not finite"), HasSubstr("earlier checkpoint"))));
  }
}

// Its answers for the second image would lie where nobody looks for them.
TEST(FixedBatchTest, AnEngineForMoreImagesIsRefused) {
  graph::GraphBuilder builder("fixed");
  const std::string x = builder.Conv("head", builder.Input("Input", {1, 3, 4, 4}),
                                     NormalTensor({4, 3, 1, 1}, 1), std::nullopt, {});
  builder.Output(builder.Reshape("rows", x, {1, -1, 4}), {1, 16, 4});
  auto graph = std::move(builder).Finish();
  ASSERT_THAT(graph, IsOk());
  const Model model{*std::move(graph), {}};
  bool given = false;
  const auto table = CalibrateGraph(
      model.graph, {},
      [&given]() -> absl::StatusOr<std::optional<Tensor>> {
        if (std::exchange(given, true)) return std::nullopt;
        return NormalTensor({1, 3, 4, 4}, 2);
      },
      1, 1);
  ASSERT_THAT(table, IsOk());
  for (const std::string precision : {"fp32", "int8"}) {
    EngineOptions options{.precision = precision, .max_batch_size = 2, .threads = 1};
    options.calibration = *table;
    EXPECT_THAT(BuildEngine(model, options),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr("output 'rows' has 1 as its first dimension"),
                               HasSubstr("open batch"), HasSubstr("-m 1"))))
        << precision;
    options.max_batch_size = 1;
    EXPECT_THAT(BuildEngine(model, options), IsOk()) << precision;
  }
}

// OpenVINO 2026.4 moves a change of the channels' order into the kernel behind it the wrong way
// round.
TEST(ReorderedChannelsTest, AnEngineIsRightOrRefused) {
  graph::GraphBuilder builder("reordered");
  const std::string order =
      builder.Initializer("order", Tensor::Of<int64_t>({3}, std::vector<int64_t>{1, 2, 0}));
  const std::string x =
      builder.Node("Gather", "reordered", {builder.Input("Input", {-1, 3, 4, 4}), order},
                   {{"axis", int64_t{1}}});
  builder.Output(builder.Conv("head", x, NormalTensor({4, 3, 3, 3}, 1), std::nullopt, {.pad = 1}),
                 {-1, 4, 4, 4});
  auto graph = std::move(builder).Finish();
  ASSERT_THAT(graph, IsOk());
  const Model model{*std::move(graph), {}};
  const auto built = BuildEngine(model, {.max_batch_size = 2, .threads = 1});
  if (!built.ok()) {
    EXPECT_THAT(built,
                StatusIs(absl::StatusCode::kInternal,
                         AllOf(HasSubstr("output 'head'"), HasSubstr("no engine is written"))));
    return;
  }
  const Tensor images = NormalTensor({2, 3, 4, 4}, 2);
  const auto exact = RunOnnxruntime({{model.graph.Serialize(), images}});
  ASSERT_THAT(exact, IsOk());
  const auto outputs = built->runner->Run({images});
  ASSERT_THAT(outputs, IsOk());
  EXPECT_LT(RelativeError((*exact)[0][0], (*outputs)[0]), 1e-4);
}

TEST_F(SsdEngineTest, ABatchOutOfRangeIsRefused) {
  EXPECT_THAT(BuildEngine(model_, {.max_batch_size = 0}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("max_batch_size is 0")));
  EXPECT_THAT(BuildEngine(model_, {.max_batch_size = 1025}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("1024")));
}

}  // namespace
}  // namespace trainyard::engine
