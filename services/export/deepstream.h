#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "trainyard/model/v1/model_record.pb.h"

namespace trainyard {

/// kAlreadyExists, with all of them, when files of `folder` have the names of those below and are
/// none that WriteDeepStreamFiles wrote.
absl::Status CheckDeepStreamFolder(const std::string& folder);

/// Writes `nvinfer_config.txt` and `labels.txt` into `folder` (TAO `--gen_ds_config`; reference ssd
/// 7.3): preprocessing keys for DeepStream, and background plus the classes, one a line.
/// `model_name` is the file that the config names. The key is a placeholder (decisions.md A26).
absl::Status WriteDeepStreamFiles(const std::string& folder, const model::v1::ModelRecord& record,
                                  absl::string_view model_name);

}  // namespace trainyard
