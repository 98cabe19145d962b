#pragma once

#include "libs/networks/ssd/ssd_spec.h"
#include "libs/spec/field_check.h"

namespace trainyard::networks::internal {

/// ListsOf, with the problems added to `check`; what could not be read stays zero.
SsdLists ReadSsdLists(const spec::ssd::v1::SSDConfig& config, spec::internal::FieldCheck* check);

}  // namespace trainyard::networks::internal
