// JPEG and PNG: the size, the check, the decoded picture and what is made of it agree with each
// other.

#include "libs/data/image_io.h"
#include "tests/fuzz/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace trainyard;
  // A small file may hold a large picture; that is what the budget of pixels is for, and not this.
  constexpr int64_t kMostPixels = int64_t{1} << 22;
  const absl::string_view bytes = fuzz::AsText(data, size);
  const auto stated = trainyard::data::ReadImageSize(bytes, "picture");
  if (!stated.ok() || int64_t{stated->width} * stated->height > kMostPixels) return 0;
  const auto verified = trainyard::data::VerifyImage(bytes, "picture");
  const auto image = trainyard::data::DecodeImage(bytes, "picture");
  if (verified.ok()) {
    fuzz::Require(verified->width == stated->width && verified->height == stated->height);
  }
  if (!image.ok()) return 0;
  fuzz::Require(verified.ok());
  fuzz::Require(image->dim(0) == stated->height && image->dim(1) == stated->width);
  const auto png = trainyard::data::EncodePng(*image);
  fuzz::Require(png.ok());
  const auto again = trainyard::data::ReadImageSize(*png, "picture");
  fuzz::Require(again.ok() && again->width == stated->width && again->height == stated->height);
  return 0;
}
