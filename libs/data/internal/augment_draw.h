#pragma once

#include <cstdint>

#include "trainyard/spec/augment/v1/augment_config.pb.h"
#include "trainyard/spec/augment/v1/data_services_config.pb.h"

namespace trainyard::data::internal {

/// What a spec of data services, checked and with its defaults, comes to for the image at `index` of
/// its set: the spec in text form that does so, with its defaults. Lists are drawn from, each by a
/// stream of random_seed, `index` and the field alone, so that no value depends on which other lists
/// there are. Two whole numbers give any of those between them, ends included; two sizes of a kernel
/// any odd one. Pure.
///
/// Source: TAO's data services, `augmentation generate`.
spec::augment::v1::AugmentConfig DrawAugmentation(
    const spec::augment::v1::DataServicesConfig& config, uint64_t index);

}  // namespace trainyard::data::internal
