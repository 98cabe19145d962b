#pragma once

#include <string>
#include <vector>

#include "libs/model/model.h"

namespace trainyard {

/// NetworkFamily::OverriddenFields of SSD.
std::vector<std::string> SsdOverriddenFields(const ModelRecord& spec, const ModelRecord& model,
                                             bool trains);

}  // namespace trainyard
