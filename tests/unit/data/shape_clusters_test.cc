#include "libs/data/shape_clusters.h"

#include <cmath>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace trainyard::data {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

// Shapes within 5 % of three kinds, which overlap little: 60 small squares, 30 wide ones, 10 tall ones.
std::vector<BoxShape> ThreeKinds() {
  std::vector<BoxShape> shapes;
  const BoxShape kinds[] = {{10, 10}, {80, 40}, {50, 200}};
  const int counts[] = {60, 30, 10};
  for (int kind = 0; kind < 3; ++kind) {
    for (int i = 0; i < counts[kind]; ++i) {
      const double turn = 2 * 3.14159265358979 * i / counts[kind];
      shapes.push_back({kinds[kind].width * (1 + 0.05 * std::sin(turn)),
                        kinds[kind].height * (1 + 0.05 * std::cos(turn))});
    }
  }
  return shapes;
}

TEST(ShapeClustersTest, FindsTheKindsThatAreThere) {
  const ShapeClusters clusters = ClusterShapes(ThreeKinds(), 3, 1);
  ASSERT_THAT(clusters.centres, SizeIs(3));
  // Offsets of a circle cancel out.
  EXPECT_NEAR(clusters.centres[0].width, 10, 1e-6);
  EXPECT_NEAR(clusters.centres[0].height, 10, 1e-6);
  EXPECT_NEAR(clusters.centres[1].width, 80, 1e-6);
  EXPECT_NEAR(clusters.centres[1].height, 40, 1e-6);
  EXPECT_NEAR(clusters.centres[2].width, 50, 1e-6);
  EXPECT_NEAR(clusters.centres[2].height, 200, 1e-6);
  EXPECT_NEAR(clusters.centres[0].weight, 0.6, 1e-9);
  EXPECT_NEAR(clusters.centres[2].weight, 0.1, 1e-9);
  EXPECT_GT(clusters.mean_iou, 0.9);
}

TEST(ShapeClustersTest, AreTheSameForTheSameSeedAndForNearlyEverySeed) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const ShapeClusters clusters = ClusterShapes(ThreeKinds(), 3, seed);
    const ShapeClusters again = ClusterShapes(ThreeKinds(), 3, seed);
    ASSERT_EQ(clusters.centres.size(), again.centres.size());
    EXPECT_EQ(clusters.mean_iou, again.mean_iou);
    EXPECT_NEAR(clusters.centres.front().width, 10, 1e-6) << seed;
  }
}

TEST(ShapeClustersTest, SmallObjectsAreClustersAsLargeOnesAre) {
  // By squares of differences the two small kinds would be one.
  std::vector<BoxShape> shapes;
  for (int i = 0; i < 10; ++i) {
    shapes.push_back({4, 4});
    shapes.push_back({12, 12});
    shapes.push_back({300, 300.0 + 10 * i});
  }
  const ShapeClusters clusters = ClusterShapes(shapes, 3, 7);
  ASSERT_THAT(clusters.centres, SizeIs(3));
  EXPECT_EQ(clusters.centres[0].width, 4);
  EXPECT_EQ(clusters.centres[1].width, 12);
}

TEST(ShapeClustersTest, WeightsSayHowMuchAShapeCounts) {
  // The mean, 12.5, overlaps them by 0.64 and 0.39: worse than the heavier one does by 1 and 0.25.
  const ShapeClusters small = ClusterShapes(std::vector<BoxShape>{{10, 10, 3}, {20, 20, 1}}, 1, 1);
  ASSERT_THAT(small.centres, SizeIs(1));
  EXPECT_NEAR(small.centres[0].width, 10, 1e-9);
  EXPECT_NEAR(small.mean_iou, (3 * 1 + 0.25) / 4, 1e-9);
  const ShapeClusters large = ClusterShapes(std::vector<BoxShape>{{10, 10, 1}, {20, 20, 3}}, 1, 1);
  EXPECT_NEAR(large.centres[0].width, 20, 1e-9);
}

TEST(ShapeClustersTest, FewerShapesFewerClusters) {
  EXPECT_THAT(ClusterShapes(std::vector<BoxShape>{}, 3, 1).centres, IsEmpty());
  const std::vector<BoxShape> same(5, BoxShape{7, 9});
  const ShapeClusters clusters = ClusterShapes(same, 3, 1);
  ASSERT_THAT(clusters.centres, SizeIs(1));
  EXPECT_EQ(clusters.centres[0].height, 9);
  EXPECT_NEAR(clusters.mean_iou, 1, 1e-12);
}

TEST(ShapeClustersTest, OverlapsOfOneCentre) {
  EXPECT_NEAR(ShapeIoU({2, 2}, {1, 4}), 2.0 / 6, 1e-12);
  EXPECT_NEAR(ShapeIoU({3, 5}, {3, 5}), 1, 1e-12);
}

}  // namespace
}  // namespace trainyard::data
