#include "libs/data/internal/augment_draw.h"

#include <algorithm>

#include "libs/base/random.h"
#include "libs/spec/augment_spec.h"

namespace trainyard::data::internal {
namespace {

using google::protobuf::RepeatedField;
using spec::augment::v1::AugmentConfig;
using spec::augment::v1::DataServicesConfig;

// One stream for each list. Append only: a number is part of what makes an augmentation repeatable.
enum class List : uint32_t {
  kAngle = 1,
  kShearX = 2,
  kShearY = 3,
  kTranslateX = 4,
  kTranslateY = 5,
  kHue = 6,
  kSaturation = 7,
  kContrast = 8,
  kCenter = 9,
  kBrightness = 10,
  kBlurSize = 11,
  kBlurStd = 12,
};

class Drawer {
 public:
  Drawer(uint64_t seed, uint64_t index) : seed_(seed), index_(index) {}

  float Draw(List list, const RepeatedField<float>& values, float nothing) const {
    if (values.size() != 2) return Choose(list, values, nothing);
    return static_cast<float>(
        Stream(list).Uniform(static_cast<double>(values[0]), static_cast<double>(values[1])));
  }

  // A multiple of `step` above the smaller of two values, up to the larger.
  template <typename T>
  T DrawWhole(List list, const RepeatedField<T>& values, T nothing, int64_t step) const {
    if (values.size() != 2) return Choose(list, values, nothing);
    const int64_t low = std::min(values[0], values[1]), high = std::max(values[0], values[1]);
    const auto count = static_cast<uint64_t>((high - low) / step + 1);
    return static_cast<T>(low + step * static_cast<int64_t>(Stream(list).Below(count)));
  }

 private:
  template <typename T>
  T Choose(List list, const RepeatedField<T>& values, T nothing) const {
    if (values.empty()) return nothing;
    if (values.size() == 1) return values[0];
    return values[static_cast<int>(Stream(list).Below(static_cast<uint64_t>(values.size())))];
  }

  Philox Stream(List list) const {
    return Philox(seed_, static_cast<uint32_t>(list), index_, RandomPurpose::kOfflineAugmentation);
  }

  const uint64_t seed_, index_;
};

void DrawSpatial(const Drawer& drawer, const spec::augment::v1::SpatialAug& from,
                 spec::augment::v1::SpatialConfig* to) {
  auto* rotation = to->mutable_rotation_config();
  rotation->set_angle(drawer.Draw(List::kAngle, from.rotation().angle(), 0));
  rotation->set_units(from.rotation().units());
  auto* flip = to->mutable_flip_config();
  flip->set_flip_horizontal(from.flip().flip_horizontal());
  flip->set_flip_vertical(from.flip().flip_vertical());
  auto* shear = to->mutable_shear_config();
  shear->set_shear_ratio_x(drawer.Draw(List::kShearX, from.shear().shear_ratio_x(), 0));
  shear->set_shear_ratio_y(drawer.Draw(List::kShearY, from.shear().shear_ratio_y(), 0));
  auto* shift = to->mutable_translation_config();
  const auto& translation = from.translation();
  shift->set_translate_x(static_cast<float>(
      drawer.DrawWhole<int32_t>(List::kTranslateX, translation.translate_x(), 0, 1)));
  shift->set_translate_y(static_cast<float>(
      drawer.DrawWhole<int32_t>(List::kTranslateY, translation.translate_y(), 0, 1)));
}

void DrawColor(const Drawer& drawer, const spec::augment::v1::ColorAug& from,
               spec::augment::v1::ColorConfig* to) {
  auto* hue = to->mutable_hue_saturation_config();
  hue->set_hue_rotation_angle(drawer.Draw(List::kHue, from.hue().hue_rotation_angle(), 0));
  hue->set_saturation_shift(drawer.Draw(List::kSaturation, from.saturation().saturation_shift(), 1));
  auto* contrast = to->mutable_contrast_config();
  contrast->set_contrast(drawer.Draw(List::kContrast, from.contrast().contrast(), 0));
  contrast->set_center(drawer.Draw(List::kCenter, from.contrast().center(), 127));
  to->mutable_brightness_config()->set_offset(
      drawer.Draw(List::kBrightness, from.brightness().offset(), 0));
}

}  // namespace

AugmentConfig DrawAugmentation(const DataServicesConfig& config, uint64_t index) {
  const Drawer drawer(config.random_seed(), index);
  AugmentConfig drawn;
  if (config.data().has_output_image_width()) {
    drawn.set_output_image_width(config.data().output_image_width());
    drawn.set_output_image_height(config.data().output_image_height());
  }
  DrawSpatial(drawer, config.spatial_aug(), drawn.mutable_spatial_config());
  DrawColor(drawer, config.color_aug(), drawn.mutable_color_config());
  if (config.has_blur_aug()) {
    const auto& blur = config.blur_aug();
    drawn.mutable_blur_config()->set_size(
        drawer.DrawWhole<uint32_t>(List::kBlurSize, blur.size(), 3, 2));
    drawn.mutable_blur_config()->set_std(drawer.Draw(List::kBlurStd, blur.std(), 0.1f));
  }
  spec::ApplyDefaults(&drawn);
  return drawn;
}

}  // namespace trainyard::data::internal
