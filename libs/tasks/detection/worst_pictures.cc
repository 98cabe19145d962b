#include <algorithm>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/status.h"
#include "libs/data/box_truth.h"
#include "libs/data/image_io.h"
#include "libs/tasks/detection/worst.h"
#include "libs/tasks/draw.h"

namespace trainyard::tasks {
namespace {

constexpr int64_t kSide = 640;
constexpr int kJpegQuality = 85;
constexpr Rgb kRed = {220, 0, 0}, kWhite = {255, 255, 255}, kBlack = {0, 0, 0};

bool IsAscii(const std::string& text) {
  return std::all_of(text.begin(), text.end(), absl::ascii_isprint);
}

std::string TagOf(const WorstCase& one, bool miss, const std::vector<std::string>& classes) {
  const std::string& name = classes[one.class_id - 1];
  const std::string shown = IsAscii(name) ? name : absl::StrCat("class ", one.class_id);
  return miss ? absl::StrCat(shown, ": missed") : absl::StrFormat("%s: %.2f", shown, one.score);
}

// Where a window of `side` begins that has `middle` in it, of a picture of `size`.
int64_t Begin(float middle, int64_t side, int64_t size) {
  if (!(middle > 0)) return 0;
  const auto centre = static_cast<int64_t>(std::min(middle, static_cast<float>(size)));
  return std::clamp<int64_t>(centre - side / 2, 0, size - side);
}

// A part of a picture, and how boxes get there.
struct Window {
  int64_t x = 0, y = 0, width = 0, height = 0;
  float scale = 1;
  data::Box Move(const data::Box& box) const {
    const auto ax = static_cast<float>(x), ay = static_cast<float>(y);
    return {(box.x1 - ax) * scale, (box.y1 - ay) * scale, (box.x2 - ax) * scale,
            (box.y2 - ay) * scale};
  }
};

Window WindowAround(const data::Box& box, const Tensor& image) {
  const int64_t height = image.dim(0), width = image.dim(1);
  const float three = 3 * std::max(box.width(), box.height());
  const auto wanted =
      three > kSide ? static_cast<int64_t>(std::min<float>(three, data::kMaxImageSide)) : kSide;
  Window window{.width = std::min(wanted, width), .height = std::min(wanted, height)};
  window.x = Begin((box.x1 + box.x2) / 2, window.width, width);
  window.y = Begin((box.y1 + box.y2) / 2, window.height, height);
  const int64_t side = std::max(window.width, window.height);
  if (side > kSide) window.scale = static_cast<float>(kSide) / static_cast<float>(side);
  return window;
}

absl::StatusOr<Tensor> Cut(Tensor& image, const Window& window) {
  const auto length = [&window](int64_t pixels) {
    return std::max<int64_t>(1, static_cast<int64_t>(static_cast<float>(pixels) * window.scale));
  };
  Tensor part = Tensor::Zeros(DType::kUInt8, {length(window.height), length(window.width), 3});
  try {
    const cv::Mat whole(static_cast<int>(image.dim(0)), static_cast<int>(image.dim(1)), CV_8UC3,
                        image.raw());
    cv::Mat target(static_cast<int>(part.dim(0)), static_cast<int>(part.dim(1)), CV_8UC3,
                   part.raw());
    const cv::Rect place(static_cast<int>(window.x), static_cast<int>(window.y),
                         static_cast<int>(window.width), static_cast<int>(window.height));
    cv::resize(whole(place), target, target.size(), 0, 0, cv::INTER_AREA);
  } catch (const cv::Exception& error) {
    return absl::InternalError(absl::StrCat("OpenCV could not shrink a picture: ", error.what()));
  }
  return part;
}

absl::StatusOr<std::string> DrawCase(const WorstCase& one, bool miss, data::Sample sample,
                                     const std::vector<std::string>& classes) {
  const Window window = WindowAround(one.box, sample.image);
  TY_ASSIGN_OR_RETURN(Tensor part, Cut(sample.image, window));
  for (const data::LabelledBox& object : data::BoxesOf(sample.truth.get())) {
    const data::Box inner = window.Move(object.box);
    const data::Box outer{inner.x1 - 1, inner.y1 - 1, inner.x2 + 1, inner.y2 + 1};
    TY_RETURN_IF_ERROR(DrawBox(part, outer, kBlack, ""));
    TY_RETURN_IF_ERROR(DrawBox(part, inner, kWhite, ""));
  }
  // Thick enough for the thumbnails of a report.
  const data::Box box = window.Move(one.box);
  for (const float by : {1.0f, -1.0f}) {
    const data::Box moved{box.x1 - by, box.y1 - by, box.x2 + by, box.y2 + by};
    TY_RETURN_IF_ERROR(DrawBox(part, moved, kRed, ""));
  }
  TY_RETURN_IF_ERROR(DrawBox(part, box, kRed, TagOf(one, miss, classes)));
  return data::EncodeJpeg(part, kJpegQuality);
}

}  // namespace

absl::StatusOr<std::vector<std::pair<std::string, std::string>>> DrawWorstCases(
    const WorstCases& worst, const std::vector<std::string>& classes,
    const std::function<absl::StatusOr<data::Sample>(int64_t)>& read) {
  std::vector<std::pair<std::string, std::string>> files;
  for (const bool miss : {false, true}) {
    const std::vector<WorstCase>& cases = miss ? worst.misses() : worst.false_positives();
    for (size_t i = 0; i < std::min(cases.size(), kWorstDrawn); ++i) {
      auto sample = read(cases[i].image_index);
      if (!sample.ok()) continue;
      TY_ASSIGN_OR_RETURN(std::string jpeg, DrawCase(cases[i], miss, *std::move(sample), classes));
      files.emplace_back(WorstPictureName(miss, i), std::move(jpeg));
    }
  }
  return files;
}

}  // namespace trainyard::tasks
