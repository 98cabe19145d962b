#pragma once

#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "libs/graph/graph.h"
#include "libs/model/model.h"
#include "libs/tasks/task.h"

namespace trainyard::networks {

/// NetworkFamily::CreateHead, of a record or of a lowered model's. kInvalidArgument for a record without a
/// classification head or with fewer than 2 classes.
absl::StatusOr<std::unique_ptr<tasks::Head>> CreateClassificationHead(const ModelRecord& record);

/// NetworkFamily::LowerHead: the softmax as a node, output `predictions/Softmax` [N, classes].
/// kInvalidArgument when the graph does not make the record's output.
absl::StatusOr<graph::Graph> LowerClassificationHead(const Model& model);

/// NetworkFamily::Labels: one line, the classes separated by semicolons, as nvinfer reads the labels of
/// one classifier.
std::string ClassificationLabels(const ModelRecord& record);

/// NetworkFamily::DeepStreamFiles.
std::map<std::string, std::string> ClassificationDeepStreamFiles(const ModelRecord& record,
                                                                 const std::string& folder,
                                                                 const std::string& onnx);

}  // namespace trainyard::networks
