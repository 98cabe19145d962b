#include "libs/data/picture_hash.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/random.h"
#include "libs/data/image_io.h"
#include "libs/data/sample_data.h"
#include "tests/support/data_pictures.h"

namespace trainyard::data {
namespace {

using ::testing::ElementsAre;
using testing::PlainPicture;

TEST(PictureHashTest, SaysWhereAPictureGrowsLighter) {
  // Columns of 17 by 16 cells, four pixels each: the right half is white.
  Tensor picture = PlainPicture(17 * 4, 16 * 4, {0, 0, 0});
  testing::PaintBox(picture, {9 * 4, 0, 17 * 4, 16 * 4}, {255, 255, 255});
  const PictureHash hash = HashPicture(picture);
  // In each row the step from cell 8 to cell 9, which is bit 8 of 16.
  const uint64_t rows = 0x0100010001000100u;
  EXPECT_THAT(hash, ElementsAre(rows, rows, rows, rows));
  EXPECT_EQ(HashDistance(hash, HashPicture(PlainPicture(3, 2, {9, 9, 9}))), 16);
}

TEST(PictureHashTest, StaysNearlyTheSameWhereThePictureDoes) {
  const Tensor scene = PaintScene(1, 0, 320, 240).image;
  const PictureHash hash = HashPicture(scene);
  const auto compressed = DecodeImage(EncodeJpeg(scene).value(), "");
  ASSERT_TRUE(compressed.ok());
  EXPECT_LE(HashDistance(hash, HashPicture(*compressed)), 10);
  Tensor lighter = scene.Clone();
  for (uint8_t& value : lighter.data<uint8_t>()) value = static_cast<uint8_t>(value / 2 + 40);
  EXPECT_LE(HashDistance(hash, HashPicture(lighter)), 40);
}

TEST(PictureHashTest, OtherScenesAreFarAway) {
  for (uint64_t i = 1; i < 6; ++i) {
    EXPECT_GT(HashDistance(HashPicture(PaintScene(1, 0, 320, 240).image),
                           HashPicture(PaintScene(1, i, 320, 240).image)),
              30)
        << i;
  }
}

TEST(GroupByHashTest, JoinsChains) {
  const PictureHash a{0b0, 0, 0, 0}, b{0b11, 0, 0, 0}, c{0b1111, 0, 0, 0}, far{~uint64_t{0}, 0, 0, 0};
  EXPECT_EQ(HashDistance(a, c), 4);
  EXPECT_THAT(GroupByHash({a, far, c, b}, 2), ElementsAre(0, 1, 0, 0));
  EXPECT_THAT(GroupByHash({a, far, c, b}, 1), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(GroupByHash({}, 2), ElementsAre());
}

}  // namespace
}  // namespace trainyard::data
