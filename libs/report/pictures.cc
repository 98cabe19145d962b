#include "libs/report/pictures.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/data/image_io.h"
#include "libs/data/picture_folder.h"
#include "libs/report/chart.h"
#include "libs/tensor/tensor.h"

namespace trainyard::report {
namespace {

constexpr int kColours = 8;
constexpr int64_t kMaxLabelBytes = 16 << 20;

std::vector<KittiObject> ReadLabels(const std::string& folder, const std::string& image) {
  if (folder.empty()) return {};
  const std::string path = JoinPath(folder, absl::StrCat(Stem(image), ".txt"));
  const auto text = ReadFile(path, kMaxLabelBytes);
  if (!text.ok()) return {};
  return ParseKittiLabels(*text, path, image).objects;
}

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

// Fills in bytes, media type and size.
absl::Status LoadImage(const std::string& path, int max_side, Picture& picture) {
  TY_ASSIGN_OR_RETURN(std::string bytes, ReadFile(path, kMaxImageFileBytes));
  TY_ASSIGN_OR_RETURN(const ImageSize size, ReadImageSize(bytes, path));
  picture.width = size.width;
  picture.height = size.height;
  const bool png = absl::AsciiStrToLower(Extension(path)) == ".png";
  picture.media_type = png ? "image/png" : "image/jpeg";
  if (std::max(size.width, size.height) > max_side) {
    TY_ASSIGN_OR_RETURN(Tensor image, DecodeImage(bytes, path));
    while (std::max(image.dim(0), image.dim(1)) > max_side) image = Halve(image);
    TY_ASSIGN_OR_RETURN(bytes, EncodeJpeg(image, 85));
    picture.media_type = "image/jpeg";
  }
  picture.bytes = std::move(bytes);
  return absl::OkStatus();
}

std::string ColourOf(const std::string& type, const std::vector<std::string>& classes) {
  const auto found = std::find(classes.begin(), classes.end(), absl::AsciiStrToLower(type));
  return absl::StrCat("var(--s", (found - classes.begin()) % kColours, ")");
}

std::string DrawTruth(const KittiObject& object) {
  return absl::StrFormat(
      "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" class=\"truth\"><title>%s</title></rect>",
      object.box.x1, object.box.y1, object.box.width(), object.box.height(), Escape(object.type));
}

std::string DrawFound(const KittiObject& object, const std::string& colour, double font) {
  const double text_y = object.box.y1 > font * 1.3 ? object.box.y1 - font * 0.3
                                                   : object.box.y1 + font;
  return absl::StrFormat(
      "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" class=\"found\" style=\"stroke:%s\"/>"
      "<text x=\"%.1f\" y=\"%.1f\" class=\"tag\" style=\"fill:%s;font-size:%.1fpx\">%s %.2f</text>",
      object.box.x1, object.box.y1, object.box.width(), object.box.height(), colour,
      object.box.x1 + 1, text_y, colour, font, Escape(object.type), object.score.value_or(0));
}

}  // namespace

absl::StatusOr<std::vector<Picture>> CollectPictures(const std::string& images_dir,
                                                     const std::string& labels_dir,
                                                     const std::string& truth_dir, int count,
                                                     int max_side) {
  TY_ASSIGN_OR_RETURN(const PictureFolder found, ListPictures(images_dir));
  const std::vector<std::string>& names = found.pictures;
  std::vector<Picture> pictures;
  const int64_t total = static_cast<int64_t>(names.size());
  const int64_t wanted = std::min<int64_t>(count, total);
  for (int64_t i = 0; i < wanted; ++i) {
    const std::string& name = names[i * total / wanted];
    Picture picture{.name = name};
    if (!LoadImage(JoinPath(images_dir, name), max_side, picture).ok()) continue;
    picture.truth = ReadLabels(truth_dir, name);
    picture.found = ReadLabels(labels_dir, name);
    pictures.push_back(std::move(picture));
  }
  return pictures;
}

std::string DrawPicture(const Picture& picture, const std::vector<std::string>& classes) {
  // Tags have the same size on the page, whatever the image's resolution.
  const double font = static_cast<double>(picture.width) / 24;
  std::string svg = absl::StrFormat(
      "<figure class=\"picture\"><svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">"
      "<image width=\"%d\" height=\"%d\" href=\"data:%s;base64,",
      picture.width, picture.height, Escape(picture.name), picture.width, picture.height,
      picture.media_type);
  absl::StrAppend(&svg, absl::Base64Escape(picture.bytes), "\"/>");
  for (const KittiObject& object : picture.truth) absl::StrAppend(&svg, DrawTruth(object));
  for (const KittiObject& object : picture.found) {
    absl::StrAppend(&svg, DrawFound(object, ColourOf(object.type, classes), font));
  }
  return absl::StrFormat("%s</svg><figcaption>%s</figcaption></figure>", svg,
                         Escape(picture.name));
}

}  // namespace trainyard::report
