#include "libs/data/image_io.h"

#include <jpeglib.h>
#include <png.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/data_pictures.h"
#include "tests/support/status_matchers.h"

namespace trainyard::data {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::IsOkAndHolds;
using testing::PixelAt;
using testing::PlainPicture;
using testing::Rgb;
using testing::StatusIs;

// Every pixel another colour.
Tensor Gradient(int64_t width, int64_t height) {
  Tensor picture = PlainPicture(width, height, {0, 0, 0});
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      testing::PaintBox(picture, {float(x), float(y), float(x + 1), float(y + 1)},
                        {uint8_t(x * 5), uint8_t(y * 7), uint8_t(x + y)});
    }
  }
  return picture;
}

// A PNG of any kind, made by libpng's own high-level interface.
std::string PngOf(int width, int height, int depth, int type, std::vector<uint8_t> data,
                  bool interlaced = false, std::vector<png_color> palette = {}) {
  std::string out;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  png_set_write_fn(
      png, &out,
      [](png_structp p, png_bytep bytes, size_t n) {
        static_cast<std::string*>(png_get_io_ptr(p))->append(reinterpret_cast<char*>(bytes), n);
      },
      nullptr);
  png_set_IHDR(png, info, width, height, depth, type,
               interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
               PNG_FILTER_TYPE_DEFAULT);
  if (!palette.empty()) png_set_PLTE(png, info, palette.data(), int(palette.size()));
  std::vector<png_bytep> rows;
  for (int y = 0; y < height; ++y) rows.push_back(data.data() + y * data.size() / height);
  png_set_rows(png, info, rows.data());
  png_write_png(png, info, PNG_TRANSFORM_IDENTITY, nullptr);
  png_destroy_write_struct(&png, &info);
  return out;
}

// All of the DC coefficients, then all others, component by component: nothing comes bit by bit.
const jpeg_scan_info kWholeScans[] = {{3, {0, 1, 2}, 0, 0, 0, 0},
                                      {1, {0}, 1, 63, 0, 0},
                                      {1, {1}, 1, 63, 0, 0},
                                      {1, {2}, 1, 63, 0, 0}};

// A JPEG of several scans: those above, or libjpeg's own.
std::string ProgressiveJpeg(const Tensor& picture, bool whole_scans) {
  jpeg_compress_struct codec{};
  jpeg_error_mgr errors;
  codec.err = jpeg_std_error(&errors);
  jpeg_create_compress(&codec);
  unsigned char* buffer = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&codec, &buffer, &size);
  codec.image_width = static_cast<JDIMENSION>(picture.dim(1));
  codec.image_height = static_cast<JDIMENSION>(picture.dim(0));
  codec.input_components = 3;
  codec.in_color_space = JCS_RGB;
  jpeg_set_defaults(&codec);
  jpeg_simple_progression(&codec);
  if (whole_scans) {
    codec.scan_info = kWholeScans;
    codec.num_scans = 4;
  }
  jpeg_start_compress(&codec, TRUE);
  while (codec.next_scanline < codec.image_height) {
    JSAMPROW row = const_cast<JSAMPROW>(picture.data<uint8_t>().data()) +
                   codec.next_scanline * codec.image_width * 3;
    jpeg_write_scanlines(&codec, &row, 1);
  }
  jpeg_finish_compress(&codec);
  const std::string bytes(reinterpret_cast<char*>(buffer), size);
  jpeg_destroy_compress(&codec);
  free(buffer);
  return bytes;
}

Rgb FirstPixel(const std::string& bytes) {
  const auto image = DecodeImage(bytes, "x");
  EXPECT_TRUE(image.ok()) << image.status();
  return image.ok() ? PixelAt(*image, 0, 0) : Rgb{};
}

