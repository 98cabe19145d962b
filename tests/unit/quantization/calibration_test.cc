#include "libs/quantization/calibration.h"

#include <limits>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/quantization/activation_outputs.h"
#include "libs/quantization/quantize.h"
#include "tests/support/quantization_reference.h"
#include "tests/support/status_matchers.h"

namespace trainyard::quantization {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::NormalTensor;
using testing::ReferenceRunner;
using testing::ResidualGraph;
using testing::StatusIs;

/// The rows of `images` in batches of at most `size`.
BatchSource Split(Tensor images, int64_t size) {
  return [images, size, next = int64_t{0}]() mutable -> absl::StatusOr<std::optional<Tensor>> {
    if (next == images.dim(0)) return std::nullopt;
    const int64_t end = std::min(images.dim(0), next + size);
    auto rows = images.Rows(next, end);
    next = end;
    if (!rows.ok()) return rows.status();
    return *rows;
  };
}

TEST(RangeObserverTest, MergesOverBatches) {
  RangeObserver observer;
  ASSERT_THAT(observer.Observe("x", Tensor::Of<float>({3}, {1, -2, 0.5f})), IsOk());
  ASSERT_THAT(observer.Observe("x", Tensor::Of<float>({2}, {3, -1})), IsOk());
  ASSERT_THAT(observer.Observe("y", Tensor::Of<float>({1}, {7})), IsOk());
  EXPECT_EQ(observer.ranges().at("x"), (Range{-2, 3}));
  EXPECT_EQ(observer.ranges().at("y"), (Range{7, 7}));
}

TEST(RangeObserverTest, RefusesWhatIsNoRange) {
  RangeObserver observer;
  EXPECT_THAT(observer.Observe("x", Tensor::Of<float>({2}, {1, std::nanf("")})),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("'x'")));
  EXPECT_THAT(
      observer.Observe("x", Tensor::Of<float>({1}, {std::numeric_limits<float>::infinity()})),
      StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(observer.Observe("x", Tensor::Of<int8_t>({1}, {1})),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("i8")));
  EXPECT_THAT(observer.Observe("x", Tensor()), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(CalibrateTest, SplittingIntoBatchesMakesNoDifference) {
  const auto graph = ResidualGraph();
  ASSERT_THAT(graph, IsOk());
  const std::vector<std::string> names = TensorsToCalibrate(*graph, {});
  EXPECT_THAT(names, ElementsAre("Input", "relu1", "relu2"));
  ReferenceRunner runner(*graph, {"relu1", "relu2"});
  const Tensor images = NormalTensor({5, 3, 8, 8}, 7);
  const auto whole = Calibrate(runner, names, Split(images, 5));
  const auto pieces = Calibrate(runner, names, Split(images, 2));
  ASSERT_THAT(whole, IsOk());
  ASSERT_THAT(pieces, IsOk());
  EXPECT_EQ(*whole, *pieces);
  EXPECT_EQ(whole->images, 5);
  EXPECT_EQ(whole->ranges.at("relu1").min, 0);
  EXPECT_GT(whole->ranges.at("relu1").max, 0);
  const auto [low, high] =
      std::minmax_element(images.data<float>().begin(), images.data<float>().end());
  EXPECT_EQ(whole->ranges.at("Input"), (Range{*low, *high}));
}

TEST(CalibrateTest, NamesWhatTheRunnerDoesNotGive) {
  const auto graph = ResidualGraph();
  ASSERT_THAT(graph, IsOk());
  ReferenceRunner runner(*graph, {"relu1"});
  EXPECT_THAT(
      Calibrate(runner, {"relu1", "relu3", "other"}, Split(NormalTensor({1, 3, 8, 8}, 7), 1)),
      StatusIs(absl::StatusCode::kNotFound,
               AllOf(HasSubstr("'relu3'"), HasSubstr("'other'"), HasSubstr("relu1"))));
}

TEST(CalibrateTest, NoImagesAreAnError) {
  const auto graph = ResidualGraph();
  ASSERT_THAT(graph, IsOk());
  ReferenceRunner runner(*graph, {"relu1"});
  const auto none = []() -> absl::StatusOr<std::optional<Tensor>> { return std::nullopt; };
  EXPECT_THAT(Calibrate(runner, {"relu1"}, none),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no images")));
}

TEST(WithActivationOutputsTest, AddsEachTensorOnceBehindTheGraphsOwn) {
  const auto graph = ResidualGraph();
  ASSERT_THAT(graph, IsOk());
  const auto observed = WithActivationOutputs(*graph, {"Input", "relu2", "head", "relu1", "relu2"});
  ASSERT_THAT(observed, IsOk());
  EXPECT_THAT(observed->OutputNames(), ElementsAre("head", "relu2", "relu1"));
  EXPECT_THAT(graph->OutputNames(), ElementsAre("head"));
}

TEST(WithActivationOutputsTest, NamesWhatNoNodeMakes) {
  const auto graph = ResidualGraph();
  ASSERT_THAT(graph, IsOk());
  EXPECT_THAT(WithActivationOutputs(*graph, {"relu3", "relu1"}),
              StatusIs(absl::StatusCode::kNotFound,
                       AllOf(HasSubstr("'relu3'"), HasSubstr("did you mean"))));
}

TEST(WeightsDigestTest, ChangesWithWeightsOnly) {
  const auto graph = ResidualGraph();
  ASSERT_THAT(graph, IsOk());
  graph::Graph other = graph->Clone();
  other.mutable_proto().set_doc_string("edited");
  EXPECT_EQ(WeightsDigest(other), WeightsDigest(*graph));
  EXPECT_EQ(WeightsDigest(other).size(), 64u);
  Tensor kernel = *other.Initializer("conv1/kernel");
  kernel.data<float>()[0] += 1;
  ASSERT_THAT(other.SetInitializer("conv1/kernel", kernel), IsOk());
  EXPECT_NE(WeightsDigest(other), WeightsDigest(*graph));
}

}  // namespace
}  // namespace trainyard::quantization
