#pragma once

#include <string>
#include <vector>

#include "libs/networks/ssd/ssd_spec.h"
#include "libs/spec/field_check.h"

namespace trainyard::networks::internal {

/// CheckExperiment, with the problems added to `check`.
void CheckExperimentInto(const spec::ssd::v1::Experiment& experiment, spec::SpecUse use,
                         spec::internal::FieldCheck* check);

/// Appends a line to `warnings` (may be null) when nlayers is set for a backbone that has one depth.
void WarnOfUnusedDepth(const spec::ssd::v1::SSDConfig& config, const spec::FieldPlaces& places,
                       std::vector<std::string>* warnings);

}  // namespace trainyard::networks::internal