TEST(DecodeImageTest, GivesBackEveryPixelOfAPng) {
  const Tensor picture = Gradient(13, 7);
  const auto decoded = DecodeImage(EncodePng(picture).value(), "x");
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->shape(), (Shape{7, 13, 3}));
  EXPECT_EQ(memcmp(decoded->raw(), picture.raw(), 7 * 13 * 3), 0);
}

TEST(DecodeImageTest, ComesCloseToAJpeg) {
  const Tensor picture = PlainPicture(33, 17, {200, 90, 30});
  const auto decoded = DecodeImage(EncodeJpeg(picture, 95).value(), "x");
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->shape(), (Shape{17, 33, 3}));
  const Rgb seen = PixelAt(*decoded, 20, 9);
  for (size_t c = 0; c < 3; ++c) EXPECT_NEAR(seen[c], (Rgb{200, 90, 30}[c]), 3);
}

// Kills: a divisor that makes the picture too small, or none; sizes that are rounded down; a stride of the
// whole picture.
TEST(DecodeReducedTest, DecodesJpegsAtAPartOfTheirSize) {
  Tensor picture = PlainPicture(330, 170, {10, 10, 10});
  testing::PaintBox(picture, {0, 0, 165, 85}, {250, 250, 250});
  const std::string jpeg = EncodeJpeg(picture, 95).value();
  const std::pair<int64_t, Shape> cases[] = {
      {171, {170, 330, 3}}, {86, {170, 330, 3}}, {85, {85, 165, 3}},
      {42, {43, 83, 3}},    {21, {22, 42, 3}},   {1, {22, 42, 3}}};
  for (const auto& [least_side, shape] : cases) {
    const auto reduced = DecodeReduced(jpeg, "x", least_side);
    ASSERT_TRUE(reduced.ok()) << reduced.status();
    EXPECT_EQ(reduced->shape(), shape) << least_side;
    EXPECT_GT(PixelAt(*reduced, shape[1] / 4, shape[0] / 4)[0], 230);
    EXPECT_LT(PixelAt(*reduced, 3 * shape[1] / 4, shape[0] / 4)[0], 30);
    EXPECT_LT(PixelAt(*reduced, shape[1] / 4, 3 * shape[0] / 4)[0], 30);
  }
  EXPECT_EQ(DecodeReduced(EncodePng(picture).value(), "x", 20)->shape(), (Shape{170, 330, 3}));
  EXPECT_EQ(DecodeReduced("BM", "x", 20).status(), DecodeImage("BM", "x").status());
}

TEST(DecodeImageTest, MakesGreyPicturesRgb) {
  Tensor grey = Tensor::Zeros(DType::kUInt8, {5, 6, 1});
  for (uint8_t& v : grey.data<uint8_t>()) v = 77;
  EXPECT_EQ(FirstPixel(EncodePng(grey).value()), (Rgb{77, 77, 77}));
  EXPECT_EQ(FirstPixel(EncodeJpeg(grey).value()), (Rgb{77, 77, 77}));
}

TEST(DecodeImageTest, ScalesSixteenBitsToEight) {
  // 0x8080 of 65535 is 128.5 / 257 = 128.
  EXPECT_EQ(FirstPixel(PngOf(1, 1, 16, PNG_COLOR_TYPE_RGB, {0xFF, 0xFF, 0x80, 0x80, 0x00, 0x00})),
            (Rgb{255, 128, 0}));
  EXPECT_EQ(FirstPixel(PngOf(1, 1, 16, PNG_COLOR_TYPE_GRAY, {0x40, 0x40})), (Rgb{64, 64, 64}));
}

TEST(DecodeImageTest, DropsAlphaWithoutBlending) {
  EXPECT_EQ(FirstPixel(PngOf(1, 1, 8, PNG_COLOR_TYPE_RGB_ALPHA, {10, 20, 30, 0})),
            (Rgb{10, 20, 30}));
  EXPECT_EQ(FirstPixel(PngOf(1, 1, 8, PNG_COLOR_TYPE_GRAY_ALPHA, {90, 3})), (Rgb{90, 90, 90}));
}

