#pragma once

#include "absl/types/span.h"
#include "libs/spec/coverage.h"
#include "libs/spec/field_check.h"
#include "trainyard/spec/augment/v1/data_services_config.pb.h"

namespace trainyard::spec::internal {

/// The parts of CheckAugment, ApplyDefaults and AugmentCoverage for specs of TAO's data services.
void CheckDataServices(const spec::augment::v1::DataServicesConfig& config, FieldCheck* check);
void ApplyDataServicesDefaults(spec::augment::v1::DataServicesConfig* config);
absl::Span<const CoverageRule> DataServicesCoverage();

}  // namespace trainyard::spec::internal
