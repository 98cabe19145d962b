#pragma once

#include <string>
#include <vector>

#include "libs/spec/field_check.h"
#include "libs/spec/spec_use.h"
#include "libs/spec/text_format.h"
#include "trainyard/spec/common/v1/dataset.pb.h"

// What every detector of TAO says of its data in the same message, judged once.
namespace trainyard::spec::internal {

/// Checks a dataset_config that is there: the mapping of classes, sources of one kind each, the
/// validation fold. Source: TAO's validators.
void CheckDatasetConfig(const spec::common::v1::DatasetConfig& config, SpecUse use,
                        FieldCheck* check);

/// include_difficult_in_training is true unless it is said.
void ApplyDatasetDefaults(spec::common::v1::DatasetConfig* config);

/// A line in `warnings` (may be null) for each source with tfrecords_path and folders: TAO does not
/// read the folders then, and does not say so.
void WarnOfUnusedFolders(const spec::common::v1::DatasetConfig& config, const FieldPlaces& places,
                         std::vector<std::string>* warnings);

}  // namespace trainyard::spec::internal
