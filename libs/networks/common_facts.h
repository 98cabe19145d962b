#pragma once

#include "libs/networks/prepare_spec.h"
#include "libs/spec/spec_use.h"
#include "trainyard/spec/common/v1/dataset.pb.h"
#include "trainyard/spec/common/v1/training.pb.h"

namespace trainyard::networks {

/// NetworkFamily::Facts of a spec with TAO's common `training_config` and `dataset_config`, but for
/// freezes_blocks.
SpecFacts CommonFacts(const spec::common::v1::TrainingConfig& training,
                      const spec::common::v1::DatasetConfig& data, spec::SpecUse use);

}  // namespace trainyard::networks
