#include "libs/data/sample_data.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/files.h"
#include "libs/base/problems.h"
#include "libs/base/random.h"
#include "libs/base/status.h"
#include "libs/data/image_io.h"
#include "libs/data/internal/placed_part.h"
#include "libs/data/internal/sample_parts.h"
#include "libs/data/internal/scene.h"

namespace trainyard::data {
namespace {

using internal::kFiner;
using internal::Part;
using internal::PlacedPart;

constexpr double kPi = 3.14159265358979323846;
constexpr int kPlacementTrials = 40;
constexpr double kLeastVisible = 0.5;
constexpr double kMostTruncated = 0.25;
constexpr float kMostOverlap = 0.25f;
constexpr std::array<const char*, 3> kNames = {"bolt", "nut", "washer"};

Box ToBox(const cv::Rect& rect) {
  const float scale = 1.0f / kFiner;
  return {static_cast<float>(rect.x) * scale, static_cast<float>(rect.y) * scale,
          static_cast<float>(rect.x + rect.width) * scale,
          static_cast<float>(rect.y + rect.height) * scale};
}

PlacedPart DrawPart(cv::Size size, Philox& random) {
  const auto part = static_cast<Part>(random.Below(kNames.size()));
  // Of the picture's shorter side; bolts are slim, so that theirs are longer.
  const double longest = part == Part::kBolt ? random.Uniform(0.3, 0.52) : random.Uniform(0.2, 0.4);
  const double length = longest * std::min(size.width, size.height);
  const double angle = random.Uniform(0, 2 * kPi);
  internal::Sprite sprite = internal::PaintPart(part, length, angle, random);
  const cv::Point centre(static_cast<int>(random.Below(static_cast<uint64_t>(size.width))),
                         static_cast<int>(random.Below(static_cast<uint64_t>(size.height))));
  return internal::PlacePart(part, std::move(sprite), centre);
}

double TruncatedShare(const PlacedPart& placed, cv::Size size) {
  return 1.0 - static_cast<double>(internal::InPicture(placed.extent, size).area()) /
                   placed.extent.area();
}

// Whether the scene stays readable with `next` on top of it.
bool Fits(const std::vector<PlacedPart>& scene, const PlacedPart& next, cv::Size size) {
  if (TruncatedShare(next, size) > kMostTruncated) return false;
  for (size_t i = 0; i < scene.size(); ++i) {
    if (IoU(ToBox(scene[i].extent), ToBox(next.extent)) > kMostOverlap) return false;
    cv::Mat seen = internal::Cover(scene[i], size);
    for (size_t above = i + 1; above < scene.size(); ++above) {
      seen.setTo(0, internal::Cover(scene[above], size));
    }
    seen.setTo(0, internal::Cover(next, size));
    if (cv::countNonZero(seen) < kLeastVisible * static_cast<double>(scene[i].pixels)) return false;
  }
  return true;
}

std::vector<PlacedPart> Arrange(cv::Size size, Philox& random) {
  const size_t wanted = 2 + random.Below(4);
  std::vector<PlacedPart> scene;
  for (int trial = 0; trial < kPlacementTrials && scene.size() < wanted; ++trial) {
    PlacedPart next = DrawPart(size, random);
    if (Fits(scene, next, size)) scene.push_back(std::move(next));
  }
  return scene;
}

KittiObject Describe(const std::vector<PlacedPart>& scene, size_t i, cv::Size size) {
  const PlacedPart& placed = scene[i];
  cv::Mat seen = internal::Cover(placed, size);
  const int inside = std::max(1, cv::countNonZero(seen));
  for (size_t above = i + 1; above < scene.size(); ++above)
    seen.setTo(0, internal::Cover(scene[above], size));
  const double visible = static_cast<double>(cv::countNonZero(seen)) / inside;
  KittiObject object;
  object.type = kNames[static_cast<size_t>(placed.part)];
  object.truncated = std::round(100 * TruncatedShare(placed, size)) / 100;
  object.occluded = visible >= 0.85 ? 0 : visible >= 0.6 ? 1 : 2;
  object.box = ToBox(internal::InPicture(placed.extent, size));
  return object;
}

absl::Status CheckOptions(const SampleDataOptions& o) {
  Problems problems;
  if (o.n_train < 0 || o.n_val < 0 || o.n_train + int64_t{o.n_val} < 1 || o.n_train > 999999 ||
      o.n_val > 999999) {
    problems.Add("n_train", "and n_val are %d and %d; expected 0 to 999999 and one in all",
                 o.n_train, o.n_val);
  }
  internal::CheckSampleSize(o.width, o.height, o.threads, problems);
  return problems.ToStatus();
}

}  // namespace

std::vector<std::string> SampleClasses() { return {kNames.begin(), kNames.end()}; }

PaintedScene PaintScene(uint64_t seed, uint64_t index, int width, int height) {
  Philox random(seed, 0, index, RandomPurpose::kSampleData);
  const cv::Size fine(width * kFiner, height * kFiner);
  cv::Mat picture = internal::PaintTray(fine, random);
  const std::vector<PlacedPart> scene = Arrange(fine, random);
  const internal::Shadow shadow = internal::DrawShadow(fine, random);
  for (const PlacedPart& placed : scene) internal::LayDown(placed, shadow, picture);

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
  const auto write = [&options](size_t part, int64_t i, const std::string& folder) -> absl::Status {
    const PaintedScene scene = PaintScene(options.seed, static_cast<uint64_t>(i) * 2 + part,
                                          options.width, options.height);
    const uint64_t number = static_cast<uint64_t>(part == 0 ? i : options.n_train + i);
    Philox random(options.seed, 1, number, RandomPurpose::kSampleData);
    const int quality = 82 + static_cast<int>(random.Below(14));
    TY_ASSIGN_OR_RETURN(const std::string jpeg, EncodeJpeg(scene.image, quality));
    std::string lines;
    for (const KittiObject& object : scene.objects) {
      absl::StrAppend(&lines, FormatKittiLine(object), "\n");
    }
    const std::string name = absl::StrFormat("%06d", i);
    TY_RETURN_IF_ERROR(WriteFileAtomically(absl::StrCat(folder, "/images/", name, ".jpg"), jpeg));
    return WriteFileAtomically(absl::StrCat(folder, "/labels/", name, ".txt"), lines);
  };
  return internal::WriteSampleParts(dir, {{"train", options.n_train}, {"val", options.n_val}},
                                    {"images", "labels"}, options.threads, write, progress,
                                    std::move(stop));
}

}  // namespace trainyard::data
