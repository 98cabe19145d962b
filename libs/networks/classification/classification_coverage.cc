#include "libs/networks/classification/classification_spec.h"
#include "libs/spec/coverage.h"

namespace trainyard::networks {

using spec::FieldSupport;
using spec::FieldUse;
namespace {

constexpr absl::string_view kRateElsewhere = "lr_config gives the learning rate, in TAO too";

constexpr spec::CoverageRule kRules[] = {
    {"classification.v1.EvalConfig.n_workers", FieldSupport::kNoEffect, FieldUse::kWhenNotNeutral,
     "an evaluation has the threads of its service"},
    {"classification.v1.ModelConfig.dropout", FieldSupport::kNoEffect, FieldUse::kWhenNotNeutral,
     "TAO drops in the retained heads of vgg and squeezenet alone"},
    {"classification.v1.ModelConfig.byom_model", FieldSupport::kUnimplemented,
     FieldUse::kWhenNotNeutral, "a model of the user's own"},
    {"classification.v1.Activation.activation_parameters", FieldSupport::kUnimplemented,
     FieldUse::kWhenSet, "leave it out; leaky_relu has the slope 0.1"},
    {"classification.v1.TrainConfig.mixup_alpha", FieldSupport::kUnimplemented,
     FieldUse::kWhenNotNeutral, "mixing pictures; 0 is without"},
    {"classification.v1.TrainConfig.model_parallelism", FieldSupport::kNoEffect, FieldUse::kWhenSet,
     "a training has one device"},
    {"classification.v1.SgdOptimizerConfig.lr", FieldSupport::kNoEffect, FieldUse::kWhenSet,
     kRateElsewhere},
    {"classification.v1.AdamOptimizerConfig.lr", FieldSupport::kNoEffect, FieldUse::kWhenSet,
     kRateElsewhere},
    {"classification.v1.RmspropOptimizerConfig.lr", FieldSupport::kNoEffect, FieldUse::kWhenSet,
     kRateElsewhere},
    {"common.v1.VisualizerConfig.weight_histograms", FieldSupport::kNoEffect,
     FieldUse::kWhenNotNeutral, "only scalars and pictures are written"},
    {"common.v1.VisualizerConfig.wandb_config", FieldSupport::kNoEffect, FieldUse::kWhenSet,
     "Weights & Biases is not offered, the training goes on without it"},
    {"common.v1.VisualizerConfig.clearml_config", FieldSupport::kNoEffect, FieldUse::kWhenSet,
     "ClearML is not offered, the training goes on without it"},
    {"common.v1.WandBConfig", FieldSupport::kNoEffect, FieldUse::kWhenSet, ""},
    {"common.v1.ClearMLConfig", FieldSupport::kNoEffect, FieldUse::kWhenSet, ""},
};

}  // namespace

absl::Span<const spec::CoverageRule> ClassificationCoverage() { return kRules; }

}  // namespace trainyard::networks
