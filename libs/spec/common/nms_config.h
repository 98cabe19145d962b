#pragma once

#include "libs/spec/field_check.h"
#include "trainyard/spec/common/v1/nms.pb.h"

// What every detector of TAO says of its suppression in the same message, judged once.
namespace trainyard::spec::internal {

/// Checks an nms_config that is there. Source: TAO's validators.
void CheckNmsConfig(const spec::common::v1::NMSConfig& config, FieldCheck* check);

void ApplyNmsDefaults(spec::common::v1::NMSConfig* config);

}  // namespace trainyard::spec::internal
