#include "libs/spec/data_services_spec.h"

#include <cmath>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/spec/defaults.h"
#include "libs/spec/field_names.h"

namespace trainyard::spec::internal {
namespace {

using google::protobuf::RepeatedField;
using spec::augment::v1::BlurAug;
using spec::augment::v1::ColorAug;
using spec::augment::v1::Data;
using spec::augment::v1::DataServicesConfig;
using spec::augment::v1::SpatialAug;

constexpr absl::string_view kOnProcessor = "pictures are made by the processor, one a thread";
constexpr absl::string_view kOfRequest = "the request names the output (-o)";

constexpr CoverageRule kRules[] = {
    {"augment.v1.DataServicesConfig.gpu_ids", FieldSupport::kNoEffect, FieldUse::kWhenSet, kOnProcessor},
    {"augment.v1.DataServicesConfig.num_gpus", FieldSupport::kNoEffect, FieldUse::kWhenSet, kOnProcessor},
    {"augment.v1.DataServicesConfig.results_dir", FieldSupport::kNoEffect, FieldUse::kWhenSet, kOfRequest},
    {"augment.v1.Data.output_dataset", FieldSupport::kNoEffect, FieldUse::kWhenSet, kOfRequest},
    {"augment.v1.Data.batch_size", FieldSupport::kNoEffect, FieldUse::kWhenSet, kOnProcessor},
    {"augment.v1.Data.include_masks", FieldSupport::kUnimplemented, FieldUse::kWhenNotNeutral,
     "masks are not read"},
    {"augment.v1.RefineBox.enabled", FieldSupport::kUnimplemented, FieldUse::kWhenNotNeutral,
     "masks are not read"},
    {"augment.v1.RefineBox.gt_cache", FieldSupport::kUnimplemented, FieldUse::kWhenNotNeutral,
     "masks are not read"},
};

// Any finite number; the bounds only say "a number" in a message.
constexpr Range kFinite{.least = -1e6, .most = 1e6};

// Each value of a list.
template <typename T>
void CheckList(const RepeatedField<T>& values, const std::string& path, const Range& range,
               FieldCheck* check) {
  for (const T value : values) {
    const auto number = static_cast<double>(value);
    if (!range.Holds(number)) check->Add(path, "holds %g; expected %s", number, range.Text());
  }
}

void CheckPath(const Data& data, absl::string_view name, const std::string& value,
               absl::string_view expected, FieldCheck* check) {
  if (!check->Text(data, "data", name, expected) || absl::StartsWith(value, "/")) return;
  check->RelativePath(data, "data", name);
}

void CheckData(const Data& data, FieldCheck* check) {
  check->Choice(data, "data", "dataset_type", {"coco", "kitti"});
  CheckPath(data, "image_dir", data.image_dir(), "the folder of images", check);
  CheckPath(data, "ann_path", data.ann_path(),
            "the file of annotations (coco), or the folder of label files (kitti)", check);
  constexpr Range kSide{.least = 1, .most = 16384};
  check->Number(data, "data", "output_image_width", kSide);
  check->Number(data, "data", "output_image_height", kSide);
  if (data.has_output_image_width() != data.has_output_image_height()) {
    const bool width = data.has_output_image_width();
    check->Missing(width ? "data.output_image_height" : "data.output_image_width",
                   width ? "both or none; output_image_width is given"
                         : "both or none; output_image_height is given");
  }
}

void CheckSpatial(const SpatialAug& spatial, FieldCheck* check) {
  const std::string path = "spatial_aug";
  CheckList(spatial.rotation().angle(), path + ".rotation.angle", kFinite, check);
  check->Choice(spatial.rotation(), path + ".rotation", "units", {"degrees", "radians"});
  const auto& shear = spatial.shear();
  constexpr Range kRatio{.least = -100, .most = 100};
  CheckList(shear.shear_ratio_x(), path + ".shear.shear_ratio_x", kRatio, check);
  CheckList(shear.shear_ratio_y(), path + ".shear.shear_ratio_y", kRatio, check);
  // x' = x + a y, y' = y + b x folds the picture onto a line when a b = 1.
  for (const float x : shear.shear_ratio_x()) {
    for (const float y : shear.shear_ratio_y()) {
      if (std::abs(static_cast<double>(x) * static_cast<double>(y) - 1) > 1e-6) continue;
      check->Add(path + ".shear", "has the ratios %g and %g, whose product is 1, which leaves no picture",
                 x, y);
    }
  }
  CheckList(spatial.translation().translate_x(), path + ".translation.translate_x", kFinite, check);
  CheckList(spatial.translation().translate_y(), path + ".translation.translate_y", kFinite, check);
}

void CheckColor(const ColorAug& color, FieldCheck* check) {
  const std::string path = "color_aug";
  CheckList(color.hue().hue_rotation_angle(), path + ".hue.hue_rotation_angle", kFinite, check);
  CheckList(color.saturation().saturation_shift(), path + ".saturation.saturation_shift",
            {.least = 0, .most = 1e6}, check);
  CheckList(color.contrast().contrast(), path + ".contrast.contrast", {.least = -1, .most = 1e6}, check);
  CheckList(color.contrast().center(), path + ".contrast.center", {.least = 0, .most = 255}, check);
  CheckList(color.brightness().offset(), path + ".brightness.offset", {.least = -255, .most = 255},
            check);
}

void CheckBlur(const BlurAug& blur, FieldCheck* check) {
  CheckList(blur.size(), "blur_aug.size", {.least = 0, .most = 255}, check);
  for (const uint32_t size : blur.size()) {
    if (size % 2 == 1 || (size == 0 && blur.size_size() != 2)) continue;
    check->Add("blur_aug.size", "holds %d; expected odd numbers%s", size,
               blur.size_size() == 2 ? ", of which all between the two may come" : ", or 0 for no blur");
  }
  CheckList(blur.std(), "blur_aug.std", {.least = 0, .most = 1e6, .open_least = true}, check);
}

}  // namespace

void CheckDataServices(const DataServicesConfig& config, FieldCheck* check) {
  if (!config.has_data()) check->Missing("data", "image_dir and ann_path in it");
  if (config.has_data()) CheckData(config.data(), check);
  CheckSpatial(config.spatial_aug(), check);
  CheckColor(config.color_aug(), check);
  CheckBlur(config.blur_aug(), check);
  check->NotOfferedIn(config, kRules);
}

void ApplyDataServicesDefaults(DataServicesConfig* config) {
  TY_DEFAULT(config, random_seed, 42);
  Data* data = config->mutable_data();
  if (data->dataset_type().empty()) data->set_dataset_type("coco");
  auto* rotation = config->mutable_spatial_aug()->mutable_rotation();
  if (rotation->units().empty()) rotation->set_units("degrees");
  auto* flip = config->mutable_spatial_aug()->mutable_flip();
  TY_DEFAULT(flip, flip_horizontal, false);
  TY_DEFAULT(flip, flip_vertical, false);
}

absl::Span<const CoverageRule> DataServicesCoverage() { return kRules; }

}  // namespace trainyard::spec::internal
