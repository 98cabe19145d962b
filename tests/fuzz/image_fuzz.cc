// JPEG and PNG: the size, the check and the decoded picture agree with each other.

#include "libs/data/image_io.h"
#include "tests/fuzz/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace trainyard;
  // A small file may hold a large picture; that is what the budget of pixels is for, and not this.
  constexpr int64_t kMostPixels = int64_t{1} << 22;
  const absl::string_view bytes = fuzz::AsText(data, size);
  const auto stated = ReadImageSize(bytes, "picture");
  if (!stated.ok() || int64_t{stated->width} * stated->height > kMostPixels) return 0;
  (void)VerifyImage(bytes, "picture");
  const auto image = DecodeImage(bytes, "picture");
  if (image.ok()) fuzz::Require(EncodePng(*image).ok());
  return 0;
}
