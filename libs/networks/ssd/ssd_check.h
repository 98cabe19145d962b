#pragma once

#include "libs/networks/ssd/ssd_spec.h"
#include "libs/spec/field_check.h"

namespace trainyard::internal {

/// CheckExperiment, with the problems added to `check`.
void CheckExperimentInto(const spec::ssd::v1::Experiment& experiment, SpecUse use,
                         FieldCheck* check);

}  // namespace trainyard::internal
