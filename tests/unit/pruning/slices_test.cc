#include "libs/pruning/slices.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/graph/builder.h"
#include "onnx/onnx_pb.h"
#include "tests/support/graph_interpreter.h"
#include "tests/support/status_matchers.h"

namespace trainyard::pruning {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::StatusIs;
using ::trainyard::testing::Wavy;

TEST(TakeTest, AlongEachAxis) {
  const Tensor tensor = Tensor::Of<float>({2, 3, 1}, {0, 1, 2, 10, 11, 12});
  const Tensor rows = Take(tensor, 0, {1});
  EXPECT_THAT(rows.shape(), ElementsAre(1, 3, 1));
  EXPECT_THAT(rows.data<float>(), ElementsAre(10, 11, 12));
  const Tensor columns = Take(tensor, 1, {0, 2});
  EXPECT_THAT(columns.shape(), ElementsAre(2, 2, 1));
  EXPECT_THAT(columns.data<float>(), ElementsAre(0, 2, 10, 12));
}

TEST(TakeTest, AnyElementTypeAndNothingAtAll) {
  EXPECT_THAT(Take(Tensor::Of<int8_t>({3}, {7, 8, 9}), 0, {0, 2}).data<int8_t>(),
              ElementsAre(7, 9));
  EXPECT_EQ(Take(Tensor::Of<int8_t>({3}, {7, 8, 9}), 0, {}).size(), 0);
}

TEST(PlacesKeptTest, AConcatShiftsByTheWidthBefore) {
  // A branch of four that keeps {0, 2}, then one of three that nobody may cut.
  const Channels channels = {{0, 4, 1}, {kFixedChannels, 3, 1}};
  EXPECT_THAT(PlacesKept(channels, {{0, 2}}), ElementsAre(0, 2, 4, 5, 6));
  EXPECT_EQ(PlaceCount(channels), 7);
}

TEST(PlacesKeptTest, AFlattenMakesRuns) {
  // Three channels of 2 x 2 places in NCHW, {0, 2} kept.
  EXPECT_THAT(PlacesKept({{0, 3, 4}}, {{0, 2}}), ElementsAre(0, 1, 2, 3, 8, 9, 10, 11));
}

TEST(CutsTest, ReadersThatDisagreeOnSharedWeightsAreNamed) {
  graph::GraphBuilder builder("net");
  const std::string x = builder.Input("Input", {-1, 3, 4, 4});
  const std::string a = builder.Conv("a", x, Wavy({4, 3, 1, 1}), Wavy({4}), {});
  const std::string b = builder.Node(
      "Conv", "b", {x, builder.Initializer("b/kernel", Wavy({4, 3, 1, 1}, 9)), "a/bias"});
  const std::string head =
      builder.Conv("head", builder.Concat("both", {a, b}, 1), Wavy({2, 8, 1, 1}), std::nullopt, {});
  builder.Output(head, {-1, 2, 4, 4});
  absl::StatusOr<graph::Graph> graph = std::move(builder).Finish();
  ASSERT_THAT(graph, IsOk());
  absl::StatusOr<ChannelMap> map = ChannelMap::Trace(*graph, {});
  ASSERT_THAT(map, IsOk());
  ASSERT_EQ(map->layers().size(), 3u);
  EXPECT_THAT(CutsOf(*graph, *map, {{0, 1}, {0, 1}, {0, 1}}), IsOk());
  EXPECT_THAT(CutsOf(*graph, *map, {{0, 1}, {0, 2}, {0, 1}}),
              StatusIs(absl::StatusCode::kUnimplemented,
                       AllOf(HasSubstr("'a/bias'"), HasSubstr("nodes 'a' and 'b'"))));
}

}  // namespace
}  // namespace trainyard::pruning
