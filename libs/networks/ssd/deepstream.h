#pragma once

#include <map>
#include <string>

#include "absl/status/status.h"
#include "trainyard/model/v1/model_record.pb.h"

namespace trainyard::networks {

/// Background and the record's classes, one a line.
std::string SsdLabels(const model::v1::ModelRecord& record);

/// `nvinfer_config.txt` and `labels.txt` for `folder` (TAO `--gen_ds_config`), name -> bytes:
/// preprocessing keys for DeepStream, and the labels. `onnx` is the plain ONNX file that the config
/// names by its path from the folder; "" = none, and a comment says what is missing. The key is a
/// placeholder: DeepStream opens no sealed file of ours, so it needs none.
std::map<std::string, std::string> SsdDeepStreamFiles(const model::v1::ModelRecord& record,
                                                      const std::string& folder,
                                                      const std::string& onnx);

/// kAlreadyExists, with all of them, when files of `folder` have those names and are none that
/// SsdDeepStreamFiles made.
absl::Status CheckSsdDeepStreamFolder(const std::string& folder);

}  // namespace trainyard::networks