TEST(DecodeImageTest, LooksPalettesUp) {
  EXPECT_EQ(FirstPixel(
                PngOf(2, 1, 8, PNG_COLOR_TYPE_PALETTE, {1, 0}, false, {{1, 2, 3}, {200, 100, 50}})),
            (Rgb{200, 100, 50}));
  // Two bits a pixel: 0b11'00'00'00 is white in grey.
  EXPECT_EQ(FirstPixel(PngOf(4, 1, 2, PNG_COLOR_TYPE_GRAY, {0xC0})), (Rgb{255, 255, 255}));
}

TEST(DecodeImageTest, ReadsInterlacedPngs) {
  const Tensor picture = Gradient(16, 16);
  const auto pixels = picture.data<uint8_t>();
  const std::string png =
      PngOf(16, 16, 8, PNG_COLOR_TYPE_RGB, {pixels.begin(), pixels.end()}, true);
  const auto decoded = DecodeImage(png, "x");
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(memcmp(decoded->raw(), picture.raw(), pixels.size()), 0);
  EXPECT_THAT(VerifyImage(png, "x"), IsOkAndHolds(ImageSize{16, 16}));
}

TEST(DecodeImageTest, SaysThatAnEmptyFileIsEmpty) {
  EXPECT_THAT(DecodeImage("", "images/7.jpg"),
              StatusIs(absl::StatusCode::kDataLoss,
                       AllOf(HasSubstr("images/7.jpg: "), HasSubstr("empty (0 bytes)"))));
}

TEST(DecodeImageTest, RefusesOtherFormats) {
  EXPECT_THAT(DecodeImage("GIF89a", "7.jpg"),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("neither a JPEG nor a PNG")));
}

// Every cut of the file must be seen by both readers, and crash neither.
class CutImageTest : public ::testing::TestWithParam<bool> {};

TEST_P(CutImageTest, IsRefused) {
  const Tensor picture = Gradient(40, 40);
  const std::string whole = GetParam() ? EncodePng(picture).value() : EncodeJpeg(picture).value();
  ASSERT_TRUE(VerifyImage(whole, "x").ok());
  // The last bytes are JPEG's end marker and PNG's last checksum.
  for (size_t length = 1; length + 4 < whole.size(); length += 7) {
    const std::string cut = whole.substr(0, length);
    EXPECT_THAT(DecodeImage(cut, "x"), StatusIs(absl::StatusCode::kDataLoss)) << length;
    EXPECT_THAT(VerifyImage(cut, "x"), StatusIs(absl::StatusCode::kDataLoss)) << length;
  }
}

TEST_P(CutImageTest, NeverCrashesWhenBytesAreChanged) {
  const Tensor picture = Gradient(40, 40);
  const std::string whole = GetParam() ? EncodePng(picture).value() : EncodeJpeg(picture).value();
  for (size_t at = 0; at < whole.size(); ++at) {
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ 0x5A);
    const bool decodes = DecodeImage(changed, "x").ok();
    const bool verifies = VerifyImage(changed, "x").ok();
    EXPECT_EQ(decodes, verifies) << at;
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, CutImageTest, ::testing::Bool());

