#include "libs/networks/transfer.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/data/findings.h"
#include "libs/graph/reach.h"
#include "libs/networks/registry.h"
#include "onnx/onnx_pb.h"

namespace trainyard::networks {
namespace {

/// Less than this is not enough, and how many reasons are told then.
constexpr double kLeastShare = 0.5;
constexpr size_t kShownReasons = 5;
constexpr size_t kShownClasses = 20;

bool HasWeights(const graph::Graph& graph, const onnx::NodeProto& node) {
  const std::string& op = node.op_type();
  // Their initializers are a shape and the limits of an activation, which nobody learns.
  if (op == "Reshape" || op == "Clip") return false;
  for (const std::string& input : node.input()) {
    if (graph.HasInitializer(input)) return true;
  }
  return false;
}

/// Numbers in all initializers that a node reads.
int64_t CountWeights(const graph::Graph& graph, const onnx::NodeProto& node) {
  int64_t count = 0;
  for (const std::string& input : node.input()) {
    const onnx::TensorProto* tensor = graph.FindInitializer(input);
    if (tensor == nullptr) continue;
    int64_t size = 1;
    for (const int64_t dimension : tensor->dims()) size *= dimension;
    count += size;
  }
  return count;
}

bool SameLayers(const graph::Graph& a, const graph::Graph& b) {
  if (a.nodes().size() != b.nodes().size()) return false;
  for (const onnx::NodeProto* node : a.nodes()) {
    const onnx::NodeProto* other = b.FindNode(node->name());
    if (other == nullptr || other->op_type() != node->op_type()) return false;
  }
  return true;
}

absl::StatusOr<bool> IsPruned(const Model& from, const Model& to) {
  if (from.record.training().pruned()) return true;
  if (!SameLayers(from.graph, to.graph)) return false;
  // Heads have no layer behind them: their width is the number of classes, not what pruning left.
  for (const std::string& name : graph::NodesBefore(to.graph, {"Conv", "Gemm"})) {
    const onnx::NodeProto& ours = *to.graph.FindNode(name);
    if (ours.op_type() != "Conv") continue;
    const onnx::NodeProto& theirs = *from.graph.FindNode(name);
    if (!to.graph.HasInitializer(ours.input(1)) || !from.graph.HasInitializer(theirs.input(1))) {
      continue;
    }
    TY_ASSIGN_OR_RETURN(const Tensor our_kernel, to.graph.Initializer(ours.input(1)));
    TY_ASSIGN_OR_RETURN(const Tensor their_kernel, from.graph.Initializer(theirs.input(1)));
    if (our_kernel.dim(0) != their_kernel.dim(0)) return true;
  }
  return false;
}

/// What the graph of a pruned model fixes must be what the spec asks for.
absl::Status CheckGraphFits(const NetworkFamily& network, const ModelRecord& from,
                            const ModelRecord& to) {
  Problems problems;
  if (from.classes_size() != to.classes_size()) {
    problems.Add("classes", "are %d in the spec and %d in the pruned model", to.classes_size(),
                 from.classes_size());
  }
  if (InputText(from.preprocess()) != InputText(to.preprocess())) {
    problems.Add("input",
                 "(width x height x channels) is %s in the spec and %s in the pruned model",
                 InputText(to.preprocess()), InputText(from.preprocess()));
  }
  network.CheckHeadFits(from, to, problems);
  return Annotate(problems.ToStatus(),
                  "a pruned model keeps its graph, so the spec must agree with it");
}

// A class that both name keeps its weights. Without one, a head of the same width is taken as it is.
void NoteClasses(const ModelRecord& from, const ModelRecord& to, TransferReport& report) {
  const std::vector<std::string> theirs = ClassesOf(from);
  const std::vector<std::string> ours = ClassesOf(to);
  if (theirs == ours || theirs.empty()) return;
  const bool shared = std::any_of(ours.begin(), ours.end(), [&theirs](const std::string& name) {
    return std::find(theirs.begin(), theirs.end(), name) != theirs.end();
  });
  const bool takes_rows = shared && !report.took_graph;
  report.warnings.push_back(absl::StrCat(
      "its classes are ", data::SomeOf(theirs, kShownClasses), "; the spec's are ",
      data::SomeOf(ours, kShownClasses), ": ",
      takes_rows ? "the weights of those that both name are taken, the others start fresh"
      : theirs.size() == ours.size()
          ? "what it learnt of the first class goes on as the spec's first class, and so on"
          : "the class heads start with fresh weights"));
}

TransferReport TakeGraph(const NetworkFamily& network, const Model& from, Model& to) {
  const ModelRecord spec = to.record;
  to.graph = from.graph.Clone();
  *to.record.mutable_training() = from.record.training();
  to.record.mutable_training()->set_pruned(true);
  network.TakeHead(from.record, to.record);
  TransferReport report{.took_graph = true};
  for (const onnx::NodeProto* node : to.graph.nodes()) {
    if (!HasWeights(to.graph, *node)) continue;
    report.loaded.push_back(node->name());
    report.loaded_parameters += CountWeights(to.graph, *node);
  }
  report.expected_parameters = report.loaded_parameters;
  NoteClasses(from.record, to.record, report);
  for (const std::string& field : network.OverriddenFields(spec, to.record, /*trains=*/true)) {
    report.warnings.push_back(
        absl::StrCat("its own graph is used, so that a field of the spec has "
                     "no effect: ",
                     field));
  }
  return report;
}

/// The weights of one layer, by the position at which the node reads them.
struct LayerWeights {
  std::vector<std::pair<std::string, Tensor>> tensors;
  /// Why they cannot be taken; "" when they can.
  std::string mismatch;
};

absl::StatusOr<LayerWeights> WeightsFor(const graph::Graph& from, const onnx::NodeProto& theirs,
                                        const graph::Graph& to, const onnx::NodeProto& ours) {
  LayerWeights weights;
  for (int i = 0; i < ours.input_size(); ++i) {
    if (!to.HasInitializer(ours.input(i))) continue;
    TY_ASSIGN_OR_RETURN(const Tensor own, to.Initializer(ours.input(i)));
    if (i >= theirs.input_size() || !from.HasInitializer(theirs.input(i))) {
      weights.mismatch = absl::StrFormat("the file has no '%s'", ours.input(i));
      return weights;
    }
    TY_ASSIGN_OR_RETURN(Tensor other, from.Initializer(theirs.input(i)));
    if (other.shape() != own.shape() || other.dtype() != own.dtype()) {
      weights.mismatch =
          absl::StrFormat("%s %s, the file has %s %s", NameOf(own.dtype()), ShapeText(own.shape()),
                          NameOf(other.dtype()), ShapeText(other.shape()));
      return weights;
    }
    weights.tensors.emplace_back(ours.input(i), std::move(other));
  }
  return weights;
}

/// Takes what a head with other classes shares; false when the layer is none, or shares nothing.
absl::StatusOr<bool> GrowLayer(const NetworkFamily& network, const Model& from,
                               const std::string& layer, Model& to, TransferReport& report) {
  const auto find = [&layer](const std::vector<ClassRows>& all) {
    return std::find_if(all.begin(), all.end(),
                        [&layer](const ClassRows& rows) { return rows.layer == layer; });
  };
  if (from.record.network() != to.record.network() ||
      ClassesOf(from.record) == ClassesOf(to.record)) {
    return false;
  }
  const std::vector<ClassRows> theirs = network.HeadRows(from.record);
  const std::vector<ClassRows> ours = network.HeadRows(to.record);
  if (find(theirs) == theirs.end() || find(ours) == ours.end()) return false;
  TY_ASSIGN_OR_RETURN(std::optional<std::string> line,
                      TakeClassRows(from, *find(theirs), *find(ours), to));
  if (!line.has_value()) return false;
  report.grown.push_back(*std::move(line));
  return true;
}

/// Takes one layer, or says in the report why not. Whether it was taken.
absl::StatusOr<bool> TakeLayer(const graph::Graph& from, const onnx::NodeProto& ours,
                               graph::Graph& to, TransferReport& report) {
  const onnx::NodeProto* theirs = from.FindNode(ours.name());
  if (theirs == nullptr || theirs->op_type() != ours.op_type()) {
    report.missing.push_back(ours.name());
    return false;
  }
  TY_ASSIGN_OR_RETURN(const LayerWeights weights, WeightsFor(from, *theirs, to, ours));
  if (!weights.mismatch.empty()) {
    report.mismatched.push_back(absl::StrCat(ours.name(), ": ", weights.mismatch));
    return false;
  }
  for (const auto& [name, tensor] : weights.tensors) {
    TY_RETURN_IF_ERROR(to.SetInitializer(name, tensor));
  }
  report.loaded.push_back(ours.name());
  return true;
}

/// Whether only a backbone can be taken of a model, and not its heads and graph.
bool ServesAsBackbone(const ModelRecord& from, const ModelRecord& to) {
  return from.network() != to.network();
}

/// A model of another network serves when its layers are still those of its backbone.
absl::Status CheckServes(const ModelRecord& from, const ModelRecord& to) {
  if (from.network() == kBackboneNetwork || from.network() == to.network()) return absl::OkStatus();
  if (!FindNetwork(from.network()).ok()) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "the model is of network '%s'; the spec is for '%s'", from.network(), to.network()));
  }
  if (!from.training().pruned()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrFormat(
      "the model is a pruned one of network '%s', whose graph cannot serve '%s'; start from the "
      "model as it was before it was pruned",
      from.network(), to.network()));
}

