#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "libs/data/kitti.h"
#include "libs/data/offline_augment.h"
#include "libs/tensor/tensor.h"
#include "trainyard/spec/augment/v1/augment_config.pb.h"

namespace trainyard::data::internal {

/// AugmentSample for a spec in text form that is checked and has its defaults, and a u8 picture
/// [h, w, 3].
absl::StatusOr<AugmentedSample> AugmentPicture(const spec::augment::v1::AugmentConfig& config,
                                               const Tensor& image,
                                               const std::vector<KittiObject>& objects);

}  // namespace trainyard::data::internal
