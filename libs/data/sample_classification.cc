#include "libs/data/sample_classification.h"

#include <algorithm>
#include <array>
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
#include "libs/data/internal/photometric.h"
#include "libs/data/internal/placed_part.h"
#include "libs/data/internal/sample_parts.h"
#include "libs/data/internal/scene.h"

namespace trainyard::data {
namespace {

using internal::kFiner;
using internal::Part;

struct ClassPart {
  const char* name;
  Part part;
};
// Sorted by name, which is how classes are numbered.
constexpr std::array<ClassPart, 5> kClasses = {{{"bolt", Part::kBolt},
                                                {"bracket", Part::kBracket},
                                                {"gear", Part::kGear},
                                                {"nut", Part::kNut},
                                                {"washer", Part::kWasher}}};
constexpr int kClassCount = static_cast<int>(kClasses.size());
constexpr int kMostPictures = 999999;

// The streams of pictures and of their JPEG quality, apart from those of the labelled scenes.
constexpr uint32_t kPictures = 2, kQualities = 3;

// Somewhere in the picture, at most a few pixels of it outside.
internal::PlacedPart DrawPart(Part part, cv::Size size, Philox& random) {
  const double length = random.Uniform(0.6, 0.9) * std::min(size.width, size.height);
  const double angle = random.Uniform(0, 2 * CV_PI);
  internal::Sprite sprite = internal::PaintPart(part, length, angle, random);
  const double margin = 0.45 * length;
  const cv::Point centre(cvRound(random.Uniform(margin, size.width - margin)),
                         cvRound(random.Uniform(margin, size.height - margin)));
  return internal::PlacePart(part, std::move(sprite), centre);
}

// The number of a picture's stream: no two parts of a set share one.
uint64_t StreamOf(size_t part, int64_t index) { return static_cast<uint64_t>(index) * 4 + part; }

absl::Status CheckOptions(const SampleClassificationOptions& o) {
  Problems problems;
  const auto check = [&problems](const char* name, int count, bool may_be_none) {
    if (may_be_none && count == 0) return;
    if (count >= kClassCount && count <= kMostPictures) return;
    problems.Add(name, "is %d; expected %s%d to %d, so that each of the %d classes has pictures",
                 count, may_be_none ? "0, or " : "", kClassCount, kMostPictures, kClassCount);
  };
  check("n_train", o.n_train, false);
  check("n_val", o.n_val, true);
  check("n_test", o.n_test, true);
  internal::CheckSampleSize(o.width, o.height, o.threads, problems);
  return problems.ToStatus();
}

}  // namespace

std::vector<std::string> SampleClassificationClasses() {
  std::vector<std::string> names;
  for (const ClassPart& one : kClasses) names.emplace_back(one.name);
  return names;
}

Tensor PaintOnePart(uint64_t seed, uint64_t index, int class_index, int width, int height) {
  Philox random(seed, kPictures, index, RandomPurpose::kSampleData);
  const cv::Size fine(width * kFiner, height * kFiner);
  cv::Mat picture = internal::PaintTray(fine, random);
  const Part part = kClasses[static_cast<size_t>(class_index)].part;
  const internal::PlacedPart placed = DrawPart(part, fine, random);
  internal::LayDown(placed, internal::DrawShadow(fine, random), picture);

  Tensor image = Tensor::Zeros(DType::kUInt8, {height, width, 3});
  cv::Mat small(height, width, CV_8UC3, image.data<uint8_t>().data());
  cv::resize(picture, small, small.size(), 0, 0, cv::INTER_AREA);
  // Neither colour nor brightness may tell a class.
  const auto photometric = internal::DrawPhotometric(32, 0.3, 0.5, 30, random);
  internal::ApplyPhotometric(photometric, small, small);
  internal::TakePhoto(small, random);
  return image;
}

absl::Status GenerateSampleClassification(
    const std::string& dir, const SampleClassificationOptions& options,
    const std::function<void(int64_t done, int64_t total)>& progress, std::stop_token stop) {
  TY_RETURN_IF_ERROR(CheckOptions(options));
  const auto write = [&options](size_t part, int64_t i, const std::string& folder) -> absl::Status {
    const uint64_t stream = StreamOf(part, i);
    const int class_index = static_cast<int>(i % kClassCount);
    const Tensor image =
        PaintOnePart(options.seed, stream, class_index, options.width, options.height);
    Philox random(options.seed, kQualities, stream, RandomPurpose::kSampleData);
    const int quality = 82 + static_cast<int>(random.Below(14));
    TY_ASSIGN_OR_RETURN(const std::string jpeg, EncodeJpeg(image, quality));
    const char* const name = kClasses[static_cast<size_t>(class_index)].name;
    return WriteFileAtomically(absl::StrFormat("%s/%s/%06d.jpg", folder, name, i), jpeg);
  };
  return internal::WriteSampleParts(
      dir, {{"train", options.n_train}, {"val", options.n_val}, {"test", options.n_test}},
      SampleClassificationClasses(), options.threads, write, progress, std::move(stop));
}

}  // namespace trainyard::data
