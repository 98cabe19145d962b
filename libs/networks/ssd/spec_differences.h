#pragma once

#include <string>
#include <vector>

#include "libs/model/model.h"
#include "libs/networks/family.h"

namespace trainyard {

/// NetworkFamily::fields of SSD.
inline constexpr SpecFields kSsdSpecFields = {
    .arch = "ssd_config.arch with nlayers",
    .input = "augmentation_config.output_width x output_height x output_channel"};

/// NetworkFamily::OverriddenFields of SSD.
std::vector<std::string> SsdOverriddenFields(const ModelRecord& spec, const ModelRecord& model,
                                             bool trains);

}  // namespace trainyard
