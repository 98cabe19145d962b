#include "tests/support/exif.h"

#include <cstring>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/data/findings.h"
#include "libs/data/image_io.h"
#include "tests/support/data_pictures.h"
#include "tests/support/status_matchers.h"

namespace trainyard::data {
namespace {

using testing::ExifTiff;
using testing::IsOkAndHolds;
using testing::PixelAt;
using testing::PlainPicture;
using testing::WithChunk;
using testing::WithExif;

constexpr int64_t kWidth = 13, kHeight = 7;

// The upright picture: every pixel another colour.
Tensor Upright() {
  Tensor picture = PlainPicture(kWidth, kHeight, {});
  for (int64_t y = 0; y < kHeight; ++y) {
    for (int64_t x = 0; x < kWidth; ++x) {
      testing::PaintBox(picture, {float(x), float(y), float(x + 1), float(y + 1)},
                        {uint8_t(x * 9), uint8_t(y * 11), 77});
    }
  }
  return picture;
}

// EXIF's own words: which side of the upright picture the 0th row and the 0th column of what is
// stored are.
struct Sides {
  char row, column;
};
constexpr Sides kSides[] = {{'t', 'l'}, {'t', 'r'}, {'b', 'r'}, {'b', 'l'},
                            {'l', 't'}, {'r', 't'}, {'r', 'b'}, {'l', 'b'}};

Tensor StoredAs(int orientation, const Tensor& upright) {
  const Sides sides = kSides[orientation - 1];
  const bool lying = sides.row == 'l' || sides.row == 'r';
  const int64_t width = lying ? kHeight : kWidth, height = lying ? kWidth : kHeight;
  Tensor stored = PlainPicture(width, height, {});
  for (int64_t row = 0; row < height; ++row) {
    for (int64_t column = 0; column < width; ++column) {
      int64_t x = 0, y = 0;
      for (const auto& [side, index] :
           {std::pair(sides.row, row), std::pair(sides.column, column)}) {
        if (side == 'l') x = index;
        if (side == 'r') x = kWidth - 1 - index;
        if (side == 't') y = index;
        if (side == 'b') y = kHeight - 1 - index;
      }
      testing::PaintBox(stored, {float(column), float(row), float(column + 1), float(row + 1)},
                        PixelAt(upright, x, y));
    }
  }
  return stored;
}

class OrientationTest : public ::testing::TestWithParam<int> {};

TEST_P(OrientationTest, OfAPngIsUndonePixelByPixel) {
  const Tensor upright = Upright();
  const std::string stored = EncodePng(StoredAs(GetParam(), upright)).value();
  for (const bool big_endian : {false, true}) {
    for (const bool at_end : {false, true}) {
      const std::string png = WithChunk(stored, ExifTiff(GetParam(), big_endian), at_end);
      ImageFacts facts;
      const auto decoded = DecodeImage(png, "x", &facts);
      ASSERT_TRUE(decoded.ok()) << decoded.status();
      ASSERT_EQ(decoded->shape(), (Shape{kHeight, kWidth, 3}));
      EXPECT_EQ(memcmp(decoded->raw(), upright.raw(), upright.size_bytes()), 0);
      EXPECT_EQ(facts.orientation, GetParam());
      EXPECT_THAT(VerifyImage(png, "x"), IsOkAndHolds(ImageSize{kWidth, kHeight}));
      EXPECT_THAT(ReadImageSize(png, "x"), IsOkAndHolds(ImageSize{kWidth, kHeight}));
    }
  }
}

TEST_P(OrientationTest, OfAJpegIsUndone) {
  // Four quarters, large enough that JPEG keeps their colours apart.
  Tensor upright = PlainPicture(kWidth, kHeight, {});
  testing::PaintBox(upright, {7, 0, 13, 4}, {255, 0, 0});
  testing::PaintBox(upright, {0, 4, 7, 7}, {0, 0, 255});
  testing::PaintBox(upright, {7, 4, 13, 7}, {255, 255, 255});
  Tensor stored = StoredAs(GetParam(), upright);
  Tensor large = PlainPicture(stored.dim(1) * 16, stored.dim(0) * 16, {});
  for (int64_t y = 0; y < stored.dim(0); ++y) {
    for (int64_t x = 0; x < stored.dim(1); ++x) {
      testing::PaintBox(large,
                        {float(x * 16), float(y * 16), float(x * 16 + 16), float(y * 16 + 16)},
                        PixelAt(stored, x, y));
    }
  }
  const std::string jpeg = WithExif(EncodeJpeg(large, 95).value(), ExifTiff(GetParam()));
  ImageFacts facts;
  const auto decoded = DecodeImage(jpeg, "x", &facts);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  ASSERT_EQ(decoded->shape(), (Shape{kHeight * 16, kWidth * 16, 3}));
  EXPECT_EQ(facts.orientation, GetParam());
  for (const auto& [x, y] :
       {std::pair(2, 1), std::pair(10, 1), std::pair(2, 5), std::pair(10, 5)}) {
    const testing::Rgb seen = PixelAt(*decoded, x * 16, y * 16), wanted = PixelAt(upright, x, y);
    for (size_t c = 0; c < 3; ++c) EXPECT_NEAR(seen[c], wanted[c], 12) << x << " " << y;
  }
  EXPECT_THAT(VerifyImage(jpeg, "x"), IsOkAndHolds(ImageSize{kWidth * 16, kHeight * 16}));
  EXPECT_THAT(ReadImageSize(jpeg, "x"), IsOkAndHolds(ImageSize{kWidth * 16, kHeight * 16}));
}

INSTANTIATE_TEST_SUITE_P(All, OrientationTest, ::testing::Range(1, 9));

TEST(DamagedExifTest, WhatIsDamagedOrUnknownTurnsNothing) {
  const std::string png = EncodePng(Upright()).value();
  const std::string jpeg = EncodeJpeg(Upright()).value();
  for (const int orientation : {0, 9, 65535}) {
    EXPECT_THAT(ReadImageSize(WithExif(jpeg, ExifTiff(orientation)), "x"),
                IsOkAndHolds(ImageSize{kWidth, kHeight}));
  }
  const std::string tiff = ExifTiff(6);
  for (size_t length = 0; length < tiff.size() - 6; ++length) {
    EXPECT_THAT(VerifyImage(WithExif(jpeg, tiff.substr(0, length)), "x"),
                IsOkAndHolds(ImageSize{kWidth, kHeight}))
        << length;
  }
  // The directory lies far beyond the end; so does the number of its entries.
  std::string far = tiff;
  far.replace(4, 4, "\xFF\xFF\xFF\xFF");
  EXPECT_THAT(ReadImageSize(WithChunk(png, far), "x"), IsOkAndHolds(ImageSize{kWidth, kHeight}));
  std::string many = tiff.substr(0, 22);
  many.replace(8, 2, "\xFF\xFF");
  EXPECT_THAT(ReadImageSize(WithChunk(png, many), "x"), IsOkAndHolds(ImageSize{kWidth, kHeight}));
}

// With a chunk of this type and content behind the header.
std::string WithPart(const std::string& png, const std::string& type, const std::string& content) {
  const std::string typed = type + content;
  const auto crc = crc32(0, reinterpret_cast<const unsigned char*>(typed.data()), typed.size());
  return png.substr(0, 33) + testing::Bytes(content.size(), 4) + typed +
         testing::Bytes(static_cast<uint32_t>(crc), 4) + png.substr(33);
}

constexpr ImageSize kLying{kHeight, kWidth};

TEST(UnusualExifTest, AnOrientationMayBeALong) {
  std::string tiff = ExifTiff(6);
  tiff.replace(tiff.size() - 16, 12,
               testing::Bytes(0x0112, 2) + testing::Bytes(4, 2) + testing::Bytes(1, 4) +
                   testing::Bytes(6, 4));
  EXPECT_THAT(ReadImageSize(WithExif(EncodeJpeg(Upright()).value(), tiff), "x"),
              IsOkAndHolds(kLying));
}

TEST(UnusualExifTest, ASegmentWithoutTheTagDoesNotHideTheNext) {
  std::string without = ExifTiff(6);
  const size_t tag = without.find("\x01\x12");
  ASSERT_NE(tag, std::string::npos);
  without.replace(tag, 2, "\x01\x13");
  const std::string jpeg = WithExif(EncodeJpeg(Upright()).value(), ExifTiff(6));
  EXPECT_THAT(ReadImageSize(WithExif(jpeg, without), "x"), IsOkAndHolds(kLying));
}

TEST(UnusualExifTest, APngMayHaveTheMarkOfAJpegOrATextInstead) {
  const std::string png = EncodePng(Upright()).value();
  const std::string marked = std::string("Exif\0\0", 6) + ExifTiff(6);
  EXPECT_THAT(ReadImageSize(WithChunk(png, marked), "x"), IsOkAndHolds(kLying));
  const std::string name("Raw profile type exif\0", 22);
  std::string digits;
  for (const char byte : marked) {
    for (const int half : {byte >> 4 & 15, byte & 15}) digits += "0123456789abcdef"[half];
    if (digits.size() % 73 == 0) digits += "\n";
  }
  const std::string text = "\nexif\n      " + std::to_string(marked.size()) + "\n" + digits + "\n";
  EXPECT_THAT(ReadImageSize(WithPart(png, "tEXt", name + text), "x"), IsOkAndHolds(kLying));
  std::string packed(1000, '\0');
  uLongf size = packed.size();
  ASSERT_EQ(compress(reinterpret_cast<Bytef*>(packed.data()), &size,
                     reinterpret_cast<const Bytef*>(text.data()), text.size()),
            Z_OK);
  packed = name + std::string(1, '\0') + packed.substr(0, size);
  EXPECT_THAT(VerifyImage(WithPart(png, "zTXt", packed), "x"), IsOkAndHolds(kLying));
  EXPECT_THAT(VerifyImage(WithPart(png, "zTXt", packed.substr(0, 40)), "x"),
              IsOkAndHolds(ImageSize{kWidth, kHeight}));
}

TEST(FramesTest, OfAMovingPngAreCounted) {
  const std::string content = testing::Bytes(3, 4) + testing::Bytes(0, 4);
  ImageFacts facts;
  ASSERT_TRUE(
      ReadImageSize(WithPart(EncodePng(Upright()).value(), "acTL", content), "x", &facts).ok());
  EXPECT_EQ(facts.frames, 3);
  Findings findings;
  findings.AddPicture(facts, "a.png");
  EXPECT_THAT(findings.Describe(), ::testing::ElementsAre(::testing::HasSubstr("a.png: 3 frames")));
}

}  // namespace
}  // namespace trainyard::data
