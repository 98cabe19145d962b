#include "libs/data/sample_data.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <mutex>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/files.h"
#include "libs/base/problems.h"
#include "libs/base/random.h"
#include "libs/base/status.h"
#include "libs/data/image_io.h"
#include "libs/data/internal/parallel.h"
#include "libs/data/internal/scene.h"
#include "libs/data/internal/workplace.h"

namespace trainyard {
namespace {

using internal::Part;
using internal::Sprite;

constexpr double kPi = 3.14159265358979323846;
// Pictures are painted at this many times their size, and shrunk: smooth edges.
constexpr int kFiner = 2;
constexpr int kPlacementTrials = 40;
constexpr double kLeastVisible = 0.5;
constexpr double kMostTruncated = 0.25;
constexpr float kMostOverlap = 0.25f;
constexpr std::array<const char*, 3> kNames = {"bolt", "nut", "washer"};

// A part on the tray; coordinates of the fine picture.
struct Placed {
  Part part;
  Sprite sprite;
  cv::Point corner;  // Where the sprite's upper left pixel lies.
  cv::Rect extent;   // Of the mask, not clipped.
  int64_t pixels = 0;
};

cv::Rect InPicture(const cv::Rect& rect, cv::Size size) { return rect & cv::Rect({0, 0}, size); }

Box ToBox(const cv::Rect& rect) {
  const float scale = 1.0f / kFiner;
  return {static_cast<float>(rect.x) * scale, static_cast<float>(rect.y) * scale,
          static_cast<float>(rect.x + rect.width) * scale,
          static_cast<float>(rect.y + rect.height) * scale};
}

// A picture-sized mask of what the part covers.
cv::Mat Cover(const Placed& placed, cv::Size size) {
  cv::Mat cover = cv::Mat::zeros(size, CV_8U);
  const cv::Rect whole(placed.corner, placed.sprite.mask.size());
  const cv::Rect inside = InPicture(whole, size);
  if (!inside.empty()) placed.sprite.mask(inside - placed.corner).copyTo(cover(inside));
  return cover;
}

Placed DrawPart(cv::Size size, Philox& random) {
  Placed placed;
  placed.part = static_cast<Part>(random.Below(kNames.size()));
  // Of the picture's shorter side; bolts are slim, so that theirs are longer.
  const double longest =
      placed.part == Part::kBolt ? random.Uniform(0.3, 0.52) : random.Uniform(0.2, 0.4);
  const double length = longest * std::min(size.width, size.height);
  placed.sprite = internal::PaintPart(placed.part, length, random.Uniform(0, 2 * kPi), random);
  const int half = placed.sprite.mask.cols / 2;
  const cv::Point centre(static_cast<int>(random.Below(static_cast<uint64_t>(size.width))),
                         static_cast<int>(random.Below(static_cast<uint64_t>(size.height))));
  placed.corner = centre - cv::Point(half, half);
  placed.extent = cv::boundingRect(placed.sprite.mask) + placed.corner;
  placed.pixels = cv::countNonZero(placed.sprite.mask);
  return placed;
}

double TruncatedShare(const Placed& placed, cv::Size size) {
  return 1.0 - static_cast<double>(InPicture(placed.extent, size).area()) / placed.extent.area();
}

// Whether the scene stays readable with `next` on top of it.
bool Fits(const std::vector<Placed>& scene, const Placed& next, cv::Size size) {
  if (TruncatedShare(next, size) > kMostTruncated) return false;
  for (size_t i = 0; i < scene.size(); ++i) {
    if (IoU(ToBox(scene[i].extent), ToBox(next.extent)) > kMostOverlap) return false;
    cv::Mat seen = Cover(scene[i], size);
    for (size_t above = i + 1; above < scene.size(); ++above) {
      seen.setTo(0, Cover(scene[above], size));
    }
    seen.setTo(0, Cover(next, size));
    if (cv::countNonZero(seen) < kLeastVisible * static_cast<double>(scene[i].pixels)) return false;
  }
  return true;
}

std::vector<Placed> Arrange(cv::Size size, Philox& random) {
  const size_t wanted = 2 + random.Below(4);
  std::vector<Placed> scene;
  for (int trial = 0; trial < kPlacementTrials && scene.size() < wanted; ++trial) {
    Placed next = DrawPart(size, random);
    if (Fits(scene, next, size)) scene.push_back(std::move(next));
  }
  return scene;
}

// The shadow first, then the part.
void LayDown(const Placed& placed, cv::Point shadow_offset, double darkness, cv::Mat& picture) {
  Placed shadow = placed;
  shadow.corner += shadow_offset;
  cv::Mat soft;
  const double sigma = 1.5 + std::max(std::abs(shadow_offset.x), std::abs(shadow_offset.y)) * 0.5;
  cv::GaussianBlur(Cover(shadow, picture.size()), soft, {0, 0}, sigma);
  for (int y = 0; y < picture.rows; ++y) {
    auto* row = picture.ptr<cv::Vec3b>(y);
    const auto* dark = soft.ptr<uint8_t>(y);
    for (int x = 0; x < picture.cols; ++x) {
      if (dark[x] != 0) row[x] *= 1 - darkness * dark[x] / 255.0;
    }
  }
  const cv::Rect whole(placed.corner, placed.sprite.mask.size());
  const cv::Rect inside = InPicture(whole, picture.size());
  placed.sprite.colour(inside - placed.corner)
      .copyTo(picture(inside), placed.sprite.mask(inside - placed.corner));
}

KittiObject Describe(const std::vector<Placed>& scene, size_t i, cv::Size size) {
  const Placed& placed = scene[i];
  cv::Mat seen = Cover(placed, size);
  const int inside = std::max(1, cv::countNonZero(seen));
  for (size_t above = i + 1; above < scene.size(); ++above)
    seen.setTo(0, Cover(scene[above], size));
  const double visible = static_cast<double>(cv::countNonZero(seen)) / inside;
  KittiObject object;
  object.type = kNames[static_cast<size_t>(placed.part)];
  object.truncated = std::round(100 * TruncatedShare(placed, size)) / 100;
  object.occluded = visible >= 0.85 ? 0 : visible >= 0.6 ? 1 : 2;
  object.box = ToBox(InPicture(placed.extent, size));
  return object;
}

absl::Status CheckOptions(const SampleDataOptions& o) {
  Problems problems;
  if (o.n_train < 0 || o.n_val < 0 || o.n_train + int64_t{o.n_val} < 1 || o.n_train > 999999 ||
      o.n_val > 999999) {
    problems.Add("n_train", "and n_val are %d and %d; expected 0 to 999999 and one in all",
                 o.n_train, o.n_val);
  }
  for (const auto& [name, side] : {std::pair{"width", o.width}, std::pair{"height", o.height}}) {
    if (side < 64 || side > 4096) problems.Add(name, "is %d; expected 64 to 4096", side);
  }
  if (o.threads < 1) problems.Add("threads", "is %d; expected at least 1", o.threads);
  return problems.ToStatus();
}

}  // namespace

std::vector<std::string> SampleClasses() { return {kNames.begin(), kNames.end()}; }

PaintedScene PaintScene(uint64_t seed, uint64_t index, int width, int height) {
  Philox random(seed, 0, index, RandomPurpose::kSampleData);
  const cv::Size fine(width * kFiner, height * kFiner);
  cv::Mat picture = internal::PaintTray(fine, random);
  const std::vector<Placed> scene = Arrange(fine, random);
  const double towards = random.Uniform(0, 2 * kPi);
  const double distance = random.Uniform(0.01, 0.025) * fine.height;
  const cv::Point offset(cvRound(std::cos(towards) * distance),
                         cvRound(std::sin(towards) * distance));
  const double darkness = random.Uniform(0.25, 0.6);
  for (const Placed& placed : scene) LayDown(placed, offset, darkness, picture);

  PaintedScene painted;
  painted.image = Tensor::Zeros(DType::kUInt8, {height, width, 3});
  cv::Mat small(height, width, CV_8UC3, painted.image.data<uint8_t>().data());
  cv::resize(picture, small, small.size(), 0, 0, cv::INTER_AREA);
  internal::TakePhoto(small, random);
  for (size_t i = 0; i < scene.size(); ++i) painted.objects.push_back(Describe(scene, i, fine));
  return painted;
}

absl::Status GenerateSampleData(const std::string& dir, const SampleDataOptions& options,
                                const std::function<void(int64_t done, int64_t total)>& progress,
                                std::stop_token stop) {
  TY_RETURN_IF_ERROR(CheckOptions(options));
  const std::array<std::pair<std::string, int>, 2> parts = {std::pair{"train", options.n_train},
                                                            std::pair{"val", options.n_val}};
  for (const auto& [part, count] : parts) {
    const std::string path = JoinPath(dir, part);
    if (FileExists(path) || FolderExists(path)) {
      return absl::AlreadyExistsError(
          absl::StrCat("'", path, "' is there; remove it or choose another folder"));
    }
  }
  internal::Workplace workplace(JoinPath(dir, "sample-data"));
  TY_RETURN_IF_ERROR(workplace.Open());
  for (const auto& [part, count] : parts) {
    TY_RETURN_IF_ERROR(MakeFolders(workplace.In(part + "/images")));
    TY_RETURN_IF_ERROR(MakeFolders(workplace.In(part + "/labels")));
  }
  std::mutex mutex;
  int64_t done = 0;
  absl::Status failure;
  const int64_t total = options.n_train + int64_t{options.n_val};

  const auto write = [&](int64_t i) -> absl::Status {
    if (stop.stop_requested()) return absl::CancelledError("cancelled before the end");
    const bool is_train = i < options.n_train;
    const PaintedScene scene = PaintScene(
        options.seed, static_cast<uint64_t>(is_train ? i : i - options.n_train) * 2 + !is_train,
        options.width, options.height);
    Philox random(options.seed, 1, static_cast<uint64_t>(i), RandomPurpose::kSampleData);
    const int quality = 82 + static_cast<int>(random.Below(14));
    TY_ASSIGN_OR_RETURN(const std::string jpeg, EncodeJpeg(scene.image, quality));
    std::string lines;
    for (const KittiObject& object : scene.objects) {
      absl::StrAppend(&lines, FormatKittiLine(object), "\n");
    }
    const std::string name = absl::StrFormat("%06d", is_train ? i : i - options.n_train);
    const std::string part = workplace.In(is_train ? "train" : "val");
    TY_RETURN_IF_ERROR(WriteFileAtomically(absl::StrCat(part, "/images/", name, ".jpg"), jpeg));
    TY_RETURN_IF_ERROR(WriteFileAtomically(absl::StrCat(part, "/labels/", name, ".txt"), lines));
    const std::lock_guard lock(mutex);
    ++done;
    if (progress) progress(done, total);
    return absl::OkStatus();
  };
  internal::ParallelFor(total, options.threads, [&](int64_t i) {
    const absl::Status status = write(i);
    const std::lock_guard lock(mutex);
    if (failure.ok()) failure = status;
  });
  TY_RETURN_IF_ERROR(failure);
  for (const auto& [part, count] : parts) {
    TY_RETURN_IF_ERROR(RenameSynced(workplace.In(part), JoinPath(dir, part)));
  }
  return absl::OkStatus();
}

}  // namespace trainyard