/// What a file that serves as a backbone has to give. Returns how many numbers that are.
int64_t CountBackbone(const Model& from, TransferReport& report) {
  report.from_backbone = true;
  const bool is_alone = from.record.network() == kBackboneNetwork;
  const std::set<std::string> body = graph::NodesBefore(from.graph, {"Conv", "Gemm"});
  int64_t parameters = 0;
  for (const onnx::NodeProto* node : from.graph.nodes()) {
    if (!HasWeights(from.graph, *node) || !(is_alone || body.contains(node->name()))) continue;
    ++report.backbone_layers;
    parameters += CountWeights(from.graph, *node);
  }
  return parameters;
}

absl::StatusOr<TransferReport> TakeLayers(const NetworkFamily& network, const Model& from,
                                          Model& to) {
  TransferReport report;
  const bool is_backbone = ServesAsBackbone(from.record, to.record);
  if (!is_backbone) NoteClasses(from.record, to.record, report);
  // Heads have no layer behind them.
  const std::set<std::string> body = graph::NodesBefore(to.graph, {"Conv", "Gemm"});
  for (const onnx::NodeProto* node : to.graph.nodes()) {
    if (!HasWeights(to.graph, *node)) continue;
    const bool counts = body.contains(node->name());
    const int64_t parameters = counts ? CountWeights(to.graph, *node) : 0;
    report.expected_parameters += parameters;
    TY_ASSIGN_OR_RETURN(const bool grown, GrowLayer(network, from, node->name(), to, report));
    if (grown) continue;
    TY_ASSIGN_OR_RETURN(const bool taken, TakeLayer(from.graph, *node, to.graph, report));
    if (taken) report.loaded_parameters += parameters;
  }
  if (is_backbone) {
    report.expected_parameters = std::min(report.expected_parameters, CountBackbone(from, report));
  }
  return report;
}

}  // namespace

