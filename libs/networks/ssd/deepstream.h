#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "trainyard/model/v1/model_record.pb.h"

namespace trainyard {

/// Whether a file of this name is a plain ONNX file: the ending decides, in any case.
bool IsOnnxName(absl::string_view path);

/// kAlreadyExists, with all of them, when files of `folder` have the names of those below and are
/// none that WriteDeepStreamFiles wrote.
absl::Status CheckDeepStreamFolder(const std::string& folder);

/// Writes `nvinfer_config.txt` and `labels.txt` into `folder` (TAO `--gen_ds_config`): preprocessing
/// keys for DeepStream, and background plus the classes, one a line. `onnx` is the plain ONNX file
/// that the config names by its path from the folder; "" = none, and a comment says what is missing.
/// The key is a placeholder: DeepStream opens no sealed file of ours, so it needs none.
absl::Status WriteDeepStreamFiles(const std::string& folder, const model::v1::ModelRecord& record,
                                  const std::string& onnx);

}  // namespace trainyard
