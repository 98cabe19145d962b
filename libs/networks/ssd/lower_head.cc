#include "libs/networks/ssd/lower_head.h"

#include "absl/strings/str_format.h"
#include "libs/base/status.h"
#include "libs/networks/plain_onnx.h"
#include "libs/networks/ssd/anchors.h"
#include "onnx/onnx_pb.h"

namespace trainyard::networks {
namespace {

constexpr char kScores[] = "scores";
constexpr char kBoxes[] = "boxes";

// A node with one output of its own name.
std::string AppendOp(graph::Graph& graph, const std::string& op, const std::string& name,
                     const std::vector<std::string>& inputs) {
  AppendNode(graph, op, name, inputs, {name});
  return name;
}

/// Constants of the decoding, [1, A, 2] each: x in the first column, y in the second.
struct AnchorTensors {
  Tensor centers, sizes;
  /// Size times variance: what one unit of an offset moves the centre by.
  Tensor steps;
};

AnchorTensors TensorsOf(const AnchorSet& set, const model::v1::SsdHead& head) {
  const Shape shape = {1, set.size(), 2};
  AnchorTensors tensors{Tensor::Zeros(DType::kFloat32, shape),
                        Tensor::Zeros(DType::kFloat32, shape),
                        Tensor::Zeros(DType::kFloat32, shape)};
  auto centers = tensors.centers.data<float>();
  auto sizes = tensors.sizes.data<float>();
  auto steps = tensors.steps.data<float>();
  for (int64_t i = 0; i < set.size(); ++i) {
    const Anchor& anchor = set.anchors[i];
    const double size[2] = {anchor.w, anchor.h};
    const double center[2] = {anchor.cx, anchor.cy};
    for (int k = 0; k < 2; ++k) {
      centers[2 * i + k] = static_cast<float>(center[k]);
      sizes[2 * i + k] = static_cast<float>(size[k]);
      steps[2 * i + k] = static_cast<float>(size[k] * head.variances(k));
    }
  }
  return tensors;
}

/// location [N, A, 4] -> boxes [N, A, 4].
absl::Status AppendBoxes(graph::Graph& graph, const model::v1::SsdHead& head,
                         const AnchorSet& anchors) {
  const AnchorTensors tensors = TensorsOf(anchors, head);
  const Tensor size_variances = Tensor::Of<float>(
      {1, 1, 2}, {static_cast<float>(head.variances(2)), static_cast<float>(head.variances(3))});
  TY_RETURN_IF_ERROR(graph.SetInitializer("anchors/centers", tensors.centers));
  TY_RETURN_IF_ERROR(graph.SetInitializer("anchors/sizes", tensors.sizes));
  TY_RETURN_IF_ERROR(graph.SetInitializer("anchors/steps", tensors.steps));
  TY_RETURN_IF_ERROR(graph.SetInitializer("anchors/size_variances", size_variances));
  TY_RETURN_IF_ERROR(graph.SetInitializer("anchors/half", Tensor::Of<float>({1, 1, 1}, {0.5f})));
  TY_RETURN_IF_ERROR(graph.SetInitializer("anchors/split", Tensor::Of<int64_t>({2}, {2, 2})));
  SetAxis(AppendNode(graph, "Split", "loc_split", {head.location_output(), "anchors/split"},
                     {"loc_center", "loc_size"}),
          2);
  AppendOp(graph, "Mul", "box_shift", {"loc_center", "anchors/steps"});
  AppendOp(graph, "Add", "box_center", {"box_shift", "anchors/centers"});
  AppendOp(graph, "Mul", "box_log_size", {"loc_size", "anchors/size_variances"});
  AppendOp(graph, "Exp", "box_scale", {"box_log_size"});
  AppendOp(graph, "Mul", "box_size", {"box_scale", "anchors/sizes"});
  AppendOp(graph, "Mul", "box_half", {"box_size", "anchors/half"});
  AppendOp(graph, "Sub", "box_low", {"box_center", "box_half"});
  AppendOp(graph, "Add", "box_high", {"box_center", "box_half"});
  SetAxis(AppendNode(graph, "Concat", kBoxes, {"box_low", "box_high"}, {kBoxes}), 2);
  return absl::OkStatus();
}

absl::Status CheckModel(const Model& model) {
  if (!model.record.has_ssd()) {
    return absl::InvalidArgumentError("the model has no SSD head to lower");
  }
  const model::v1::SsdHead& head = model.record.ssd();
  if (head.variances_size() != 4) {
    return absl::InvalidArgumentError(
        absl::StrFormat("the head has %d variances; expected 4", head.variances_size()));
  }
  for (const std::string& output : {head.confidence_output(), head.location_output()}) {
    if (model.graph.Producer(output) != nullptr) continue;
    return absl::InvalidArgumentError(
        absl::StrFormat("the record names the output '%s', which the graph does not make", output));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<graph::Graph> LowerSsdHead(const Model& model) {
  TY_RETURN_IF_ERROR(CheckModel(model));
  const ModelRecord& record = model.record;
  TY_ASSIGN_OR_RETURN(
      const AnchorSet anchors,
      MakeAnchors(record.ssd(), record.preprocess().width(), record.preprocess().height()));
  graph::Graph graph = model.graph.Clone();
  SetAxis(AppendNode(graph, "Softmax", kScores, {record.ssd().confidence_output()}, {kScores}), 2);
  TY_RETURN_IF_ERROR(AppendBoxes(graph, record.ssd(), anchors));
  graph.mutable_proto().mutable_graph()->clear_output();
  DeclareOutput(graph, kScores, {anchors.size(), record.classes_size() + 1});
  DeclareOutput(graph, kBoxes, {anchors.size(), 4});
  DescribeModel(record, graph);
  graph.Reindex();
  TY_RETURN_IF_ERROR(graph.Check());
  return graph;
}

}  // namespace trainyard::networks
