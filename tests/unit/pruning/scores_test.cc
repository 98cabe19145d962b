#include "libs/pruning/scores.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/pruning/selection.h"
#include "tests/support/status_matchers.h"

namespace trainyard::pruning {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::FloatNear;
using ::testing::HasSubstr;
using ::testing::Pointwise;
using ::testing::SizeIs;
using ::trainyard::testing::IsOkAndHolds;
using ::trainyard::testing::StatusIs;

MATCHER_P(IsNear, tolerance, "is near") {
  return std::abs(std::get<0>(arg) - std::get<1>(arg)) <= tolerance;
}

const std::vector<float> kFirst = {0.9f, 0.05f, 0.4f,  0.31f, 0.02f, 1.2f,
                                   0.6f, 0.08f, 0.25f, 0.07f, 0.8f,  0.11f};
const std::vector<float> kSecond = {0.05f, 0.7f,  0.3f, 0.02f, 0.04f, 0.5f,
                                    0.01f, 0.06f, 0.9f, 0.03f, 0.2f,  1.0f};

TEST(FilterNormsTest, SumsOverAllAxesButOne) {
  // Filter 0: 1, 2, 2, 4 -> 5; filter 1: 0, 3, 4, 0 -> 5; along axis 1: sqrt(1 + 4 + 0 + 9), ...
  const Tensor kernel = Tensor::Of<float>({2, 2, 1, 2}, {1, 2, 2, 4, 0, 3, 4, 0});
  EXPECT_THAT(FilterNorms(kernel, 0), IsOkAndHolds(ElementsAre(5, 5)));
  EXPECT_THAT(FilterNorms(kernel, 1), IsOkAndHolds(ElementsAre(FloatNear(3.7416574f, 1e-6f), 6)));
}

TEST(FilterNormsTest, RefusesWhatItCannotScore) {
  EXPECT_THAT(FilterNorms(Tensor::Zeros(DType::kInt8, {2, 2}), 0),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("i8")));
  EXPECT_THAT(FilterNorms(Tensor::Zeros(DType::kFloat32, {2, 2}), 2),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no axis 2")));
}

TEST(NormalizeNormsTest, ByTheLargest) {
  EXPECT_THAT(NormalizeNorms(kFirst, Normalizer::kMax, false),
              Pointwise(IsNear(5e-5f), {0.75f, 0.0417f, 0.3333f, 0.2583f, 0.0167f, 1.0f, 0.5f,
                                        0.0667f, 0.2083f, 0.0583f, 0.6667f, 0.0917f}));
}

TEST(NormalizeNormsTest, ByTheirL2NormAsTheGuideSays) {
  const std::vector<float> normalized = NormalizeNorms(kFirst, Normalizer::kL2, false);
  EXPECT_NEAR(normalized[0], 0.9 / 1.8960222, 1e-6);
  double squares = 0;
  for (const float n : normalized) squares += double{n} * n;
  EXPECT_NEAR(squares, 1, 1e-6);
}

TEST(NormalizeNormsTest, TaosCodeMultipliesTheL2FormByTheirNumber) {
  const std::vector<float> normalized = NormalizeNorms(kFirst, Normalizer::kL2, true);
  EXPECT_THAT(normalized,
              Pointwise(IsNear(5e-5f), {5.6961f, 0.3165f, 2.5316f, 1.9620f, 0.1266f, 7.5948f,
                                        3.7974f, 0.5063f, 1.5823f, 0.4430f, 5.0632f, 0.6962f}));
  const auto select = [&](double threshold) {
    return SelectChannels(normalized,
                          {.threshold = threshold, .granularity = 4, .min_channels = 2});
  };
  EXPECT_THAT(select(0.3), IsOkAndHolds(SizeIs(12)));
  EXPECT_THAT(select(1.0), IsOkAndHolds(ElementsAre(0, 2, 3, 5, 6, 8, 10, 11)));
  EXPECT_THAT(select(3.0), IsOkAndHolds(ElementsAre(0, 5, 6, 10)));
  // The factor is of the L2 form alone.
  EXPECT_EQ(NormalizeNorms(kFirst, Normalizer::kMax, true),
            NormalizeNorms(kFirst, Normalizer::kMax, false));
}

TEST(NormalizeNormsTest, AnEmptyLayerHasScoresOfZero) {
  EXPECT_THAT(NormalizeNorms({0, 0, 0}, Normalizer::kMax, false), Each(0.0f));
  EXPECT_THAT(NormalizeNorms({0, 0, 0}, Normalizer::kL2, true), Each(0.0f));
}

class MergeScoresTest : public ::testing::Test {
 protected:
  std::vector<float> Merge(Equalization how) {
    return MergeScores({NormalizeNorms(kFirst, Normalizer::kMax, false),
                        NormalizeNorms(kSecond, Normalizer::kMax, false)},
                       how);
  }
  static auto Select(const std::vector<float>& scores) {
    return SelectChannels(scores, {.threshold = 0.3, .granularity = 4, .min_channels = 2});
  }
};

TEST_F(MergeScoresTest, UnionTakesTheLarger) {
  const auto merged = Merge(Equalization::kUnion);
  EXPECT_THAT(merged, Pointwise(IsNear(5e-5f), {0.75f, 0.7f, 0.3333f, 0.2583f, 0.04f, 1.0f, 0.5f,
                                                0.0667f, 0.9f, 0.0583f, 0.6667f, 1.0f}));
  EXPECT_THAT(Select(merged), IsOkAndHolds(ElementsAre(0, 1, 2, 5, 6, 8, 10, 11)));
}

TEST_F(MergeScoresTest, IntersectionTakesTheSmaller) {
  const auto merged = Merge(Equalization::kIntersection);
  EXPECT_THAT(merged, Pointwise(IsNear(5e-5f), {0.05f, 0.0417f, 0.3f, 0.02f, 0.0167f, 0.5f, 0.01f,
                                                0.06f, 0.2083f, 0.03f, 0.2f, 0.0917f}));
  EXPECT_THAT(Select(merged), IsOkAndHolds(ElementsAre(2, 5, 8, 10)));
}

TEST_F(MergeScoresTest, ArithmeticMean) {
  const auto merged = Merge(Equalization::kArithmeticMean);
  EXPECT_THAT(merged,
              Pointwise(IsNear(5.5e-5f), {0.4f, 0.3708f, 0.3167f, 0.1392f, 0.0283f, 0.75f, 0.255f,
                                          0.0633f, 0.5542f, 0.0442f, 0.4333f, 0.5458f}));
  EXPECT_THAT(Select(merged), IsOkAndHolds(ElementsAre(0, 1, 2, 5, 6, 8, 10, 11)));
}

TEST_F(MergeScoresTest, GeometricMean) {
  const auto merged = Merge(Equalization::kGeometricMean);
  EXPECT_THAT(merged,
              Pointwise(IsNear(5.5e-5f), {0.1936f, 0.1708f, 0.3162f, 0.0719f, 0.0258f, 0.7071f,
                                          0.0707f, 0.0632f, 0.4330f, 0.0418f, 0.3651f, 0.3028f}));
  EXPECT_THAT(Select(merged), IsOkAndHolds(ElementsAre(0, 1, 2, 3, 5, 8, 10, 11)));
  EXPECT_THAT(MergeScores({{0.0f}, {1.0f}}, Equalization::kGeometricMean), ElementsAre(0.0f));
}

}  // namespace
}  // namespace trainyard::pruning
