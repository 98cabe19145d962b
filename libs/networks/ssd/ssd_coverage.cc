#include "libs/networks/ssd/ssd_spec.h"
#include "libs/spec/coverage.h"

namespace trainyard::networks {

using spec::FieldSupport;
using spec::FieldUse;
namespace {

constexpr absl::string_view kSsdIgnores = "SSD ignores it, in TAO too";

constexpr spec::CoverageRule kRules[] = {
    {"ssd.v1.Experiment.dssd_config", FieldSupport::kUnimplemented, FieldUse::kWhenSet, "DSSD"},
    {"ssd.v1.SSDConfig.mean_color", FieldSupport::kNoEffect, FieldUse::kWhenSet,
     "TAO never reads it"},
    {"ssd.v1.SSDConfig.pred_num_channels", FieldSupport::kUnimplemented, FieldUse::kWhenNotNeutral,
     "the prediction module"},
    {"common.v1.TrainingConfig.enable_qat", FieldSupport::kUnimplemented, FieldUse::kWhenNotNeutral,
     "quantization-aware training"},
    {"common.v1.TrainingConfig.optimizer", FieldSupport::kNoEffect, FieldUse::kWhenSet,
     "SSD trains with SGD and momentum 0.9, in TAO too"},
    {"common.v1.TrainingConfig.cost_scaling", FieldSupport::kNoEffect, FieldUse::kWhenSet,
     kSsdIgnores},
    {"common.v1.TrainingConfig.use_multiprocessing", FieldSupport::kNoEffect,
     FieldUse::kWhenNotNeutral,
     "loader workers are threads; n_workers says how many"},
    {"common.v1.TrainingConfig.model_ema", FieldSupport::kNoEffect, FieldUse::kWhenNotNeutral,
     kSsdIgnores},
    {"common.v1.LearningRateConfig.soft_start_cosine_annealing_schedule",
     FieldSupport::kUnimplemented, FieldUse::kWhenSet,
     "use soft_start_annealing_schedule, the only one that TAO accepts for SSD"},
    {"common.v1.VisualizerConfig.weight_histograms", FieldSupport::kNoEffect,
     FieldUse::kWhenNotNeutral,
     kSsdIgnores},
    {"common.v1.VisualizerConfig.wandb_config", FieldSupport::kNoEffect, FieldUse::kWhenSet,
     "Weights & Biases is not offered, the training goes on without it"},
    {"common.v1.VisualizerConfig.clearml_config", FieldSupport::kNoEffect, FieldUse::kWhenSet,
     "ClearML is not offered, the training goes on without it"},
    {"common.v1.NMSConfig.force_on_cpu", FieldSupport::kNoEffect, FieldUse::kWhenNotNeutral,
     kSsdIgnores},
    {"common.v1.NMSConfig.infer_nms_score_bits", FieldSupport::kNoEffect, FieldUse::kWhenNotNeutral,
     "boxes are suppressed in full precision; the number goes into the model's record alone"},
    {"common.v1.DatasetConfig.type", FieldSupport::kNoEffect, FieldUse::kWhenSet, kSsdIgnores},
    {"common.v1.DataSource.root_path", FieldSupport::kNoEffect, FieldUse::kWhenSet, kSsdIgnores},
    {"common.v1.SoftStartCosineAnnealingScheduleConfig", FieldSupport::kUnimplemented,
     FieldUse::kWhenSet, ""},
    {"common.v1.OptimizerConfig", FieldSupport::kNoEffect, FieldUse::kWhenSet, ""},
    {"common.v1.AdamOptimizerConfig", FieldSupport::kNoEffect, FieldUse::kWhenSet, ""},
    {"common.v1.SGDOptimizerConfig", FieldSupport::kNoEffect, FieldUse::kWhenSet, ""},
    {"common.v1.RMSpropOptimizerConfig", FieldSupport::kNoEffect, FieldUse::kWhenSet, ""},
    {"common.v1.CostScalingConfig", FieldSupport::kNoEffect, FieldUse::kWhenSet, ""},
    {"common.v1.WandBConfig", FieldSupport::kNoEffect, FieldUse::kWhenSet, ""},
    {"common.v1.ClearMLConfig", FieldSupport::kNoEffect, FieldUse::kWhenSet, ""},
};

}  // namespace

absl::Span<const spec::CoverageRule> SsdCoverage() { return kRules; }

}  // namespace trainyard::networks
