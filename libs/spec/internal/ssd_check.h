#pragma once

#include "libs/spec/internal/field_check.h"
#include "libs/spec/ssd_spec.h"

namespace trainyard::internal {

/// CheckExperiment, with the problems added to `check`.
void CheckExperimentInto(const spec::ssd::v1::Experiment& experiment, SpecUse use,
                         FieldCheck* check);

}  // namespace trainyard::internal
