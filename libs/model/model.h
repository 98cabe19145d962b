#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "libs/graph/graph.h"
#include "trainyard/model/v1/model_record.pb.h"

namespace trainyard {

using model::v1::ModelRecord;

/// ModelRecord.network of a backbone alone: a graph that ends with maps of features, without a head.
/// It is no network that can be trained, evaluated or exported; others start with its weights.
inline constexpr absl::string_view kBackboneNetwork = "backbone";

/// A network: its graph with weights, and all that is said beside it. What seals, prunes, quantizes or
/// builds one knows no more of it than this.
struct Model {
  graph::Graph graph;
  ModelRecord record;
};

/// The record's classes, without background.
std::vector<std::string> ClassesOf(const ModelRecord& record);

/// "300x300x3": width, height and channels of the input.
std::string InputText(const model::v1::Preprocess& preprocess);

}  // namespace trainyard
