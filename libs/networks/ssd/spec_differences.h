#pragma once

#include <string>
#include <vector>

#include "libs/model/model.h"
#include "libs/networks/family.h"

namespace trainyard::networks {

inline constexpr absl::string_view kSsdNotOfTheWeights[] = {
    "num_epochs",          "checkpoint_interval", "validation_period_during_training",
    "visualizer",          "n_workers",           "max_queue_size",
    "use_multiprocessing", "resume_model_path"};

/// NetworkFamily::fields of SSD.
inline constexpr SpecFields kSsdSpecFields = {
    .arch = "ssd_config.arch with nlayers",
    .input = "augmentation_config.output_width x output_height x output_channel",
    .epochs = "num_epochs",
    .calmer = "lower max_learning_rate or lengthen soft_start",
    .no_validation = "neither validation_data_sources nor validation_fold",
    .not_of_the_weights = kSsdNotOfTheWeights};

/// NetworkFamily::OverriddenFields of SSD.
std::vector<std::string> SsdOverriddenFields(const ModelRecord& spec, const ModelRecord& model,
                                             bool trains);

}  // namespace trainyard::networks