double TransferReport::Share() const {
  // A network of heads alone has nothing that could be missing.
  if (expected_parameters == 0) return 1;
  return static_cast<double>(loaded_parameters) / static_cast<double>(expected_parameters);
}

std::string TransferReport::Summary() const {
  if (took_graph) {
    return absl::StrFormat("pruned model: its own graph with %d layers", loaded.size());
  }
  if (from_backbone) {
    return absl::StrFormat(
        "%d of %d layers of the backbone loaded, %d of another shape, %d layers of the network not "
        "in the file",
        loaded.size(), backbone_layers, mismatched.size(), missing.size());
  }
  return absl::StrFormat("%d layers loaded, %d of another shape, %d not in the file", loaded.size(),
                         mismatched.size(), missing.size());
}

absl::StatusOr<TransferReport> TransferWeights(const Model& from, Model& to) {
  TY_RETURN_IF_ERROR(CheckServes(from.record, to.record));
  TY_ASSIGN_OR_RETURN(const NetworkFamily* network, FindNetwork(to.record.network()));
  bool pruned = false;
  if (!ServesAsBackbone(from.record, to.record)) {
    TY_ASSIGN_OR_RETURN(pruned, IsPruned(from, to));
  }
  if (pruned) TY_RETURN_IF_ERROR(CheckGraphFits(*network, from.record, to.record));
  *to.record.mutable_lineage() = from.record.lineage();
  return pruned ? TakeGraph(*network, from, to) : TakeLayers(*network, from, to);
}

absl::Status CheckEnough(const TransferReport& report, bool allow_few) {
  if (allow_few || report.Share() >= kLeastShare) return absl::OkStatus();
  std::vector<std::string> reasons = report.mismatched;
  for (const std::string& layer : report.missing) reasons.push_back(layer + ": not in the file");
  const size_t more = reasons.size() - std::min(reasons.size(), kShownReasons);
  reasons.resize(reasons.size() - more);
  return absl::InvalidArgumentError(absl::StrFormat(
      "only %.1f %% of %s came over (%d of %d parameters): %s. Most probably it is of another "
      "architecture than the spec's. First of what did not: %s%s. To train with the few that fit, "
      "give --accept-few-weights",
      100 * report.Share(), report.from_backbone ? "the backbone's weights" : "the model's weights",
      report.loaded_parameters, report.expected_parameters, report.Summary(),
      absl::StrJoin(reasons, "; "), more == 0 ? "" : absl::StrFormat("; and %d more", more)));
}

}  // namespace trainyard::networks
