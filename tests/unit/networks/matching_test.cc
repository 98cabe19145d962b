#include "libs/networks/ssd/matching.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <set>
#include <vector>

#include "libs/base/random.h"
#include "tests/support/detection_heads.h"
#include "tests/support/status_matchers.h"

namespace trainyard::networks {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::MakeHead;
using testing::MakeHead300;
using testing::StatusIs;

// The rule of the reference, word by word, on the full matrix: slow and obvious.
double SlowIoU(const Anchor& a, const data::Box& b) {
  const double w = std::max(0.0, std::min<double>(a.x2, b.x2) - std::max<double>(a.x1, b.x1));
  const double h = std::max(0.0, std::min<double>(a.y2, b.y2) - std::max<double>(a.y1, b.y1));
  const double box = (double{b.x2} - b.x1) * (double{b.y2} - b.y1);
  return w * h / ((a.x2 - a.x1) * (a.y2 - a.y1) + box - w * h);
}

std::vector<int32_t> SlowMatch(const AnchorSet& set, const std::vector<data::Box>& boxes,
                               const MatchThresholds& thresholds) {
  const size_t A = set.anchors.size(), G = boxes.size();
  std::vector<std::vector<double>> iou(G, std::vector<double>(A));
  for (size_t g = 0; g < G; ++g) {
    for (size_t a = 0; a < A; ++a) iou[g][a] = SlowIoU(set.anchors[a], boxes[g]);
  }
  auto work = iou;
  std::vector<size_t> anchor_of(G, 0);
  std::vector<bool> done(G, false);
  for (size_t round = 0; round < G; ++round) {
    size_t best_g = 0, best_a = 0;
    double best = -1;
    for (size_t g = 0; g < G; ++g) {
      if (done[g]) continue;
      const auto at = std::max_element(work[g].begin(), work[g].end());
      if (*at > best) best = *at, best_g = g, best_a = at - work[g].begin();
    }
    if (best == 0) best_a = 0;
    done[best_g] = true;
    anchor_of[best_g] = best_a;
    for (size_t g = 0; g < G; ++g) work[g][best_a] = 0;
  }
  std::vector<int32_t> matches(A, kBackgroundAnchor);
  for (size_t g = 0; g < G; ++g) {
    matches[anchor_of[g]] = static_cast<int32_t>(g);
    for (size_t other = 0; other < G; ++other) iou[other][anchor_of[g]] = 0;
  }
  for (size_t a = 0; a < A; ++a) {
    size_t g = 0;
    for (size_t i = 1; i < G; ++i) {
      if (iou[i][a] > iou[g][a]) g = i;
    }
    if (iou[g][a] >= thresholds.positive_iou) {
      matches[a] = static_cast<int32_t>(g);
    } else if (iou[g][a] >= thresholds.negative_iou) {
      matches[a] = kNeutralAnchor;
    }
  }
  return matches;
}

std::vector<data::Box> RandomBoxes(Philox& random, int count) {
  std::vector<data::Box> boxes;
  for (int i = 0; i < count; ++i) {
    const double w = random.Uniform(0.01, 0.9), h = random.Uniform(0.01, 0.9);
    const double x = random.Uniform(0, 1 - w), y = random.Uniform(0, 1 - h);
    boxes.push_back({static_cast<float>(x), static_cast<float>(y), static_cast<float>(x + w),
                     static_cast<float>(y + h)});
  }
  return boxes;
}

TEST(MatchAnchorsTest, AgreesWithTheSlowReference) {
  const auto square = MakeHead(300, 300, {{10, 10}, {5, 5}, {3, 3}}, {4, 6, 4});
  auto odd = MakeHead(320, 160, {{5, 9}, {2, 4}}, {6, 4});  // steps that leave the grid, clipped
  odd.set_clip_boxes(true);
  odd.mutable_maps(0)->set_step_x(31);
  odd.mutable_maps(0)->set_offset_y(0.3);
  const AnchorSet sets[] = {MakeAnchors(square, 300, 300).value(),
                            MakeAnchors(odd, 320, 160).value()};
  for (uint64_t trial = 0; trial < 60; ++trial) {
    Philox random(7, 0, trial, RandomPurpose::kSampleData);
    const std::vector<data::Box> boxes =
        RandomBoxes(random, static_cast<int>(1 + random.Below(12)));
    const MatchThresholds thresholds{.positive_iou = 0.5,
                                     .negative_iou = trial % 2 == 0 ? 0.5 : 0.3};
    for (const AnchorSet& set : sets) {
      EXPECT_EQ(MatchAnchors(set, boxes, thresholds), SlowMatch(set, boxes, thresholds))
          << "trial " << trial;
    }
  }
}

// Duplicated boxes have equal overlaps everywhere: the first wins its anchor, the second takes
// another.
TEST(MatchAnchorsTest, EqualBoxesBothFindAnAnchor) {
  const AnchorSet set = MakeAnchors(MakeHead(300, 300, {{10, 10}}, {4}), 300, 300).value();
  const std::vector<data::Box> boxes(5, {0.2f, 0.2f, 0.3f, 0.3f});
  const auto matches = MatchAnchors(set, boxes, {});
  EXPECT_EQ(matches, SlowMatch(set, boxes, {}));
  EXPECT_EQ(std::set<int32_t>(matches.begin(), matches.end()).size(), 6u);  // 5 and background
}

TEST(MatchAnchorsTest, ABoxThatOverlapsNothingGoesToAnchorZero) {
  const AnchorSet set = MakeAnchors(MakeHead(300, 300, {{10, 10}}, {4}), 300, 300).value();
  const auto matches = MatchAnchors(set, {{5.0f, 5.0f, 5.1f, 5.1f}}, {});
  EXPECT_EQ(matches[0], 0);
  EXPECT_EQ(std::count(matches.begin(), matches.end(), kBackgroundAnchor), set.size() - 1);
}

TEST(MatchAnchorsTest, EveryBoxHasAnAnchorHoweverPoor) {
  const AnchorSet set = MakeAnchors(MakeHead300(), 300, 300).value();
  const auto matches = MatchAnchors(set, {{0.5f, 0.5f, 0.502f, 0.503f}}, {});
  EXPECT_EQ(std::count(matches.begin(), matches.end(), 0), 1);
}

TEST(MatchAnchorsTest, TwentyBoxesOn8744AnchorsTakeWellUnderAMillisecond) {
  const AnchorSet set = MakeAnchors(MakeHead300(), 300, 300).value();
  Philox random(1, 0, 0, RandomPurpose::kSampleData);
  const std::vector<data::Box> boxes = RandomBoxes(random, 20);
  double best_ms = 1e9;
  for (int i = 0; i < 20; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    const auto matches = MatchAnchors(set, boxes, {});
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
    ASSERT_EQ(matches.size(), 8744u);
    best_ms = std::min(best_ms, took.count());
  }
  RecordProperty("best_ms", std::to_string(best_ms));
  std::printf("20 boxes on 8744 anchors: %.3f ms\n", best_ms);
#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__)
  EXPECT_LT(best_ms, 3.0);  // three times slack for a busy machine
#endif
}

Anchor AnchorAt(double cx, double cy, double w, double h) {
  return {.cx = cx, .cy = cy, .w = w, .h = h};
}

// Reference vectors: box (2, 3, 6, 8) in 300 x 300, variances .1 .1 .2 .2.
TEST(EncodeBoxTest, GivesTheReferenceOffsets) {
  const data::Box box{2 / 300.0f, 3 / 300.0f, 6 / 300.0f, 8 / 300.0f};
  const double variances[] = {0.1, 0.1, 0.2, 0.2};
  const auto square = EncodeBox(box, AnchorAt(0.25, 0.5, 0.96124919, 0.96124919), variances);
  const double expected[] = {-2.46207404, -5.01084082, -21.38983255, -20.27411479};
  for (int i = 0; i < 4; ++i) EXPECT_NEAR(square[i], expected[i], 2e-6);
  const auto tall = EncodeBox(box, AnchorAt(0.25, 0.5, 0.62225397, 1.24450793), variances);
  const double other[] = {-3.80337737, -3.87033827, -19.21540578, -21.56542389};
  for (int i = 0; i < 4; ++i) EXPECT_NEAR(tall[i], other[i], 2e-6);
}

SsdTargetEncoder MakeEncoder(const MatchThresholds& thresholds) {
  return SsdTargetEncoder::Create(MakeHead(100, 100, {{4, 4}}, {4}), 100, 100, thresholds).value();
}

TEST(SsdTargetEncoderTest, WithoutBoxesAllIsBackground) {
  const auto targets = MakeEncoder({}).Encode({});
  ASSERT_THAT(targets, IsOk());
  EXPECT_THAT((*targets)[0].shape(), ElementsAre(64));
  EXPECT_THAT((*targets)[1].shape(), ElementsAre(64, 4));
  for (const int32_t value : (*targets)[0].data<int32_t>()) EXPECT_EQ(value, 0);
  for (const float value : (*targets)[1].data<float>()) EXPECT_EQ(value, 0);
}

// A box equal to anchor 20 (cell (1, 1), first square) has offsets 0 there; anchors that overlap it
// by more than 0.3 but less than 0.5 are neutral.
TEST(SsdTargetEncoderTest, MarksClassesOffsetsAndNeutralAnchors) {
  const SsdTargetEncoder encoder = MakeEncoder({.positive_iou = 0.5, .negative_iou = 0.3});
  const Anchor& a = encoder.anchors().anchors[20];
  const data::LabelledBox box{
      .box = {float(a.x1 * 100), float(a.y1 * 100), float(a.x2 * 100), float(a.y2 * 100)},
      .class_id = 2};
  const auto targets = encoder.Encode({box});
  ASSERT_THAT(targets, IsOk());
  const auto classes = (*targets)[0].data<int32_t>();
  EXPECT_EQ(classes[20], 2);
  for (int i = 0; i < 4; ++i) EXPECT_NEAR((*targets)[1].data<float>()[80 + i], 0, 1e-5);
  // The second square is sqrt(.07 * .15) = 0.1025 wide: IoU .07^2 / .1025^2 = 0.467.
  EXPECT_EQ(classes[21], -1);
  // Ratio 2 has IoU .07 * .0495 / (2 * .0049 - .07 * .0495) = 0.547.
  EXPECT_EQ(classes[22], 2);
  EXPECT_EQ(std::count(classes.begin(), classes.end(), 0), 64 - 4);
}

// An object that is left out takes no anchor from the others, and none of its own is background.
TEST(SsdTargetEncoderTest, AnchorsOfNeutralBoxesAreNeitherPositiveNorNegative) {
  const auto encoder = SsdTargetEncoder::Create(MakeHead300(), 300, 300, {});
  ASSERT_THAT(encoder, IsOk());
  const data::LabelledBox kept{.box = {40, 50, 160, 170}, .class_id = 2};
  const data::LabelledBox left_out{.box = {50, 55, 170, 180}, .class_id = 1, .neutral = true};
  data::LabelledBox learnt = left_out;
  learnt.neutral = false;
  const auto alone = encoder->Encode({kept}), other = encoder->Encode({learnt});
  const auto both = encoder->Encode({left_out, kept});
  ASSERT_THAT(both, IsOk());
  int positive = 0, neutral = 0;
  for (int64_t a = 0; a < encoder->anchors().size(); ++a) {
    const int32_t of_kept = (*alone)[0].data<int32_t>()[a];
    const int32_t of_left_out = (*other)[0].data<int32_t>()[a];
    const int32_t expected = of_kept != 0 ? of_kept : of_left_out != 0 ? -1 : 0;
    ASSERT_EQ((*both)[0].data<int32_t>()[a], expected) << "anchor " << a;
    positive += expected == 2;
    neutral += expected == -1;
    for (int i = 0; i < 4; ++i) {
      ASSERT_EQ((*both)[1].data<float>()[4 * a + i], (*alone)[1].data<float>()[4 * a + i]);
    }
  }
  EXPECT_GT(positive, 3);
  EXPECT_GT(neutral, 1);
}

TEST(SsdTargetEncoderTest, NamesABoxThatCannotBeEncoded) {
  const SsdTargetEncoder encoder = MakeEncoder({});
  const data::LabelledBox good{.box = {1, 2, 3, 4}, .class_id = 1};
  EXPECT_THAT(encoder.Encode({good, {.box = {410, 22, 390, 80}, .class_id = 1}}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("box 1 (410, 22, 390, 80) is degenerate")));
  EXPECT_THAT(encoder.Encode({{.box = {1, 2, 3, 4}, .class_id = 0}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("has class 0")));
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(encoder.Encode({{.box = {1, nan, 3, 4}, .class_id = 1}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("not finite")));
}

TEST(SsdTargetEncoderTest, ChecksItsThresholds) {
  EXPECT_THAT(
      SsdTargetEncoder::Create(MakeHead300(), 300, 300, {.positive_iou = 1.5, .negative_iou = 0}),
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr("positive_iou is 1.5"), HasSubstr("negative_iou is 0"))));
  EXPECT_THAT(
      SsdTargetEncoder::Create(MakeHead300(), 300, 300, {.positive_iou = 0.4, .negative_iou = 0.5}),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("negative_iou is 0.5; expected above 0 and at most")));
}

}  // namespace
}  // namespace trainyard::networks
