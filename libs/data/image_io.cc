#include "libs/data/image_io.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/status.h"
#include "libs/data/internal/codec.h"
#include "libs/data/internal/exif.h"
#include "libs/data/internal/magic.h"
#include "libs/data/internal/pixel_budget.h"

namespace trainyard::data {
namespace internal {

absl::Status CheckImageSize(int64_t width, int64_t height) {
  if (width < 1 || height < 1) {
    return absl::DataLossError(absl::StrFormat("the image claims to be %d x %d", width, height));
  }
  if (width > kMaxImageSide || height > kMaxImageSide || width * height > kMaxImagePixels) {
    return absl::ResourceExhaustedError(
        absl::StrFormat("the image is %d x %d; at most %d a side and %d pixels in all are read",
                        width, height, kMaxImageSide, kMaxImagePixels));
  }
  return absl::OkStatus();
}

namespace {

absl::StatusOr<ImageSize> ReadStored(absl::string_view bytes, Depth depth, Tensor* image,
                                     ImageFacts& facts, int64_t least_side) {
  if (bytes.empty()) return absl::DataLossError("the image file is empty (0 bytes)");
  if (absl::StartsWith(bytes, "\xFF\xD8\xFF")) {
    ReadJpegFacts(bytes, facts);
    return ReadJpeg(bytes, depth, image, &facts.lacks_end, least_side);
  }
  if (absl::StartsWith(bytes, absl::string_view("\x89PNG\r\n\x1a\n", 8))) {
    ReadPngFacts(bytes, facts);
    return ReadPng(bytes, depth, image);
  }
  const std::string kind = GuessFileKind(bytes);
  return absl::DataLossError(
      kind.empty()
          ? "the file is neither a JPEG nor a PNG"
          : absl::StrCat("the file is ", kind, ", neither a JPEG nor a PNG, whatever its name"));
}

// The upright picture and its size; `least_side` as in ReadJpeg.
absl::StatusOr<ImageSize> Read(absl::string_view bytes, absl::string_view name, Depth depth,
                               Tensor* image, ImageFacts* facts, int64_t least_side = 0) {
  ImageFacts seen;
  const absl::StatusOr<ImageSize> stored = ReadStored(bytes, depth, image, seen, least_side);
  if (!stored.ok()) return name.empty() ? stored.status() : Annotate(stored.status(), name);
  if (image != nullptr) {
    TY_ASSIGN_OR_RETURN(*image, TurnUpright(std::move(*image), seen.orientation));
  }
  if (facts != nullptr) *facts = seen;
  return UprightSize(*stored, seen.orientation);
}

absl::Status CheckPicture(const Tensor& image) {
  if (image.dtype() == DType::kUInt8 && image.rank() == 3 &&
      (image.dim(2) == 3 || image.dim(2) == 1) && image.size() > 0) {
    return CheckImageSize(image.dim(1), image.dim(0));
  }
  return absl::InvalidArgumentError(
      absl::StrFormat("an image of %s %s cannot be encoded; expected u8 [height, width, 3 or 1]",
                      NameOf(image.dtype()), ShapeText(image.shape())));
}

}  // namespace
}  // namespace internal

absl::StatusOr<Tensor> DecodeImage(absl::string_view bytes, absl::string_view name,
                                   ImageFacts* facts) {
  Tensor image;
  TY_RETURN_IF_ERROR(internal::Read(bytes, name, internal::Depth::kDecode, &image, facts));
  return image;
}

absl::StatusOr<Tensor> DecodeReduced(absl::string_view bytes, absl::string_view name,
                                     int64_t least_side, ImageFacts* facts) {
  TY_ASSIGN_OR_RETURN(const ImageSize size, ReadImageSize(bytes, name));
  const internal::PixelBudget::Share share(internal::ProcessPixels(), size.width * size.height);
  Tensor image;
  TY_RETURN_IF_ERROR(
      internal::Read(bytes, name, internal::Depth::kDecode, &image, facts, least_side));
  return image;
}

absl::StatusOr<ImageSize> ReadImageSize(absl::string_view bytes, absl::string_view name,
                                        ImageFacts* facts) {
  return internal::Read(bytes, name, internal::Depth::kHeader, nullptr, facts);
}

absl::StatusOr<ImageSize> VerifyImage(absl::string_view bytes, absl::string_view name,
                                      ImageFacts* facts) {
  TY_ASSIGN_OR_RETURN(const ImageSize size, ReadImageSize(bytes, name));
  // Interlaced and progressive files cannot be walked without memory for all of the picture.
  const internal::PixelBudget::Share share(internal::ProcessPixels(), size.width * size.height);
  return internal::Read(bytes, name, internal::Depth::kVerify, nullptr, facts);
}

absl::StatusOr<std::string> EncodeJpeg(const Tensor& image, int quality) {
  TY_RETURN_IF_ERROR(internal::CheckPicture(image));
  if (quality < 1 || quality > 100) {
    return absl::InvalidArgumentError(
        absl::StrFormat("JPEG quality is %d; expected 1 to 100", quality));
  }
  return internal::WriteJpeg(image.data<uint8_t>().data(), {image.dim(1), image.dim(0)},
                             static_cast<int>(image.dim(2)), quality);
}

absl::StatusOr<std::string> EncodePng(const Tensor& image) {
  TY_RETURN_IF_ERROR(internal::CheckPicture(image));
  return internal::WritePng(image.data<uint8_t>().data(), {image.dim(1), image.dim(0)},
                            static_cast<int>(image.dim(2)));
}

bool HasImageExtension(absl::string_view path) {
  return absl::EndsWithIgnoreCase(path, ".jpg") || absl::EndsWithIgnoreCase(path, ".jpeg") ||
         absl::EndsWithIgnoreCase(path, ".png");
}

}  // namespace trainyard::data
