#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/pruning/prune.h"
#include "onnx/onnx_pb.h"
#include "tests/support/small_ssd.h"
#include "tests/support/status_matchers.h"
#include "tests/support/zoo_graphs.h"

namespace trainyard::pruning {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::trainyard::testing::IsOk;

/// The one warning of a pruning with these options.
std::string AdviceFor(const Model& model, const PruneOptions& options) {
  const absl::StatusOr<PruneResult> result = Prune(model, options);
  EXPECT_THAT(result, IsOk());
  EXPECT_THAT(result->warnings, SizeIs(1));
  return result->warnings.empty() ? "" : result->warnings[0];
}

TEST(PruneAdviceTest, WhoRemovesNothingHearsWhichThresholdsRemoveSomething) {
  const Model model = testing::SmallSsd();
  const std::string advice = AdviceFor(model, {.threshold = 0.1});
  EXPECT_THAT(advice, AllOf(HasSubstr("nothing was removed with a threshold of 0.1"),
                            HasSubstr("--remove 0.5")));
  // "a threshold (-pth) of 0.9 removes 30 %, of ...": whoever follows it gets what it says.
  int followed = 0;
  for (const absl::string_view part : absl::StrSplit(advice, "of ")) {
    double threshold = 0, percent = 0;
    const std::vector<std::string> words = absl::StrSplit(part, ' ');
    if (words.size() < 4 || words[1] != "removes") continue;
    ASSERT_TRUE(absl::SimpleAtod(words[0], &threshold) && absl::SimpleAtod(words[2], &percent));
    const absl::StatusOr<PruneResult> result = Prune(model, {.threshold = threshold});
    ASSERT_THAT(result, IsOk());
    EXPECT_GE(100 * (1 - result->ratio), percent) << advice;
    EXPECT_LE(100 * (1 - result->ratio), percent + 10) << advice;
    ++followed;
  }
  EXPECT_EQ(followed, 3) << advice;
}

TEST(PruneAdviceTest, WhoRemovesLessThanOnePercentHearsHowLittle) {
  const Model model = testing::SmallSsd();
  const absl::StatusOr<double> threshold = ThresholdForRatio(model, {}, 0.002);
  ASSERT_THAT(threshold, IsOk());
  EXPECT_THAT(AdviceFor(model, {.threshold = *threshold}),
              HasSubstr("hardly anything was removed (0."));
}

TEST(PruneAdviceTest, WhereNothingCanGoTheReasonIsSaid) {
  EXPECT_THAT(AdviceFor(testing::SmallSsd(), {.threshold = 0.5, .min_filters = 4096}),
              AllOf(HasSubstr("nothing was removed"),
                    HasSubstr("at most 0.0 % of the parameters can be removed with "
                              "min_num_filters 4096"),
                    Not(HasSubstr("asked for"))));
}

TEST(PruneAdviceTest, AThresholdAboveEveryScoreIsSaid) {
  EXPECT_THAT(
      AdviceFor(testing::SmallSsd(), {.threshold = 5}),
      AllOf(HasSubstr("the threshold 5 is not below any score (the largest is 1)"),
            HasSubstr("min_num_filters 16"), HasSubstr("% of the parameters were removed")));
}

TEST(PruneAdviceTest, WhoRemovesNearlyAllHearsIt) {
  const Model model = testing::SmallSsd();
  const absl::StatusOr<double> threshold = ThresholdForRatio(model, {}, 0.92);
  ASSERT_THAT(threshold, IsOk());
  EXPECT_THAT(AdviceFor(model, {.threshold = *threshold}),
              AllOf(HasSubstr("% of the parameters were removed"), HasSubstr("--remove 0.5")));
}

TEST(PruneAdviceTest, WhoRemovesAPartHearsNothing) {
  const Model model = testing::SmallSsd();
  for (const double part : {0.02, 0.5, 0.85}) {
    const absl::StatusOr<double> threshold = ThresholdForRatio(model, {}, part);
    ASSERT_THAT(threshold, IsOk());
    const absl::StatusOr<PruneResult> result = Prune(model, {.threshold = *threshold});
    ASSERT_THAT(result, IsOk());
    EXPECT_THAT(result->warnings, IsEmpty()) << part;
  }
}

TEST(PruneAdviceTest, WhatLoadingChangedIsPassedOn) {
  onnx::ModelProto proto = testing::Residual(testing::ZooWeights::kFull, true);
  proto.mutable_graph()->mutable_node(1)->set_name("stem");
  absl::StatusOr<graph::Graph> graph = graph::Graph::Parse(proto.SerializeAsString());
  ASSERT_THAT(graph, IsOk());
  EXPECT_THAT(
      AdviceFor({*std::move(graph), {}}, {.granularity = 1, .threshold = 0.7, .min_filters = 2}),
      HasSubstr("1 nodes had the name of another node"));
}

}  // namespace
}  // namespace trainyard::pruning