TEST(DecodeImageTest, RefusesHugeSizesBeforeAllocating) {
  std::string jpeg = EncodeJpeg(PlainPicture(8, 8, {1, 2, 3})).value();
  // SOF0: FF C0, length, precision, height, width.
  const size_t sof = jpeg.find("\xFF\xC0");
  ASSERT_NE(sof, std::string::npos);
  for (size_t i = 5; i < 9; ++i) jpeg[sof + i] = static_cast<char>(0xF0);
  EXPECT_THAT(DecodeImage(jpeg, "big.jpg"),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("61680 x 61680")));
  EXPECT_THAT(ReadImageSize(jpeg, "big.jpg"), StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST(ReadImageSizeTest, NeedsTheHeaderAlone) {
  const Tensor picture = PlainPicture(31, 9, {1, 2, 3});
  EXPECT_THAT(ReadImageSize(EncodePng(picture)->substr(0, 60), "x"),
              IsOkAndHolds(ImageSize{31, 9}));
  const std::string jpeg = EncodeJpeg(picture).value();
  EXPECT_THAT(ReadImageSize(jpeg.substr(0, jpeg.find("\xFF\xDA") + 16), "x"),
              IsOkAndHolds(ImageSize{31, 9}));
}

TEST(EncodeImageTest, RefusesWhatIsNoPicture) {
  EXPECT_THAT(EncodePng(Tensor::Zeros(DType::kFloat32, {4, 4, 3})),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("f32 [4, 4, 3]")));
  EXPECT_THAT(EncodeJpeg(Tensor::Zeros(DType::kUInt8, {4, 4, 2})),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(EncodeJpeg(PlainPicture(2, 2, {}), 101),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("quality is 101")));
}

TEST(HasImageExtensionTest, LooksAtTheEndInAnyCase) {
  for (const char* name : {"a.jpg", "b.JPEG", "c.Png", "x.y.jpg"})
    EXPECT_TRUE(HasImageExtension(name));
  for (const char* name : {"a.bmp", "jpg", "a.jpg.txt", ""}) EXPECT_FALSE(HasImageExtension(name));
}

// Cut right before the end marker, whichever number of bytes the last row ends with.
TEST(JpegWithoutEndTest, IsReadWhenAllPixelsAreThere) {
  for (int64_t side = 8; side < 60; side += 3) {
    const std::string whole = EncodeJpeg(Gradient(side, side)).value();
    const std::string cut = whole.substr(0, whole.size() - 2);
    ImageFacts facts;
    const auto decoded = DecodeImage(cut, "x", &facts);
    ASSERT_TRUE(decoded.ok()) << side << ": " << decoded.status();
    EXPECT_TRUE(facts.lacks_end);
    const auto wanted = DecodeImage(whole, "x", &facts);
    EXPECT_FALSE(facts.lacks_end);
    EXPECT_EQ(memcmp(decoded->raw(), wanted->raw(), wanted->size_bytes()), 0) << side;
    EXPECT_THAT(VerifyImage(cut, "x", &facts), IsOkAndHolds(ImageSize{side, side}));
    EXPECT_TRUE(facts.lacks_end);
  }
}

// Some encoders write 0 where the last three bytes of a sequential scan's header say 0, 63, 0.
TEST(DecodeImageTest, ReadsASequentialJpegWhoseScanHeaderIsZero) {
  const std::string whole = EncodeJpeg(Gradient(40, 30)).value();
  std::string zeroed = whole;
  const size_t scan = zeroed.find("\xFF\xDA");
  ASSERT_NE(scan, std::string::npos);
  const auto length = static_cast<size_t>(zeroed[scan + 3]);
  for (size_t i = scan + 2 + length - 3; i < scan + 2 + length; ++i) zeroed[i] = 0;
  ASSERT_NE(zeroed, whole);
  const auto decoded = DecodeImage(zeroed, "x");
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  const auto wanted = DecodeImage(whole, "x");
  EXPECT_EQ(memcmp(decoded->raw(), wanted->raw(), wanted->size_bytes()), 0);
  EXPECT_THAT(VerifyImage(zeroed, "x"), IsOkAndHolds(ImageSize{40, 30}));
}

class JpegOfSeveralScansTest : public ::testing::TestWithParam<bool> {};

