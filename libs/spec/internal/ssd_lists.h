#pragma once

#include "libs/spec/internal/field_check.h"
#include "libs/spec/ssd_spec.h"

namespace trainyard::internal {

/// ListsOf, with the problems added to `check`; what could not be read stays zero.
SsdLists ReadSsdLists(const spec::ssd::v1::SSDConfig& config, FieldCheck* check);

}  // namespace trainyard::internal
