#include "libs/spec/coverage.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "libs/spec/internal/field_names.h"

namespace trainyard {
namespace {

using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::Message;
using ::google::protobuf::Reflection;

// When a field counts as used.
enum class Use { kWhenSet, kWhenNotNeutral };

struct Rule {
  // Full name without "trainyard.spec.": a field, or a message for all of its fields.
  absl::string_view name;
  FieldSupport support;
  Use use;
  absl::string_view reason;
};

constexpr absl::string_view kSsdIgnores = "SSD ignores it, in TAO too";
constexpr absl::string_view kRecordsHoldNumbers =
    "it goes by class names, and SSD's records hold class numbers, in TAO too";

// Everything that is not named here is supported.
constexpr Rule kRules[] = {
    {"ssd.v1.Experiment.dssd_config", FieldSupport::kUnimplemented, Use::kWhenSet, "DSSD"},
    {"ssd.v1.SSDConfig.mean_color", FieldSupport::kNoEffect, Use::kWhenSet, "TAO never reads it"},
    {"ssd.v1.SSDConfig.pred_num_channels", FieldSupport::kUnimplemented, Use::kWhenNotNeutral,
     "the prediction module"},
    {"common.v1.TrainingConfig.enable_qat", FieldSupport::kUnimplemented, Use::kWhenNotNeutral,
     "quantization-aware training"},
    {"common.v1.TrainingConfig.optimizer", FieldSupport::kNoEffect, Use::kWhenSet,
     "SSD trains with SGD and momentum 0.9, in TAO too"},
    {"common.v1.TrainingConfig.cost_scaling", FieldSupport::kNoEffect, Use::kWhenSet, kSsdIgnores},
    {"common.v1.TrainingConfig.use_multiprocessing", FieldSupport::kNoEffect, Use::kWhenNotNeutral,
     "loader workers are threads; n_workers says how many"},
    {"common.v1.TrainingConfig.model_ema", FieldSupport::kNoEffect, Use::kWhenNotNeutral,
     kSsdIgnores},
    {"common.v1.LearningRateConfig.soft_start_cosine_annealing_schedule",
     FieldSupport::kUnimplemented, Use::kWhenSet,
     "use soft_start_annealing_schedule, the only one that TAO accepts for SSD"},
    {"common.v1.VisualizerConfig.weight_histograms", FieldSupport::kNoEffect, Use::kWhenNotNeutral,
     kSsdIgnores},
    {"common.v1.VisualizerConfig.wandb_config", FieldSupport::kNoEffect, Use::kWhenSet,
     "Weights & Biases is not offered, the training goes on without it"},
    {"common.v1.VisualizerConfig.clearml_config", FieldSupport::kNoEffect, Use::kWhenSet,
     "ClearML is not offered, the training goes on without it"},
    {"common.v1.NMSConfig.force_on_cpu", FieldSupport::kNoEffect, Use::kWhenNotNeutral,
     kSsdIgnores},
    {"common.v1.NMSConfig.infer_nms_score_bits", FieldSupport::kNoEffect, Use::kWhenNotNeutral,
     "boxes are suppressed in full precision; the number goes into the model's record alone"},
    {"common.v1.DatasetConfig.type", FieldSupport::kNoEffect, Use::kWhenSet, kSsdIgnores},
    {"common.v1.DataSource.root_path", FieldSupport::kNoEffect, Use::kWhenSet, kSsdIgnores},
    {"common.v1.SoftStartCosineAnnealingScheduleConfig", FieldSupport::kUnimplemented,
     Use::kWhenSet, ""},
    {"common.v1.OptimizerConfig", FieldSupport::kNoEffect, Use::kWhenSet, ""},
    {"common.v1.AdamOptimizerConfig", FieldSupport::kNoEffect, Use::kWhenSet, ""},
    {"common.v1.SGDOptimizerConfig", FieldSupport::kNoEffect, Use::kWhenSet, ""},
    {"common.v1.RMSpropOptimizerConfig", FieldSupport::kNoEffect, Use::kWhenSet, ""},
    {"common.v1.CostScalingConfig", FieldSupport::kNoEffect, Use::kWhenSet, ""},
    {"common.v1.WandBConfig", FieldSupport::kNoEffect, Use::kWhenSet, ""},
    {"common.v1.ClearMLConfig", FieldSupport::kNoEffect, Use::kWhenSet, ""},
    {"dataset.v1.DatasetExportConfig.coco_config", FieldSupport::kUnimplemented, Use::kWhenSet,
     "COCO conversion"},
    {"dataset.v1.COCOConfig", FieldSupport::kUnimplemented, Use::kWhenSet, ""},
    {"dataset.v1.KITTIConfig.point_clouds_dir", FieldSupport::kNoEffect, Use::kWhenSet,
     kSsdIgnores},
    {"dataset.v1.KITTIConfig.calibrations_dir", FieldSupport::kNoEffect, Use::kWhenSet,
     kSsdIgnores},
    {"dataset.v1.KITTIConfig.kitti_sequence_to_frames_file", FieldSupport::kNoEffect,
     Use::kWhenNotNeutral, "only conversion by sequences reads it"},
    {"dataset.v1.SampleModifierConfig.filter_samples_containing_only", FieldSupport::kNoEffect,
     Use::kWhenSet, kRecordsHoldNumbers},
    {"dataset.v1.SampleModifierConfig.dominant_target_classes", FieldSupport::kNoEffect,
     Use::kWhenSet, kRecordsHoldNumbers},
    {"dataset.v1.SampleModifierConfig.minimum_target_class_imbalance", FieldSupport::kNoEffect,
     Use::kWhenSet, kRecordsHoldNumbers},
    {"dataset.v1.SampleModifierConfig.num_duplicates", FieldSupport::kNoEffect, Use::kWhenSet,
     kRecordsHoldNumbers},
    {"dataset.v1.SampleModifierConfig.source_to_target_class_mapping", FieldSupport::kNoEffect,
     Use::kWhenSet, kRecordsHoldNumbers},
};

const Rule* FindRule(const FieldDescriptor* field) {
  absl::string_view name = field->full_name();
  absl::ConsumePrefix(&name, "trainyard.spec.");
  const absl::string_view message = name.substr(0, name.rfind('.'));
  for (const Rule& rule : kRules) {
    if (rule.name == name || rule.name == message) return &rule;
  }
  return nullptr;
}

bool IsNeutral(const Message& message, const FieldDescriptor* field) {
  const Reflection* reflection = message.GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return !reflection->GetBool(message, field);
    case FieldDescriptor::CPPTYPE_UINT32:
      return reflection->GetUInt32(message, field) == 0;
    case FieldDescriptor::CPPTYPE_STRING:
      return reflection->GetString(message, field).empty();
    default:
      return false;
  }
}

void Find(const Message& message, const std::string& prefix, std::vector<UnsupportedField>* found) {
  const Reflection* reflection = message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    const std::string path = internal::JoinField(prefix, field->name());
    const Rule* rule = FindRule(field);
    if (rule != nullptr) {
      if (rule->use == Use::kWhenNotNeutral && IsNeutral(message, field)) continue;
      const bool no_effect = rule->support == FieldSupport::kNoEffect;
      found->push_back(
          {path, rule->support,
           absl::StrCat(no_effect ? "has no effect: " : "is not offered yet: ", rule->reason)});
    } else if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE || field->is_map()) {
      continue;
    } else if (!field->is_repeated()) {
      Find(reflection->GetMessage(message, field), path, found);
    } else {
      for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
        Find(reflection->GetRepeatedMessage(message, field, i), internal::IndexedPath(path, i),
             found);
      }
    }
  }
}

}  // namespace

FieldSupport SupportOf(const FieldDescriptor* field) {
  const Rule* rule = FindRule(field);
  return rule == nullptr ? FieldSupport::kSupported : rule->support;
}

absl::string_view NameOf(FieldSupport support) {
  switch (support) {
    case FieldSupport::kSupported:
      return "supported";
    case FieldSupport::kNoEffect:
      return "warned";
    case FieldSupport::kUnimplemented:
      return "UNIMPLEMENTED";
  }
  return "";
}

std::vector<UnsupportedField> FindUnsupported(const Message& message) {
  std::vector<UnsupportedField> found;
  Find(message, "", &found);
  return found;
}

void WarnOfNoEffect(const Message& message, const FieldPlaces& places,
                    std::vector<std::string>* warnings) {
  if (warnings == nullptr) return;
  for (const UnsupportedField& field : FindUnsupported(message)) {
    if (field.support != FieldSupport::kNoEffect) continue;
    auto place = places.find(field.path);
    if (place == places.end()) place = places.find(field.path + "[0]");
    warnings->push_back(absl::StrCat(place == places.end() ? "" : place->second + ": ", field.path,
                                     " ", field.description));
  }
}

}  // namespace trainyard
