#include "libs/data/prepared_classes.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_format.h"
#include "libs/base/status.h"
#include "libs/data/class_truth.h"
#include "libs/data/internal/photometric.h"
#include "libs/data/internal/resample.h"
#include "libs/data/preprocess.h"

namespace trainyard::data {
namespace {

using model::v1::Preprocess;

constexpr double kLeastPart = 0.45;
// OpenCV's hue has units of two degrees, its saturation 255ths.
constexpr double kHue = 25.0 / 2, kSaturation = 0.2 * 255, kContrast = 0.1;

// All that is random about one picture.
struct Draws {
  bool mirrored = false;
  // Of the scaled picture's sides, and of the room that they leave.
  double part = 1, left = 0, top = 0;
  internal::Photometric colours;
};

Draws Draw(Philox& random) {
  Draws draws;
  draws.mirrored = random.Chance(0.5);
  draws.part = random.Uniform(kLeastPart, 1);
  draws.left = random.Uniform();
  draws.top = random.Uniform();
  draws.colours.contrast_last = true;
  draws.colours.hue = random.Uniform(-kHue, kHue);
  draws.colours.saturation_shift = random.Uniform(-kSaturation, kSaturation);
  draws.colours.contrast = random.Uniform(1 - kContrast, 1 + kContrast);
  return draws;
}

// `count` of the axis of `pixels` that is scaled by `ratio`; `place` in [0, 1) says which.
// Philox::Below would draw a number of times that depends on the picture.
internal::AxisCut RandomAxis(int64_t pixels, double ratio, double place, int64_t count) {
  const int64_t scaled =
      std::max(count, static_cast<int64_t>(std::floor(static_cast<double>(pixels) * ratio)));
  const int64_t room = scaled - count;
  const auto offset = static_cast<int64_t>(std::floor(place * static_cast<double>(room + 1)));
  return internal::CutOfScaled(pixels, scaled, std::min(offset, room), count);
}

internal::Cut RandomCut(const Draws& draws, ImageSize picture, const Preprocess& preprocess) {
  const int64_t width = preprocess.width(), height = preprocess.height();
  const double ratio =
      std::max(static_cast<double>(width) / draws.part / static_cast<double>(picture.width),
               static_cast<double>(height) / draws.part / static_cast<double>(picture.height));
  return {RandomAxis(picture.width, ratio, draws.left, width),
          RandomAxis(picture.height, ratio, draws.top, height)};
}

// A picture of the input's size that is the input already but for colours.
Preprocess Unscaled(Preprocess preprocess) {
  preprocess.set_resize(Preprocess::STRETCH);
  preprocess.set_interpolation(Preprocess::BILINEAR);
  return preprocess;
}

absl::Status AugmentInto(const Tensor& image, const ClassAugmentation& augmentation,
                         const Preprocess& preprocess, Philox& random, absl::Span<float> input) {
  TY_RETURN_IF_ERROR(internal::CheckPicture(image));
  const ImageSize size = {.width = image.dim(1), .height = image.dim(0)};
  const Draws draws = Draw(random);
  internal::Cut cut = augmentation.random_crop ? RandomCut(draws, size, preprocess)
                                               : internal::CutOf(preprocess, size);
  cut.mirrored = augmentation.horizontal_flip && draws.mirrored;
  if (!augmentation.random_crop || !augmentation.color || ChannelsOf(preprocess) != 3) {
    return internal::FillInput(image, cut, preprocess, input);
  }
  TY_ASSIGN_OR_RETURN(Tensor picture,
                      internal::SamplePicture(image, cut, preprocess.interpolation()));
  TY_RETURN_IF_ERROR(internal::ApplyPhotometric(draws.colours, picture));
  return PreprocessImage(picture, Unscaled(preprocess), input);
}

absl::StatusOr<Tensor> TargetOf(const Truth* truth, int classes) {
  const auto* const known = dynamic_cast<const ClassTruth*>(truth);
  if (known == nullptr) {
    return absl::InvalidArgumentError("the picture has no class; expected a labelled one");
  }
  if (known->class_id < 0 || known->class_id >= classes) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "the picture is of class %d; expected one in [0, %d)", known->class_id, classes));
  }
  return Tensor::Of<int32_t>({}, {known->class_id});
}

class ClassSource final : public PreparedSource {
 public:
  ClassSource(std::shared_ptr<const SampleSource> source, ClassPreparation preparation)
      : source_(std::move(source)), preparation_(std::move(preparation)) {}

  int64_t size() const override { return source_->size(); }
  std::string Id(int64_t index) const override { return source_->Id(index); }
  Shape input_shape() const override {
    const Preprocess& preprocess = preparation_.preprocess;
    return {ChannelsOf(preprocess), preprocess.height(), preprocess.width()};
  }

  absl::StatusOr<PreparedSample> Prepare(int64_t index, Philox& random,
                                         absl::Span<float> input) const override {
    PreparedSample prepared;
    TY_ASSIGN_OR_RETURN(prepared.sample, source_->Get(index));
    Sample& sample = prepared.sample;
    TY_ASSIGN_OR_RETURN(Tensor target, TargetOf(sample.truth.get(), preparation_.classes));
    prepared.targets.push_back(std::move(target));
    prepared.seen = sample.truth;
    TY_RETURN_IF_ERROR(FillInput(sample.image, random, input));
    prepared.size = {.width = sample.image.dim(1), .height = sample.image.dim(0)};
    sample.image = Tensor();
    return prepared;
  }

 private:
  absl::Status FillInput(const Tensor& image, Philox& random, absl::Span<float> input) const {
    const Preprocess& preprocess = preparation_.preprocess;
    if (!preparation_.augmentation) return PreprocessImage(image, preprocess, input);
    return AugmentInto(image, *preparation_.augmentation, preprocess, random, input);
  }

  const std::shared_ptr<const SampleSource> source_;
  const ClassPreparation preparation_;
};

}  // namespace

absl::StatusOr<std::shared_ptr<const PreparedSource>> PrepareClasses(
    std::shared_ptr<const SampleSource> source, ClassPreparation preparation) {
  TY_RETURN_IF_ERROR(CheckPreprocess(preparation.preprocess));
  if (preparation.classes < 1) {
    return absl::InvalidArgumentError(
        absl::StrFormat("the network has %d classes; expected at least 1", preparation.classes));
  }
  return std::make_shared<const ClassSource>(std::move(source), std::move(preparation));
}

}  // namespace trainyard::data
