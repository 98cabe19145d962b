#pragma once

#include <map>
#include <string>

#include "absl/status/status.h"
#include "trainyard/model/v1/model_record.pb.h"

namespace trainyard::networks {

/// What TAO's `--gen_ds_config` says of one kind of network.
struct DeepStreamText {
  /// nvinfer's network-type: 0 detector, 1 classifier.
  int network_type = 0;
  /// As many as the outputs count, background among them.
  int classes = 0;
  /// Bytes of labels.txt.
  std::string labels;
  /// Lines of the config after model-color-format.
  std::string more;
  /// The last comment: what reads the outputs.
  std::string note;
};

/// `nvinfer_config.txt` and `labels.txt` for `folder`, name -> bytes: preprocessing keys for DeepStream,
/// and the labels. `onnx` is the plain ONNX file that the config names by its path from the folder; "" =
/// none, and a comment says what is missing. The key is a placeholder: DeepStream opens no sealed file
/// of ours, so it needs none.
std::map<std::string, std::string> DeepStreamFilesOf(const model::v1::ModelRecord& record,
                                                     const DeepStreamText& text,
                                                     const std::string& folder,
                                                     const std::string& onnx);

/// kAlreadyExists, with all of them, when files of `folder` have those names and are none that
/// DeepStreamFilesOf made. `labels_mark` is what each labels.txt of the network has; "" = its mark is
/// the config beside it.
absl::Status CheckDeepStreamFolder(const std::string& folder, const std::string& labels_mark);

}  // namespace trainyard::networks
