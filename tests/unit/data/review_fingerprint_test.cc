#include "libs/data/review/fingerprint.h"

#include <cmath>
#include <numbers>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/digest.h"
#include "libs/data/sample_data.h"
#include "tests/support/data_pictures.h"
#include "tests/support/exif.h"
#include "tests/support/picture_copies.h"
#include "tests/support/status_matchers.h"

namespace trainyard::data {
namespace {

using testing::CopyOf;
using ::testing::HasSubstr;
using testing::PlainPicture;
using testing::StatusIs;

Tensor Painted(uint64_t index) { return PaintScene(11, index, 200, 150).image; }

Fingerprint PrintOf(const std::string& bytes) {
  const auto print = FingerprintOf(bytes, "a.jpg");
  EXPECT_TRUE(print.ok()) << print.status();
  return print.value_or(Fingerprint());
}

bool AreCopies(const Fingerprint& a, const Fingerprint& b) {
  return HashDistance(a.hash, b.hash) <= kCopyDistance && Likeness(a, b) >= kCopyLikeness;
}

// A grey picture of `grid` x `grid` fields of `zoom` pixels whose luminance is one wave.
Tensor Wave(int down, int across, double height, int zoom = 1) {
  constexpr int kGrid = 32;
  const int64_t side = kGrid * zoom;
  Tensor picture = Tensor::Zeros(DType::kUInt8, {side, side, 3});
  auto pixels = picture.data<uint8_t>();
  for (int64_t y = 0; y < side; ++y) {
    for (int64_t x = 0; x < side; ++x) {
      const auto wave = [zoom](int k, int64_t at) {
        return std::cos(std::numbers::pi * k * (2 * (at / zoom) + 1) / (2.0 * kGrid));
      };
      const double value = 128 + height * wave(down, y) * wave(across, x);
      for (int64_t c = 0; c < 3; ++c) {
        pixels[static_cast<size_t>((y * side + x) * 3 + c)] =
            static_cast<uint8_t>(std::lround(value));
      }
    }
  }
  return picture;
}

// Kills: frequencies of rows and columns exchanged, the sign lost, the mean taken for a frequency.
TEST(FingerprintTest, AWaveSetsTheBitOfItsFrequency) {
  for (const auto& [down, across] : {std::pair(0, 1), {1, 0}, {3, 5}, {7, 7}}) {
    const uint64_t bit = uint64_t{1} << (8 * down + across);
    EXPECT_TRUE(FingerprintOfPicture(Wave(down, across, 100)).hash & bit) << down << " " << across;
    EXPECT_FALSE(FingerprintOfPicture(Wave(down, across, -100)).hash & bit);
  }
  // The place of the mean is the ninth frequency's.
  EXPECT_TRUE(FingerprintOfPicture(Wave(0, 8, 100)).hash & 1);
  EXPECT_FALSE(FingerprintOfPicture(Wave(0, 8, -100)).hash & 1);
}

// Kills: samples instead of means, fields that lose the pixel their border goes through.
TEST(FingerprintTest, DoesNotDependOnTheSize) {
  const Fingerprint small = FingerprintOfPicture(Wave(2, 3, 90));
  const Fingerprint large = FingerprintOfPicture(Wave(2, 3, 90, 7));
  EXPECT_GT(Likeness(small, large), 0.9999);
  EXPECT_GT(Likeness(small, FingerprintOfPicture(testing::Resized(Wave(2, 3, 90, 7), 0.61))), 0.999);
}

// Kills: thresholds that lose copies, a hash that follows the pixels' grid or the JPEG's blocks, a
// reduced decoding that shifts the picture.
TEST(FingerprintTest, FindsCopiesOfOtherSizeAndQuality) {
  int copies = 0, found = 0;
  for (uint64_t i = 0; i < 8; ++i) {
    const Tensor picture = Painted(i);
    const Fingerprint original = PrintOf(EncodePng(picture).value());
    for (const double scale : {0.5, 0.7, 1.0, 2.0}) {
      for (const int quality : {50, 95}) {
        const Fingerprint copy = PrintOf(CopyOf(picture, scale, quality));
        EXPECT_NE(copy.sha256, original.sha256);
        ++copies;
        found += AreCopies(original, copy);
      }
    }
  }
  EXPECT_GE(found, copies * 95 / 100) << "of " << copies;
}

// Kills: thresholds that pair what only has the same background.
TEST(FingerprintTest, OtherPicturesAreNoCopies) {
  std::vector<Fingerprint> prints;
  for (uint64_t i = 0; i < 70; ++i) prints.push_back(FingerprintOfPicture(Painted(i)));
  for (size_t i = 0; i < prints.size(); ++i) {
    EXPECT_FALSE(prints[i].plain);
    for (size_t j = 0; j < i; ++j) EXPECT_FALSE(AreCopies(prints[i], prints[j])) << i << " " << j;
  }
}

// Kills: a fingerprint of what is stored, not of what people see.
TEST(FingerprintTest, IsOfTheUprightPicture) {
  const Tensor picture = Painted(3);
  Tensor upside_down = Tensor::Zeros(DType::kUInt8, picture.shape());
  const auto from = picture.data<uint8_t>();
  auto to = upside_down.data<uint8_t>();
  const size_t pixels = from.size() / 3;
  for (size_t i = 0; i < from.size(); ++i) to[i] = from[(pixels - 1 - i / 3) * 3 + i % 3];
  const std::string turned =
      testing::WithChunk(EncodePng(upside_down).value(), testing::ExifTiff(3));
  EXPECT_EQ(PrintOf(turned).hash, PrintOf(EncodePng(picture).value()).hash);
  EXPECT_FALSE(AreCopies(PrintOf(EncodePng(upside_down).value()), PrintOf(turned)));
}

// Kills: noise of one colour taken for a picture.
TEST(FingerprintTest, OneColourIsPlain) {
  EXPECT_TRUE(PrintOf(EncodeJpeg(PlainPicture(64, 48, {90, 91, 92}), 50).value()).plain);
  EXPECT_TRUE(FingerprintOfPicture(PlainPicture(1, 1, {0, 0, 0})).plain);
  EXPECT_EQ(Likeness(Fingerprint(), Fingerprint()), 0);
}

TEST(FingerprintTest, HasTheDigestOfTheBytesAndFailsAsTheReader) {
  const std::string bytes = EncodePng(Painted(1)).value();
  EXPECT_EQ(PrintOf(bytes).sha256, Sha256Hex(bytes));
  EXPECT_THAT(FingerprintOf("BM", "a.jpg"),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("a.jpg: ")));
}

}  // namespace
}  // namespace trainyard::data