TEST_P(JpegOfSeveralScansTest, IsReadWithoutItsEndWhenTheLastScanIsThere) {
  const std::string whole = ProgressiveJpeg(Gradient(48, 48), GetParam());
  ASSERT_TRUE(VerifyImage(whole, "x").ok());
  ImageFacts facts;
  const auto decoded = DecodeImage(whole.substr(0, whole.size() - 2), "x", &facts);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_TRUE(facts.lacks_end);
  EXPECT_EQ(memcmp(decoded->raw(), DecodeImage(whole, "x")->raw(), decoded->size_bytes()), 0);
  // Between two scans: a coarser picture could be made up.
  std::vector<size_t> scans;
  for (size_t at = whole.find("\xFF\xDA"); at != std::string::npos;
       at = whole.find("\xFF\xDA", at + 1)) {
    scans.push_back(at);
  }
  ASSERT_GT(scans.size(), 3u);
  for (size_t i = 1; i < scans.size(); ++i) {
    EXPECT_THAT(DecodeImage(whole.substr(0, scans[i]), "x"), StatusIs(absl::StatusCode::kDataLoss))
        << i;
    EXPECT_THAT(VerifyImage(whole.substr(0, scans[i]), "x"), StatusIs(absl::StatusCode::kDataLoss))
        << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Scripts, JpegOfSeveralScansTest, ::testing::Bool());

TEST(DecodeImageTest, NamesWhatAFileIsWhateverItsName) {
  using std::string_view_literals::operator""sv;
  for (const auto& [bytes, name] :
       {std::pair("RIFF\x10\0\0\0WEBPVP8 "sv, "WebP"), std::pair("GIF89a"sv, "GIF"),
        std::pair("BM\x10\0"sv, "BMP"), std::pair("II*\0\x08\0\0\0"sv, "TIFF"),
        std::pair("\0\0\0\x18"
                  "ftypheic"sv,
                  "HEIC"),
        std::pair("\0\0\0\x18"
                  "ftypavif"sv,
                  "AVIF"),
        std::pair("\0\x05\x16\x07"sv, "AppleDouble"), std::pair("<!DOCTYPE HTML>"sv, "HTML"),
        std::pair("<?xml?><svg>"sv, "SVG"), std::pair("not found\n"sv, "text file"),
        std::pair("version https://git-lfs.github.com"sv, "Git LFS"),
        std::pair("\0\0\0\0"sv, "zero bytes"), std::pair("P6\n1 1\n"sv, "PNM"),
        std::pair("PK\x03\x04"sv, "zip")}) {
    EXPECT_THAT(DecodeImage({bytes.data(), bytes.size()}, "a.jpg"),
                StatusIs(absl::StatusCode::kDataLoss,
                         AllOf(HasSubstr(name), HasSubstr("neither a JPEG nor a PNG"))));
  }
}

TEST(DecodeImageTest, NamesJpegsOfTwelveBits) {
  std::string jpeg = EncodeJpeg(PlainPicture(8, 8, {1, 2, 3})).value();
  // SOF0: FF C0, length, precision. An extended one, as those of 12 bits are.
  const size_t sof = jpeg.find("\xFF\xC0");
  ASSERT_NE(sof, std::string::npos);
  jpeg[sof + 1] = '\xC1';
  jpeg[sof + 4] = 12;
  EXPECT_THAT(DecodeImage(jpeg, "x.jpg"),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("12 bits a colour")));
}

TEST(DecodeImageTest, PutsNoNameInFrontWhenThereIsNone) {
  EXPECT_EQ(DecodeImage("", "").status().message(), "the image file is empty (0 bytes)");
}

TEST(DecodeImageTest, NamesTheLimitThatAPngIsBeyond) {
  std::string png = EncodePng(PlainPicture(8, 8, {1, 2, 3})).value();
  png.replace(16, 8, std::string("\0\x01\x11\x70\0\0\0\x01", 8));
  EXPECT_THAT(ReadImageSize(png, "x"),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       AllOf(HasSubstr("70000 x 1"), HasSubstr("65500 a side"))));
}

}  // namespace
}  // namespace trainyard::data
