#include "libs/tasks/draw.h"

#include <limits>
#include <string>
#include <vector>

#include "libs/tasks/detection/draw_boxes.h"
#include "tests/support/status_matchers.h"

namespace trainyard::tasks {
namespace {

using ::testing::HasSubstr;
using testing::IsOk;
using testing::StatusIs;

Tensor Grey(int64_t height, int64_t width) {
  Tensor image = Tensor::Zeros(DType::kUInt8, {height, width, 3});
  for (uint8_t& value : image.data<uint8_t>()) value = 100;
  return image;
}
Rgb At(const Tensor& image, int64_t x, int64_t y) {
  const auto* pixel = image.data<uint8_t>().data() + (y * image.dim(1) + x) * 3;
  return {pixel[0], pixel[1], pixel[2]};
}

TEST(DrawTest, ColoursAreTaosByClassModuloFive) {
  EXPECT_EQ(ColorOf(1), (Rgb{255, 0, 0}));
  EXPECT_EQ(ColorOf(2), (Rgb{0, 0, 255}));
  EXPECT_EQ(ColorOf(3), (Rgb{255, 215, 0}));
  EXPECT_EQ(ColorOf(4), (Rgb{128, 0, 128}));
  EXPECT_EQ(ColorOf(5), (Rgb{0, 0, 0}));
  EXPECT_EQ(ColorOf(6), ColorOf(1));
}

TEST(DrawTest, DrawsAnOutlineOfOnePixelAndLeavesTheInside) {
  Tensor image = Grey(60, 80);
  ASSERT_THAT(DrawBox(image, {10, 20, 50, 40}, {255, 0, 0}, ""), IsOk());
  EXPECT_EQ(At(image, 10, 20), (Rgb{255, 0, 0}));
  EXPECT_EQ(At(image, 50, 40), (Rgb{255, 0, 0}));
  EXPECT_EQ(At(image, 30, 20), (Rgb{255, 0, 0}));
  EXPECT_EQ(At(image, 30, 30), (Rgb{100, 100, 100}));
  EXPECT_EQ(At(image, 9, 30), (Rgb{100, 100, 100}));
}

TEST(DrawTest, BoxesBeyondTheImageAndTagsStayInside) {
  Tensor image = Grey(40, 60);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float huge = std::numeric_limits<float>::infinity();
  const data::Detection found[] = {{.box = {-500, -500, 900, 900}, .class_id = 1, .score = 0.5f},
                                   {.box = {55, 35, 1e30f, huge}, .class_id = 2, .score = 0.25f},
                                   {.box = {nan, 0, 5, 5}, .class_id = 9, .score = 1}};
  const std::vector<std::string> classes = {"a very long class name", "b"};
  EXPECT_THAT(DrawDetections(image, found, classes), IsOk());
  EXPECT_EQ(At(image, 59, 39), (Rgb{255, 0, 0}));
}

TEST(DrawTest, ATagIsFilledWithTheColourOfItsClass) {
  Tensor image = Grey(200, 300);
  ASSERT_THAT(DrawDetections(image, {{.box = {50, 60, 150, 160}, .class_id = 3, .score = 0.5f}},
                             {{"a", "b", "c"}}),
              IsOk());
  EXPECT_EQ(At(image, 51, 61), (Rgb{255, 215, 0}));
}

TEST(DrawTest, ATagAloneLiesInItsCornerAndStaysInsideASmallPicture) {
  Tensor image = Grey(200, 300);
  ASSERT_THAT(DrawTag(image, 0, 0, {255, 215, 0}, "cat: 0.75"), IsOk());
  EXPECT_EQ(At(image, 1, 1), (Rgb{255, 215, 0}));
  EXPECT_EQ(At(image, 150, 100), (Rgb{100, 100, 100}));
  Tensor small = Grey(3, 4);
  ASSERT_THAT(DrawTag(small, 900, -5, {255, 215, 0}, "a name that is wider than the picture"), IsOk());
  EXPECT_EQ(At(small, 0, 0), (Rgb{255, 215, 0}));
}

TEST(DrawTest, RefusesWhatIsNoPicture) {
  Tensor wrong = Tensor::Zeros(DType::kFloat32, {4, 4, 3});
  EXPECT_THAT(DrawBox(wrong, {0, 0, 1, 1}, {0, 0, 0}, ""),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("f32 [4, 4, 3]")));
}

}  // namespace
}  // namespace trainyard::tasks
