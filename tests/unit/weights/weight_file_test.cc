// Files of tests/data/weights; their values are those of make_weight_files.py.

#include "libs/weights/weight_file.h"

#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/graph/builder.h"
#include "libs/weights/internal/tensor_collector.h"
#include "onnx/onnx_pb.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/weights/weight_files.h"

namespace trainyard::weights {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::trainyard::testing::Floats;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::Safetensors;
using ::trainyard::testing::StatusIs;
using ::trainyard::testing::WeightBytes;
using ::trainyard::testing::WeightFile;

void ExpectPlain(const std::string& file, const std::string& format) {
  const auto weights = LoadWeights(WeightFile(file));
  ASSERT_THAT(weights, IsOk()) << file;
  EXPECT_EQ(weights->format, format);
  ASSERT_EQ(weights->tensors.size(), 2u) << file;
  EXPECT_EQ(weights->tensors.at("conv1.weight").shape(), (Shape{2, 3, 2, 2}));
  const std::vector<float> kernel = Floats(*weights, "conv1.weight");
  for (size_t i = 0; i < kernel.size(); ++i) EXPECT_EQ(kernel[i], static_cast<float>(i) / 2);
  EXPECT_THAT(Floats(*weights, "bn1.running_mean"), ElementsAre(-1, 2));
  EXPECT_THAT(weights->integers, ElementsAre("bn1.num_batches_tracked"));
  EXPECT_THAT(weights->converted, IsEmpty());
  EXPECT_THAT(weights->notes, IsEmpty());
}

TEST(WeightFileTest, ReadsTheZipOfPyTorch) { ExpectPlain("plain.pth", "pytorch"); }

TEST(WeightFileTest, ReadsThePicklesBeforePyTorch16) {
  ExpectPlain("legacy.pth", "pytorch-legacy");
}

TEST(WeightFileTest, ReadsANewerPickleProtocol) { ExpectPlain("protocol4.pth", "pytorch"); }

TEST(WeightFileTest, ReadsZip64) { ExpectPlain("zip64.pth", "pytorch"); }

TEST(WeightFileTest, ReadsAZipWithDataDescriptors) { ExpectPlain("descriptors.pth", "pytorch"); }

TEST(WeightFileTest, FindsTheStateDictOfACheckpointAndReadsParameters) {
  const auto weights = LoadWeights(WeightFile("nested.pth"));
  ASSERT_THAT(weights, IsOk());
  EXPECT_THAT(Floats(*weights, "module.conv1.weight"), ElementsAre(1, 2));
  EXPECT_THAT(weights->notes, ElementsAre("the weights are those below 'state_dict'"));
}

TEST(WeightFileTest, ViewsOfAStorageAreCopiedByTheirStrides) {
  const auto weights = LoadWeights(WeightFile("strided.pth"));
  ASSERT_THAT(weights, IsOk());
  EXPECT_EQ(weights->tensors.at("transposed").shape(), (Shape{3, 4}));
  EXPECT_THAT(Floats(*weights, "transposed"), ElementsAre(0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11));
  EXPECT_THAT(Floats(*weights, "row"), ElementsAre(4, 5, 6, 7));
}

TEST(WeightFileTest, TiedWeightsAreTakenOnce) {
  const auto weights = LoadWeights(WeightFile("strided.pth"));
  ASSERT_THAT(weights, IsOk());
  EXPECT_EQ(weights->tensors.at("tied_a").raw(), weights->tensors.at("tied_b").raw());
}

TEST(WeightFileTest, OtherFloatsBecomeF32AndAreCounted) {
  const auto weights = LoadWeights(WeightFile("half.pth"));
  ASSERT_THAT(weights, IsOk());
  EXPECT_THAT(Floats(*weights, "half"),
              ElementsAre(1, -2, 65504, std::ldexp(1.0f, -24), std::ldexp(1.0f, -14)));
  EXPECT_THAT(Floats(*weights, "bfloat"), ElementsAre(1, -2, 3.140625f));
  EXPECT_THAT(Floats(*weights, "double"), ElementsAre(0.1f));
  EXPECT_THAT(weights->converted, ElementsAre(Pair("bf16", 1), Pair("f16", 1), Pair("f64", 1)));
  EXPECT_THAT(weights->notes, Contains("1 tensor of f16 converted to f32"));
}

TEST(WeightFileTest, HalvesAreThoseOfIeee754) {
  EXPECT_EQ(weights::FloatFromHalf(0x3555), 0.333251953125f);
  EXPECT_EQ(weights::FloatFromHalf(0x83ff), -1023 * std::ldexp(1.0f, -24));
  EXPECT_EQ(weights::FloatFromHalf(0xfc00), -INFINITY);
  EXPECT_TRUE(std::isnan(weights::FloatFromHalf(0x7e00)));
  EXPECT_TRUE(std::signbit(weights::FloatFromHalf(0x8000)));
}

TEST(WeightFileTest, ReadsSafetensors) {
  const auto weights = LoadWeights(WeightFile("plain.safetensors"));
  ASSERT_THAT(weights, IsOk());
  EXPECT_EQ(weights->format, "safetensors");
  EXPECT_EQ(weights->tensors.at("conv1.weight").shape(), (Shape{2, 3}));
  EXPECT_THAT(Floats(*weights, "conv1.weight"), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(Floats(*weights, "half"), ElementsAre(0.5f, -4));
  EXPECT_THAT(weights->integers, ElementsAre("bn1.num_batches_tracked"));
}

TEST(WeightFileTest, ReadsTheInitializersOfAnOnnxModel) {
  graph::GraphBuilder builder("net");
  const std::string x = builder.Input("x", {-1, 1, 2, 2});
  builder.Output(builder.Conv("conv1", x, Tensor::Of<float>({1, 1, 1, 1}, {3}),
                              Tensor::Of<float>({1}, {-1}), {}),
                 {-1, 1, 2, 2});
  auto graph = std::move(builder).Finish();
  ASSERT_THAT(graph, IsOk());
  const auto weights = ParseWeights(graph->Serialize(), "net.onnx");
  ASSERT_THAT(weights, IsOk());
  EXPECT_EQ(weights->format, "onnx");
  EXPECT_THAT(Floats(*weights, "conv1/kernel"), ElementsAre(3));
  EXPECT_THAT(Floats(*weights, "conv1/bias"), ElementsAre(-1));
}

TEST(WeightFileTest, TheContentDecidesNotTheEnding) {
  const auto weights = ParseWeights(WeightBytes("plain.safetensors"), "weights.pth");
  ASSERT_THAT(weights, IsOk());
  EXPECT_EQ(weights->format, "safetensors");
}

TEST(WeightFileTest, NamesWhatItDoesNotRead) {
  using absl::StatusCode;
  EXPECT_THAT(ParseWeights("\x89HDF\r\n\x1a\n....", "m.h5"),
              StatusIs(StatusCode::kUnimplemented,
                       AllOf(HasSubstr("'m.h5': Keras' HDF5 is not read"), HasSubstr("ONNX"))));
  EXPECT_THAT(ParseWeights("TRYARD\x1a\n....", "m.tlt"),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("sealed model of Trainyard")));
  EXPECT_THAT(ParseWeights("\x80\x02}.", "d.pkl"),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("torch.save did not write")));
  EXPECT_THAT(ParseWeights("hello, world", "a.txt"),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("expected a state dict")));
  EXPECT_THAT(ParseWeights("", "a"), StatusIs(StatusCode::kDataLoss, HasSubstr("empty")));
  EXPECT_THAT(LoadWeights("/nonexistent/a.pth"), StatusIs(StatusCode::kNotFound));
  EXPECT_THAT(LoadWeights(WeightFile("script.pth")),
              StatusIs(StatusCode::kUnimplemented, HasSubstr("TorchScript")));
  EXPECT_THAT(LoadWeights(WeightFile("compressed.pth")),
              StatusIs(StatusCode::kUnimplemented, HasSubstr("compressed")));
  EXPECT_THAT(
      ParseWeights(
          Safetensors(R"({"a":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}})", "x"), "a"),
      StatusIs(StatusCode::kUnimplemented, HasSubstr("tensor 'a': has type 'F8_E4M3'")));
}

}  // namespace
}  // namespace trainyard::weights
