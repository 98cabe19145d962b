#include "libs/report/shrink.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/data/image_io.h"
#include "libs/data/picture_folder.h"
#include "libs/tensor/tensor.h"

namespace trainyard::report {
namespace {

// A page holds a dozen of them.
constexpr size_t kMaxCopiedBytes = 1 << 20;
constexpr int kJpegQuality = 85;

// Means of 2x2 pixels; an odd last row or column is left out.
Tensor Halve(const Tensor& image) {
  const int64_t height = image.dim(0) / 2, width = image.dim(1) / 2, row = image.dim(1) * 3;
  Tensor half = Tensor::Zeros(DType::kUInt8, {height, width, 3});
  const auto from = image.data<uint8_t>();
  auto to = half.data<uint8_t>();
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t i = 0; i < width * 3; ++i) {
      const int64_t at = 2 * y * row + 2 * (i / 3) * 3 + i % 3;
      const int sum = from[at] + from[at + 3] + from[at + row] + from[at + row + 3];
      to[y * width * 3 + i] = static_cast<uint8_t>((sum + 2) / 4);
    }
  }
  return half;
}

}  // namespace

absl::StatusOr<SmallPicture> ShrinkPicture(const std::string& path, int max_side) {
  TY_ASSIGN_OR_RETURN(std::string bytes, ReadFile(path, data::kMaxImageFileBytes));
  TY_ASSIGN_OR_RETURN(const data::ImageSize size, data::ReadImageSize(bytes, path));
  const bool png = absl::AsciiStrToLower(Extension(path)) == ".png";
  if (std::max(size.width, size.height) <= max_side && bytes.size() <= kMaxCopiedBytes) {
    return SmallPicture{std::move(bytes), png ? "image/png" : "image/jpeg", size};
  }
  TY_ASSIGN_OR_RETURN(Tensor image, data::DecodeImage(bytes, path));
  while (std::max(image.dim(0), image.dim(1)) > max_side &&
         std::min(image.dim(0), image.dim(1)) > 1) {
    image = Halve(image);
  }
  TY_ASSIGN_OR_RETURN(std::string small, data::EncodeJpeg(image, kJpegQuality));
  return SmallPicture{std::move(small), "image/jpeg", size};
}

absl::Status ShrinkPictures(const std::string& images_dir, int count, int max_side,
                            const std::string& output) {
  TY_ASSIGN_OR_RETURN(const data::PictureFolder found, data::ListPictures(images_dir));
  std::vector<std::string> names = found.pictures;
  // The index has a line for each.
  std::erase_if(names, [](const std::string& name) { return absl::StrContains(name, '\n'); });
  std::string index;
  int written = 0;
  const auto total = static_cast<int64_t>(names.size());
  const int64_t wanted = std::min<int64_t>(count, total);
  for (int64_t i = 0; i < wanted; ++i) {
    const std::string& name = names[static_cast<size_t>(i * total / wanted)];
    const auto small = ShrinkPicture(JoinPath(images_dir, name), max_side);
    if (!small.ok() || small->bytes.size() > kMaxSmallPictureBytes) continue;
    TY_RETURN_IF_ERROR(
        WriteFileAtomically(JoinPath(output, absl::StrCat(written++)), small->bytes));
    absl::StrAppend(&index, small->original.width, " ", small->original.height, " ",
                    small->media_type, " ", name, "\n");
  }
  return WriteFileAtomically(JoinPath(output, kPictureIndex), index);
}

}  // namespace trainyard::report
