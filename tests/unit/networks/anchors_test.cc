#include "libs/networks/ssd/anchors.h"

#include <cmath>
#include <limits>

#include "tests/support/detection_heads.h"
#include "tests/support/status_matchers.h"

namespace trainyard::networks {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::MakeHead;
using testing::MakeHead300;
using testing::StatusIs;

void ExpectCorners(const Anchor& a, double x1, double y1, double x2, double y2) {
  EXPECT_NEAR(a.x1, x1, 1e-8);
  EXPECT_NEAR(a.y1, y1, 1e-8);
  EXPECT_NEAR(a.x2, x2, 1e-8);
  EXPECT_NEAR(a.y2, y2, 1e-8);
}

// Reference vectors of TAO's anchors, first cell of the 38 x 38 map.
TEST(MakeAnchorsTest, GivesTheReferenceCornersOfTheFirstCell) {
  const AnchorSet set = MakeAnchors(MakeHead300(), 300, 300).value();
  ExpectCorners(set.anchors[0], -0.02184211, -0.02184211, 0.04815789, 0.04815789);
  ExpectCorners(set.anchors[1], -0.03807686, -0.03807686, 0.06439265, 0.06439265);
  ExpectCorners(set.anchors[2], -0.03633958, -0.01159084, 0.06265537, 0.03790663);
  ExpectCorners(set.anchors[3], -0.01159084, -0.03633958, 0.03790663, 0.06265537);
  EXPECT_NEAR(set.anchors[0].cx, 0.01315789, 1e-8);
  EXPECT_NEAR(set.anchors[0].cy, 0.01315789, 1e-8);
}

TEST(MakeAnchorsTest, GivesTheReferenceSizesOfTheOtherMaps) {
  const AnchorSet set = MakeAnchors(MakeHead300(), 300, 300).value();
  const double second[] = {0.22248595, 0.41024383, 0.59321160, 0.77479029, 0.95577194};
  for (size_t i = 1; i < set.maps.size(); ++i) {
    const Anchor& square = set.anchors[set.maps[i].first + 1];
    EXPECT_NEAR(square.w, second[i - 1], 1e-8) << "map " << i;
    EXPECT_NEAR(square.h, second[i - 1], 1e-8) << "map " << i;
  }
  const Anchor& wide = set.anchors[set.maps[1].first + 4];
  EXPECT_NEAR(wide.w, 0.25980762, 1e-8);
  EXPECT_NEAR(wide.h, 0.08660254, 1e-8);
}

// The first reference vector in pixels of an input that is twice as wide as high. Kills: widths scaled by
// the height, boxes that are left normalised, an order that is not the outputs'.
TEST(AnchorBoxesTest, AreTheAnchorsInPixels) {
  const auto square = AnchorBoxes(MakeHead300(), 300, 300);
  ASSERT_THAT(square, IsOk());
  ASSERT_EQ(square->size(), 8744u);
  EXPECT_NEAR(square->front().x1, -0.02184211 * 300, 1e-4);
  EXPECT_NEAR(square->front().y2, 0.04815789 * 300, 1e-4);
  const auto head = MakeHead(1248, 384, {{48, 156}, {24, 78}, {12, 39}, {6, 20}, {3, 10}, {2, 5}});
  const auto wide = AnchorBoxes(head, 1248, 384);
  ASSERT_THAT(wide, IsOk());
  // The first of a cell has aspect 1: a square in pixels. The second cell lies 8 pixels to the right.
  EXPECT_NEAR(wide->front().width(), wide->front().height(), 1e-3);
  const auto per_cell = static_cast<size_t>(BoxesPerCell(head, head.maps(0)));
  EXPECT_NEAR((*wide)[per_cell].x1 - (*wide)[0].x1, 8, 1e-3);
  EXPECT_THAT(AnchorBoxes({}, 300, 300), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(MakeAnchorsTest, CountsAsTheNetworksOutputsDo) {
  EXPECT_EQ(MakeAnchors(MakeHead300(), 300, 300)->size(), 8744);
  EXPECT_EQ(AnchorCount(MakeHead(300, 300, {{37, 37}, {18, 18}, {9, 9}, {5, 5}, {3, 3}, {2, 2}})),
            8108);
  EXPECT_EQ(AnchorCount(MakeHead(512, 512, {{64, 64}, {32, 32}, {16, 16}, {8, 8}, {4, 4}, {2, 2}})),
            24528);
  const auto wide = MakeHead(1248, 384, {{48, 156}, {24, 78}, {12, 39}, {6, 20}, {3, 10}, {2, 5}});
  EXPECT_EQ(AnchorCount(wide), 44872);
  EXPECT_EQ(MakeAnchors(wide, 1248, 384)->size(), 44872);
}

// Scales are of the shorter side: a square anchor is square in pixels.
TEST(MakeAnchorsTest, ScalesByTheShorterSideAndOrdersRowsBeforeColumns) {
  const AnchorSet set = MakeAnchors(MakeHead(200, 100, {{2, 3}}, {4}), 200, 100).value();
  ASSERT_EQ(set.size(), 2 * 3 * 4);
  EXPECT_NEAR(set.anchors[0].w * 200, 7, 1e-9);
  EXPECT_NEAR(set.anchors[0].h * 100, 7, 1e-9);
  EXPECT_NEAR(set.anchors[4].cx * 200, 100, 1e-9);  // column 1
  EXPECT_NEAR(set.anchors[4].cy * 100, 25, 1e-9);   // row 0
  EXPECT_NEAR(set.anchors[12].cx * 200, 200.0 / 6, 1e-9);
  EXPECT_NEAR(set.anchors[12].cy * 100, 75, 1e-9);  // row 1
}

TEST(MakeAnchorsTest, UsesStepsAndOffsetsOfTheRecord) {
  auto head = MakeHead(100, 100, {{2, 2}}, {4});
  head.mutable_maps(0)->set_step_x(30);
  head.mutable_maps(0)->set_offset_x(0.25);
  const AnchorSet set = MakeAnchors(head, 100, 100).value();
  EXPECT_NEAR(set.anchors[4].cx * 100, (0.25 + 1) * 30, 1e-9);
  EXPECT_NEAR(set.anchors[4].cy * 100, 25, 1e-9);
}

// One cell, centre 50, side 105 and more: -2.5 becomes 0 and 102.5 becomes the last pixel, 99.
TEST(MakeAnchorsTest, ClipsToTheLastPixelAsTaoDoes) {
  auto head = MakeHead(100, 100, {{1, 1}}, {4});
  head.mutable_maps(0)->set_scale(1.05);
  head.set_clip_boxes(true);
  const Anchor a = MakeAnchors(head, 100, 100)->anchors[0];
  ExpectCorners(a, 0, 0, 0.99, 0.99);
  EXPECT_NEAR(a.cx, 0.495, 1e-12);
  EXPECT_NEAR(a.w, 0.99, 1e-12);
}

TEST(MakeAnchorsTest, WithoutTheSecondSquareThereIsOneBoxARatio) {
  auto head = MakeHead300();
  head.set_two_boxes_for_ar1(false);
  EXPECT_EQ(BoxesPerCell(head, head.maps(0)), 3);
  EXPECT_EQ(BoxesPerCell(head, head.maps(1)), 5);
}

TEST(MakeAnchorsTest, NamesEveryProblem) {
  auto head = MakeHead300();
  head.mutable_maps(0)->set_width(0);
  head.mutable_maps(1)->set_scale(-1);
  head.mutable_maps(2)->set_aspect_ratios(1, 0);
  head.mutable_maps(3)->set_step_y(std::numeric_limits<double>::quiet_NaN());
  EXPECT_THAT(MakeAnchors(head, 300, 300),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("ssd.maps[0] has 38 x 0 cells"),
                             HasSubstr("ssd.maps[1].scale is -1"),
                             HasSubstr("ssd.maps[2].aspect_ratios holds 0"),
                             HasSubstr("ssd.maps[3].step_y is nan"))));
}

TEST(MakeAnchorsTest, RefusesAHugeHeadBeforeAllocating) {
  auto head = MakeHead(300, 300, {{2'000'000'000, 2'000'000'000}}, {4});
  head.mutable_maps(0)->set_step_x(1);
  head.mutable_maps(0)->set_step_y(1);
  EXPECT_THAT(MakeAnchors(head, 300, 300),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("at most 4000000")));
}

TEST(VariancesOfTest, WantsFourPositiveNumbers) {
  auto head = MakeHead300();
  EXPECT_THAT(VariancesOf(head), IsOk());
  head.set_variances(2, 0);
  EXPECT_THAT(VariancesOf(head), StatusIs(absl::StatusCode::kInvalidArgument,
                                          HasSubstr("ssd.variances is [0.1, 0.1, 0, 0.2]")));
  head.mutable_variances()->RemoveLast();
  EXPECT_THAT(VariancesOf(head), StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace trainyard::networks
