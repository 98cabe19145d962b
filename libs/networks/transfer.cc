#include "libs/networks/transfer.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/graph/reach.h"
#include "libs/networks/registry.h"
#include "onnx/onnx_pb.h"

namespace trainyard {
namespace {

bool HasWeights(const Graph& graph, const onnx::NodeProto& node) {
  const std::string& op = node.op_type();
  if (op == "Reshape") return false;  // its initializer is a shape, which nobody learns
  for (const std::string& input : node.input()) {
    if (graph.HasInitializer(input)) return true;
  }
  return false;
}

bool SameLayers(const Graph& a, const Graph& b) {
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
  for (const std::string& name : NodesBefore(to.graph, {"Conv", "Gemm"})) {
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

// Names of classes say nothing about weights: a head of the same width is taken, whatever they are.
void NoteClasses(const ModelRecord& from, const ModelRecord& to, TransferReport& report) {
  const std::vector<std::string> theirs = ClassesOf(from);
  const std::vector<std::string> ours = ClassesOf(to);
  if (theirs == ours || theirs.empty()) return;
  report.warnings.push_back(absl::StrCat(
      "its classes are ", absl::StrJoin(theirs, ", "), "; the spec's are ",
      absl::StrJoin(ours, ", "), ": ",
      theirs.size() == ours.size()
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
    if (HasWeights(to.graph, *node)) report.loaded.push_back(node->name());
  }
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

absl::StatusOr<LayerWeights> WeightsFor(const Graph& from, const onnx::NodeProto& theirs,
                                        const Graph& to, const onnx::NodeProto& ours) {
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

}  // namespace

std::string TransferReport::Summary() const {
  if (took_graph) {
    return absl::StrFormat("pruned model: its own graph with %d layers", loaded.size());
  }
  return absl::StrFormat("%d layers loaded, %d of another shape, %d not in the file", loaded.size(),
                         mismatched.size(), missing.size());
}

absl::StatusOr<TransferReport> TransferWeights(const Model& from, Model& to) {
  if (from.record.network() != to.record.network()) {
    return absl::InvalidArgumentError(
        absl::StrFormat("the model is of network '%s'; the spec is for '%s'", from.record.network(),
                        to.record.network()));
  }
  TY_ASSIGN_OR_RETURN(const NetworkFamily* network, FindNetwork(to.record.network()));
  TY_ASSIGN_OR_RETURN(const bool pruned, IsPruned(from, to));
  if (pruned) TY_RETURN_IF_ERROR(CheckGraphFits(*network, from.record, to.record));
  *to.record.mutable_lineage() = from.record.lineage();
  if (pruned) return TakeGraph(*network, from, to);

  TransferReport report;
  NoteClasses(from.record, to.record, report);
  for (const onnx::NodeProto* node : to.graph.nodes()) {
    if (!HasWeights(to.graph, *node)) continue;
    const onnx::NodeProto* theirs = from.graph.FindNode(node->name());
    if (theirs == nullptr || theirs->op_type() != node->op_type()) {
      report.missing.push_back(node->name());
      continue;
    }
    TY_ASSIGN_OR_RETURN(LayerWeights weights, WeightsFor(from.graph, *theirs, to.graph, *node));
    if (!weights.mismatch.empty()) {
      report.mismatched.push_back(absl::StrCat(node->name(), ": ", weights.mismatch));
      continue;
    }
    for (const auto& [name, tensor] : weights.tensors) {
      TY_RETURN_IF_ERROR(to.graph.SetInitializer(name, tensor));
    }
    report.loaded.push_back(node->name());
  }
  return report;
}

}  // namespace trainyard
