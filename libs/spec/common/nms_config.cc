#include "libs/spec/common/nms_config.h"

#include "libs/spec/defaults.h"

namespace trainyard::spec::internal {

using spec::common::v1::NMSConfig;

void CheckNmsConfig(const NMSConfig& config, FieldCheck* check) {
  check->Number(config, "nms_config", "confidence_threshold", kOpenUnit, Presence::kRequired);
  check->Number(config, "nms_config", "clustering_iou_threshold", kOpenUnit, Presence::kRequired);
  check->Number(config, "nms_config", "top_k", kCount, Presence::kRequired);
}

void ApplyNmsDefaults(NMSConfig* config) { TY_DEFAULT(config, infer_nms_score_bits, 0); }

}  // namespace trainyard::spec::internal
