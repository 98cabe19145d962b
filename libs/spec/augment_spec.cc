#include "libs/spec/augment_spec.h"

#include <cmath>

#include "absl/strings/match.h"
#include "libs/spec/data_services_spec.h"
#include "libs/spec/defaults.h"
#include "libs/spec/field_check.h"
#include "libs/spec/spec_form.h"
#include "libs/spec/yaml_text.h"

namespace trainyard::spec {
namespace {

using internal::FieldCheck;
using internal::Range;
using spec::augment::v1::AugmentConfig;
using spec::augment::v1::BlurConfig;
using spec::augment::v1::ColorConfig;
using spec::augment::v1::SpatialConfig;

// Any finite number; the bounds only say "a number" in a message.
constexpr Range kFinite{.least = -1e6, .most = 1e6};

void CheckOutput(const AugmentConfig& config, FieldCheck* check) {
  constexpr Range kSide{.least = 1, .most = 16384};
  check->Number(config, "", "output_image_width", kSide);
  check->Number(config, "", "output_image_height", kSide);
  const uint32_t channels = config.output_image_channel();
  if (config.has_output_image_channel() && channels != 1 && channels != 3) {
    check->Add("output_image_channel", "is %d; expected 1 or 3", channels);
  }
  check->Choice(config, "", "image_extension", {".png", ".jpg", ".jpeg"});
  if (config.has_output_image_width() != config.has_output_image_height()) {
    const bool width = config.has_output_image_width();
    check->Missing(width ? "output_image_height" : "output_image_width",
                   width ? "both or none; output_image_width is given"
                         : "both or none; output_image_height is given");
  }
}

void CheckFolders(const AugmentConfig& config, FieldCheck* check) {
  if (!config.has_dataset_config()) {
    return check->Missing("dataset_config", "{ image_path: ... label_path: ... }");
  }
  const auto& dataset = config.dataset_config();
  check->Text(dataset, "dataset_config", "image_path", "the folder of images below the root");
  check->Text(dataset, "dataset_config", "label_path", "the folder of labels below the root");
  check->RelativePath(dataset, "dataset_config", "image_path");
  check->RelativePath(dataset, "dataset_config", "label_path");
}

void CheckSpatial(const SpatialConfig& config, FieldCheck* check) {
  const std::string path = "spatial_config";
  check->Number(config.rotation_config(), path + ".rotation_config", "angle", kFinite);
  check->Choice(config.rotation_config(), path + ".rotation_config", "units",
                {"degrees", "radians"});
  for (const char* name : {"shear_ratio_x", "shear_ratio_y"}) {
    check->Number(config.shear_config(), path + ".shear_config", name,
                  {.least = -100, .most = 100});
  }
  // x' = x + a y, y' = y + b x folds the picture onto a line when a b = 1.
  const double folding = static_cast<double>(config.shear_config().shear_ratio_x()) *
                         static_cast<double>(config.shear_config().shear_ratio_y());
  if (std::abs(folding - 1) < 1e-6) {
    check->Add(path + ".shear_config", "has ratios whose product is 1, which leaves no picture");
  }
  for (const char* name : {"translate_x", "translate_y"}) {
    check->Number(config.translation_config(), path + ".translation_config", name, kFinite);
  }
}

void CheckColor(const ColorConfig& config, FieldCheck* check) {
  const std::string path = "color_config";
  const auto& hue = config.hue_saturation_config();
  check->Number(hue, path + ".hue_saturation_config", "hue_rotation_angle", kFinite);
  check->Number(hue, path + ".hue_saturation_config", "saturation_shift",
                {.least = 0, .most = 1e6});
  const auto& contrast = config.contrast_config();
  check->Number(contrast, path + ".contrast_config", "contrast", {.least = -1, .most = 1e6});
  check->Number(contrast, path + ".contrast_config", "center", {.least = 0, .most = 255});
  check->Number(config.brightness_config(), path + ".brightness_config", "offset",
                {.least = -255, .most = 255});
}

void CheckBlur(const BlurConfig& config, FieldCheck* check) {
  check->Number(config, "blur_config", "size", {.least = 0, .most = 255});
  if (config.size() != 0 && config.size() % 2 == 0) {
    check->Add("blur_config.size", "is %d; expected an odd number, or 0 for no blur",
               config.size());
  }
  if (config.size() != 0) check->Number(config, "blur_config", "std", internal::kPositive);
}

void CheckInto(const AugmentConfig& config, FieldCheck* check) {
  if (config.has_data_services()) {
    AugmentConfig others = config;
    others.clear_data_services();
    if (others.ByteSizeLong() > 0) {
      check->Add("data_services", "stands beside fields of the other form; expected it alone");
    }
    return internal::CheckDataServices(config.data_services(), check);
  }
  CheckOutput(config, check);
  CheckFolders(config, check);
  CheckSpatial(config.spatial_config(), check);
  CheckColor(config.color_config(), check);
  CheckBlur(config.blur_config(), check);
}

void Warn(const AugmentConfig& config, const FieldPlaces& places,
          std::vector<std::string>* warnings) {
  WarnOfNoEffect(config.data_services(), AugmentCoverage(), places, warnings);
}

internal::SpecForm<AugmentConfig> Form(absl::Span<const NetworkMarker> networks) {
  return {{SpecKind::kAugment, "", networks}, Warn, ApplyDefaults};
}

// Whether the text is the form of TAO's data services.
bool IsDataServices(absl::string_view text, absl::Span<const NetworkMarker> networks) {
  const RecognisedSpec seen = RecogniseSpec(text, networks);
  const bool has_field = absl::EndsWith(seen.field, "_aug") || seen.field == "data.ann_path";
  return has_field || (seen.field.empty() && IsYaml(text));
}

// A text in YAML, its overrides applied. Paths are those of the YAML.
AugmentConfig ReadYaml(absl::string_view text, absl::string_view file_name,
                       absl::Span<const std::string> overrides, std::vector<std::string>* warnings,
                       FieldPlaces* places, Problems* problems) {
  AugmentConfig config;
  auto* data_services = config.mutable_data_services();
  internal::ParseYamlInto(text, file_name, data_services, places, problems);
  internal::ApplyOverridesInto(overrides, data_services, places, problems);
  Warn(config, *places, warnings);
  return config;
}

}  // namespace

absl::Span<const CoverageRule> AugmentCoverage() { return internal::DataServicesCoverage(); }

absl::StatusOr<AugmentConfig> ParseAugment(absl::string_view text, absl::string_view file_name,
                                           absl::Span<const std::string> overrides,
                                           std::vector<std::string>* warnings,
                                           FieldPlaces* places) {
  if (!IsDataServices(text, {})) return Form({}).Parse(text, file_name, overrides, warnings, places);
  TY_RETURN_IF_ERROR(ExpectSpecKind(text, file_name, {SpecKind::kAugment, "", {}}));
  FieldPlaces own_places;
  Problems problems;
  AugmentConfig config = ReadYaml(text, file_name, overrides, warnings,
                                  places == nullptr ? &own_places : places, &problems);
  TY_RETURN_IF_ERROR(problems.ToStatus());
  return config;
}

absl::Status CheckAugment(const AugmentConfig& config, const FieldPlaces* places) {
  FieldCheck check(places, /*partial=*/false);
  CheckInto(config, &check);
  return check.ToStatus();
}

void ApplyDefaults(AugmentConfig* config) {
  if (config->has_data_services()) {
    return internal::ApplyDataServicesDefaults(config->mutable_data_services());
  }
  TY_DEFAULT(config, output_image_channel, 3);
  auto* rotation = config->mutable_spatial_config()->mutable_rotation_config();
  TY_DEFAULT(rotation, angle, 0.0f);
  if (rotation->units().empty()) rotation->set_units("degrees");
  auto* flip = config->mutable_spatial_config()->mutable_flip_config();
  TY_DEFAULT(flip, flip_horizontal, false);
  TY_DEFAULT(flip, flip_vertical, false);
  auto* shear = config->mutable_spatial_config()->mutable_shear_config();
  TY_DEFAULT(shear, shear_ratio_x, 0.0f);
  TY_DEFAULT(shear, shear_ratio_y, 0.0f);
  auto* translation = config->mutable_spatial_config()->mutable_translation_config();
  TY_DEFAULT(translation, translate_x, 0.0f);
  TY_DEFAULT(translation, translate_y, 0.0f);
  auto* hue = config->mutable_color_config()->mutable_hue_saturation_config();
  TY_DEFAULT(hue, hue_rotation_angle, 0.0f);
  TY_DEFAULT(hue, saturation_shift, 1.0f);
  auto* contrast = config->mutable_color_config()->mutable_contrast_config();
  TY_DEFAULT(contrast, contrast, 0.0f);
  TY_DEFAULT(contrast, center, 127.5f);
  TY_DEFAULT(config->mutable_color_config()->mutable_brightness_config(), offset, 0.0f);
  TY_DEFAULT(config->mutable_blur_config(), size, 0);
  TY_DEFAULT(config->mutable_blur_config(), std, 0.1f);
}

absl::StatusOr<AugmentConfig> LoadAugment(absl::string_view text, absl::string_view file_name,
                                          absl::Span<const std::string> overrides,
                                          std::vector<std::string>* warnings,
                                          absl::Span<const NetworkMarker> networks) {
  if (!IsDataServices(text, networks)) {
    return Form(networks).Load(text, file_name, overrides, warnings, CheckInto);
  }
  TY_RETURN_IF_ERROR(ExpectSpecKind(text, file_name, {SpecKind::kAugment, "", networks}));
  FieldPlaces places;
  Problems problems;
  AugmentConfig config = ReadYaml(text, file_name, overrides, warnings, &places, &problems);
  FieldCheck check(&places, /*partial=*/!problems.empty());
  CheckInto(config, &check);
  TY_RETURN_IF_ERROR(check.ToStatus(problems));
  ApplyDefaults(&config);
  return config;
}

}  // namespace trainyard::spec
