#include "libs/data/augmentation.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <exception>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/data/image_io.h"
#include "libs/data/internal/photometric.h"
#include "libs/data/internal/resample.h"
#include "libs/data/preprocess.h"

namespace trainyard::data {
namespace {

constexpr double kNearOne = 1e-5;
constexpr double kKeepProbability = 0.857;
constexpr int kCropTrials = 50;
constexpr std::array<double, 6> kCropBounds = {0, 0.1, 0.3, 0.5, 0.7, 0.9};
// Larger pictures are coloured in memory that is given back.
constexpr int64_t kMaxScratchPixels = 16'000'000;
// ImageNet's mean as 8 bits.
const cv::Scalar kCanvasColour(123, 116, 103);

bool IsOne(double value) { return std::abs(value - 1) < kNearOne; }

// All that is random about one picture. Rectangles have whole pixels; the canvas has its origin at
// its own corner.
struct Plan {
  bool has_colours = false;
  internal::Photometric colours;
  // Where the picture lies on the canvas, and how big that is.
  cv::Point offset;
  cv::Size canvas;
  // The part of the canvas that is seen.
  cv::Rect patch;
  bool flip = false;
  int interpolation = cv::INTER_LINEAR;
};

void DrawZoomOut(const AugmentationOptions& options, cv::Size picture, Philox& random, Plan& plan) {
  plan.canvas = picture;
  if (IsOne(options.zoom_out_min_scale) && IsOne(options.zoom_out_max_scale)) return;
  if (!random.Chance(0.5)) return;
  const double factor = random.Uniform(options.zoom_out_min_scale, options.zoom_out_max_scale);
  plan.canvas.height = std::max(picture.height, static_cast<int>(factor * picture.height));
  plan.canvas.width = std::max(picture.width, static_cast<int>(factor * picture.width));
  const auto place = [&random](int room) {
    return static_cast<int>(random.Below(static_cast<uint64_t>(room) + 1));
  };
  plan.offset.y = place(plan.canvas.height - picture.height);
  plan.offset.x = place(plan.canvas.width - picture.width);
}

// A rectangle inside `canvas`, or an empty one when its shape is not allowed.
cv::Rect DrawPatch(const AugmentationOptions& options, cv::Size canvas, Philox& random) {
  const auto side = [&](int whole) {
    const double part = random.Uniform(options.crop_min_scale, options.crop_max_scale);
    return std::clamp(static_cast<int>(part * whole), 1, whole);
  };
  const auto place = [&random](int room) {
    return static_cast<int>(random.Below(static_cast<uint64_t>(room) + 1));
  };
  cv::Rect patch;
  patch.height = side(canvas.height);
  patch.width = side(canvas.width);
  patch.y = place(canvas.height - patch.height);
  patch.x = place(canvas.width - patch.width);
  const double ratio = static_cast<double>(patch.width) / patch.height;
  return ratio >= options.crop_min_ar && ratio <= options.crop_max_ar ? patch : cv::Rect();
}

Box BoxOf(const cv::Rect& rect) {
  return {static_cast<float>(rect.x), static_cast<float>(rect.y),
          static_cast<float>(rect.x + rect.width), static_cast<float>(rect.y + rect.height)};
}

void DrawCrop(const AugmentationOptions& options, absl::Span<const LabelledBox> boxes,
              Philox& random, Plan& plan) {
  plan.patch = cv::Rect({0, 0}, plan.canvas);
  if (IsOne(options.crop_min_scale) && IsOne(options.crop_max_scale)) return;
  // Without boxes to learn from no patch can be accepted, and the loop below ends with the whole
  // canvas.
  const auto counts = [](const LabelledBox& b) { return !b.neutral; };
  if (std::none_of(boxes.begin(), boxes.end(), counts)) return;
  while (random.Chance(kKeepProbability)) {
    const double bound = kCropBounds[random.Below(kCropBounds.size())];
    for (int trial = 0; trial < kCropTrials; ++trial) {
      const cv::Rect patch = DrawPatch(options, plan.canvas, random);
      if (patch.empty()) continue;
      const bool accepted = std::any_of(boxes.begin(), boxes.end(), [&](const LabelledBox& b) {
        return counts(b) && IoU(b.box, BoxOf(patch)) > bound;
      });
      if (accepted) {
        plan.patch = patch;
        return;
      }
    }
  }
}

void Shift(std::vector<LabelledBox>& boxes, float dx, float dy) {
  for (LabelledBox& labelled : boxes) {
    Box& box = labelled.box;
    box = {box.x1 + dx, box.y1 + dy, box.x2 + dx, box.y2 + dy};
  }
}

// Boxes of the canvas to boxes of the patch: those whose centre lies in it, clipped.
void CropBoxes(const cv::Rect& patch, std::vector<LabelledBox>& boxes) {
  Shift(boxes, static_cast<float>(-patch.x), static_cast<float>(-patch.y));
  const auto right = static_cast<float>(patch.width - 1);
  const auto bottom = static_cast<float>(patch.height - 1);
  const auto outside = [&](const LabelledBox& labelled) {
    const float cx = (labelled.box.x1 + labelled.box.x2) / 2;
    const float cy = (labelled.box.y1 + labelled.box.y2) / 2;
    return !(cx >= 0 && cx <= right && cy >= 0 && cy <= bottom);
  };
  boxes.erase(std::remove_if(boxes.begin(), boxes.end(), outside), boxes.end());
  for (LabelledBox& labelled : boxes) {
    Box& box = labelled.box;
    box = {std::clamp(box.x1, 0.0f, right), std::clamp(box.y1, 0.0f, bottom),
           std::clamp(box.x2, 0.0f, right), std::clamp(box.y2, 0.0f, bottom)};
  }
}

// The plan, and what it does to the boxes up to the resize.
Plan DrawPlan(const AugmentationOptions& options, cv::Size picture, Philox& random,
              std::vector<LabelledBox>& boxes) {
  Plan plan;
  plan.has_colours = options.brightness != 0 || options.contrast != 0 || options.saturation != 0 ||
                     options.hue != 0;
  if (plan.has_colours) {
    plan.colours = internal::DrawPhotometric(options.brightness, options.contrast,
                                             options.saturation, options.hue, random);
  }
  DrawZoomOut(options, picture, random, plan);
  Shift(boxes, static_cast<float>(plan.offset.x), static_cast<float>(plan.offset.y));
  DrawCrop(options, boxes, random, plan);
  if (plan.patch.size() != plan.canvas) CropBoxes(plan.patch, boxes);
  plan.flip = options.random_flip != 0 && random.Chance(options.random_flip);
  if (plan.flip) {
    const auto width = static_cast<float>(plan.patch.width);
    for (LabelledBox& b : boxes) {
      b.box = {width - b.box.x2, b.box.y1, width - b.box.x1, b.box.y2};
    }
  }
  constexpr std::array<int, 5> kInterpolations = {
      cv::INTER_NEAREST, cv::INTER_LINEAR, cv::INTER_CUBIC, cv::INTER_AREA, cv::INTER_LANCZOS4};
  plan.interpolation = kInterpolations[random.Below(kInterpolations.size())];
  return plan;
}

// What is seen of a picture, and where in the target it goes.
struct Placing {
  // In the picture; empty when the patch shows nothing but canvas.
  cv::Rect seen;
  // The same part in the patch (after the mirror), and in the target.
  cv::Rect in_patch, in_target;
};

// [from, from + length) of a side of `whole` pixels, in whole pixels of a side of `target`.
std::pair<int, int> ScaledSpan(int from, int length, int whole, int target) {
  const double scale = static_cast<double>(target) / whole;
  const int begin = std::clamp(static_cast<int>(std::nearbyint(from * scale)), 0, target - 1);
  const int end = static_cast<int>(std::nearbyint((from + length) * scale));
  return {begin, std::clamp(end, begin + 1, target) - begin};
}

Placing PlacingOf(const Plan& plan, cv::Size picture, cv::Size target) {
  const cv::Rect seen = cv::Rect(plan.offset, picture) & plan.patch;
  if (seen.empty()) return {};
  Placing placing{.seen = seen - plan.offset, .in_patch = seen - plan.patch.tl()};
  if (plan.flip) placing.in_patch.x = plan.patch.width - placing.in_patch.x - seen.width;
  const cv::Rect& from = placing.in_patch;
  cv::Rect& to = placing.in_target;
  std::tie(to.x, to.width) = ScaledSpan(from.x, from.width, plan.patch.width, target.width);
  std::tie(to.y, to.height) = ScaledSpan(from.y, from.height, plan.patch.height, target.height);
  return placing;
}

// Boxes of the patch to boxes of the target, as the pixels that are seen go.
void ResizeBoxes(const Placing& placing, cv::Size patch, cv::Size target,
                 std::vector<LabelledBox>& boxes) {
  const bool seen = !placing.seen.empty();
  const cv::Rect from = seen ? placing.in_patch : cv::Rect({0, 0}, patch);
  const cv::Rect to = seen ? placing.in_target : cv::Rect({0, 0}, target);
  const auto x = [&](float value) {
    return static_cast<float>(
        std::nearbyint(to.x + (double{value} - from.x) * to.width / from.width));
  };
  const auto y = [&](float value) {
    return static_cast<float>(
        std::nearbyint(to.y + (double{value} - from.y) * to.height / from.height));
  };
  for (LabelledBox& labelled : boxes) {
    Box& box = labelled.box;
    box = {x(box.x1), y(box.y1), x(box.x2), y(box.y2)};
  }
  ClipBoxes(boxes, target.width, target.height);
}

// A picture over memory that a thread keeps, so that it does not cost page faults each time.
cv::Mat Scratch(std::vector<uint8_t>& memory, cv::Size size) {
  const int64_t pixels = int64_t{size.width} * size.height;
  if (pixels > kMaxScratchPixels) return cv::Mat(size, CV_8UC3);
  const auto bytes = static_cast<size_t>(pixels) * 3;
  if (memory.size() < bytes) memory.resize(bytes);
  return cv::Mat(size, CV_8UC3, memory.data());
}

// Paints what the plan shows of `picture`: the part that is seen goes straight into its place.
void Paint(const Plan& plan, const Placing& placing, const cv::Mat& picture, cv::Mat& target) {
  thread_local std::vector<uint8_t> memory;
  if (placing.in_target.size() != target.size()) target.setTo(kCanvasColour);
  if (placing.seen.empty()) return;
  cv::Mat visible = picture(placing.seen);
  if (plan.has_colours) {
    cv::Mat coloured = Scratch(memory, visible.size());
    internal::ApplyPhotometric(plan.colours, visible, coloured);
    visible = coloured;
  }
  cv::Mat place = target(placing.in_target);
  cv::resize(visible, place, place.size(), 0, 0, plan.interpolation);
  if (plan.flip) cv::flip(place, place, 1);
}

absl::StatusOr<AugmentedImage> Augment(const Tensor& image, absl::Span<const LabelledBox> boxes,
                                       const AugmentationOptions& options, cv::Size size,
                                       Philox& random) {
  const cv::Mat picture(static_cast<int>(image.dim(0)), static_cast<int>(image.dim(1)), CV_8UC3,
                        const_cast<uint8_t*>(image.data<uint8_t>().data()));
  AugmentedImage result;
  result.boxes.assign(boxes.begin(), boxes.end());
  const Plan plan = DrawPlan(options, picture.size(), random, result.boxes);
  const Placing placing = PlacingOf(plan, picture.size(), size);
  ResizeBoxes(placing, plan.patch.size(), size, result.boxes);
  TY_ASSIGN_OR_RETURN(result.image, Tensor::Create(DType::kUInt8, {size.height, size.width, 3}));
  cv::Mat target(size, CV_8UC3, result.image.data<uint8_t>().data());
  Paint(plan, placing, picture, target);
  return result;
}

}  // namespace

absl::Status CheckAugmentation(const AugmentationOptions& o) {
  Problems problems;
  // Written so that NaN fails each.
  if (!(o.crop_min_scale > 0 && o.crop_min_scale <= o.crop_max_scale && o.crop_max_scale <= 1)) {
    problems.Add("augmentation_config.random_crop_min_scale",
                 "and random_crop_max_scale are %g and %g; expected 0 < min <= max <= 1",
                 o.crop_min_scale, o.crop_max_scale);
  }
  if (!(o.crop_min_ar > 0 && o.crop_min_ar <= o.crop_max_ar && std::isfinite(o.crop_max_ar))) {
    problems.Add("augmentation_config.random_crop_min_ar",
                 "and random_crop_max_ar are %g and %g; expected 0 < min <= max", o.crop_min_ar,
                 o.crop_max_ar);
  }
  if (!(o.zoom_out_min_scale >= 1 && o.zoom_out_min_scale <= o.zoom_out_max_scale &&
        o.zoom_out_max_scale <= 100)) {
    problems.Add("augmentation_config.zoom_out_min_scale",
                 "and zoom_out_max_scale are %g and %g; expected 1 <= min <= max <= 100",
                 o.zoom_out_min_scale, o.zoom_out_max_scale);
  }
  const auto check = [&problems](const char* field, double value, double max, bool open) {
    if (value >= 0 && (open ? value < max : value <= max)) return;
    problems.Add(absl::StrCat("augmentation_config.", field), "is %g; expected 0 to %g%s", value,
                 max, open ? ", itself excluded" : "");
  };
  check("brightness", o.brightness, 255, false);
  check("contrast", o.contrast, 1, true);
  check("saturation", o.saturation, 1, true);
  check("hue", o.hue, 180, false);
  check("random_flip", o.random_flip, 1, false);
  return problems.ToStatus();
}

absl::StatusOr<AugmentedImage> AugmentImage(const Tensor& image,
                                            absl::Span<const LabelledBox> boxes,
                                            const AugmentationOptions& options, int64_t width,
                                            int64_t height, Philox& random) {
  TY_RETURN_IF_ERROR(CheckAugmentation(options));
  TY_RETURN_IF_ERROR(internal::CheckPicture(image));
  if (width < 1 || height < 1 || width > kMaxImageSide || height > kMaxImageSide) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "the network input is %d x %d; expected 1 to %d", width, height, kMaxImageSide));
  }
  internal::KeepOpenCvToOneThread();
  try {
    return Augment(image, boxes, options,
                   cv::Size(static_cast<int>(width), static_cast<int>(height)), random);
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("OpenCV: ", error.what()));
  }
}

}  // namespace trainyard::data
