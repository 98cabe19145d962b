#include "libs/weights/apply_weights.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "libs/base/printable.h"
#include "libs/base/status.h"
#include "onnx/onnx_pb.h"

namespace trainyard::weights {
namespace {

constexpr double kLeastShare = 0.5;
constexpr size_t kShownReasons = 3;

/// What a node reads at its inputs from 1 on, as names end; empty for nodes that have no weights.
std::vector<absl::string_view> RolesOf(const onnx::NodeProto& node) {
  if (graph::IsOp(node, "BatchNormalization"))
    return {"gamma", "beta", "moving_mean", "moving_variance"};
  for (const absl::string_view op : {"Conv", "ConvTranspose", "Gemm"}) {
    if (graph::IsOp(node, op)) return {"kernel", "bias"};
  }
  return {};
}

/// The weights of one layer.
struct LayerWeights {
  std::vector<std::pair<std::string, Tensor>> tensors;
  std::vector<std::string> sources;
  /// What the file lacks of it, and why what it has does not fit; "" when it does.
  std::string absent, mismatch;
  int64_t parameters = 0;
};

/// Why these are no weights; "" when they are.
std::string Fault(const Tensor& tensor, absl::string_view role) {
  for (const float value : tensor.data<float>()) {
    if (!std::isfinite(value)) return "has values that are not finite";
    if (role == "moving_variance" && value < 0) return "has a variance below 0";
  }
  return "";
}

/// By the initializer's own name, or by its layer's and what it is for there.
const MappedTensor* FindTensor(const MappedWeights& mapped, const std::string& initializer,
                               const std::string& layer, absl::string_view role) {
  auto found = mapped.tensors.find(initializer);
  if (found == mapped.tensors.end()) found = mapped.tensors.find(absl::StrCat(layer, "/", role));
  return found == mapped.tensors.end() ? nullptr : &found->second;
}

absl::StatusOr<LayerWeights> WeightsFor(const MappedWeights& mapped, const graph::Graph& graph,
                                        const onnx::NodeProto& node) {
  LayerWeights layer;
  const std::vector<absl::string_view> roles = RolesOf(node);
  for (size_t i = 0; i < roles.size() && static_cast<int>(i) + 1 < node.input_size(); ++i) {
    const std::string& name = node.input(static_cast<int>(i) + 1);
    if (!graph.HasInitializer(name)) continue;
    TY_ASSIGN_OR_RETURN(const Tensor own, graph.Initializer(name));
    layer.parameters += own.size();
    const MappedTensor* const theirs = FindTensor(mapped, name, node.name(), roles[i]);
    if (theirs == nullptr) {
      if (roles[i] != "bias") layer.absent = std::string(roles[i]);
      continue;
    }
    layer.sources.push_back(theirs->source);
    if (theirs->tensor.shape() != own.shape() || own.dtype() != DType::kFloat32) {
      layer.mismatch = absl::StrFormat("%s is %s %s, the file's '%s' is f32 %s", roles[i],
                                       NameOf(own.dtype()), ShapeText(own.shape()),
                                       Shown(theirs->source), ShapeText(theirs->tensor.shape()));
    } else if (const std::string fault = Fault(theirs->tensor, roles[i]); !fault.empty()) {
      layer.mismatch = absl::StrFormat("the file's '%s' %s", Shown(theirs->source), fault);
    }
    layer.tensors.emplace_back(name, theirs->tensor);
  }
  return layer;
}

std::vector<std::string> UnusedOf(const MappedWeights& mapped, const std::set<std::string>& used) {
  std::vector<std::string> unused = mapped.unused;
  for (const auto& [unused_name, tensor] : mapped.tensors) {
    if (used.count(tensor.source) == 0) unused.push_back(tensor.source);
  }
  std::sort(unused.begin(), unused.end());
  return unused;
}

}  // namespace

double WeightMatch::Share() const {
  if (backbone_parameters == 0) return 0;
  return static_cast<double>(loaded_parameters) / static_cast<double>(backbone_parameters);
}

std::string WeightMatch::Summary() const {
  return absl::StrFormat(
      "%s: %d layers loaded (%.1f %% of %s's weights), %d of another shape, %d not in the file, %d "
      "tensors of it not used",
      naming, loaded.size(), 100 * Share(), backbone, mismatched.size(), missing.size(),
      unused.size());
}

std::string WeightMatch::Table() const {
  std::string table = Summary() + "\n";
  const auto add = [&table](absl::string_view what, const std::vector<std::string>& rows) {
    for (const std::string& row : rows) absl::StrAppendFormat(&table, "%-12s %s\n", what, row);
  };
  add("loaded", loaded);
  add("mismatched", mismatched);
  add("missing", missing);
  std::vector<std::string> shown;
  for (const std::string& name : unused) shown.push_back(Shown(name));
  add("not used", shown);
  add("note", notes);
  return table;
}

absl::StatusOr<WeightMatch> ApplyWeights(const MappedWeights& mapped, graph::Graph& graph) {
  WeightMatch match{.backbone = mapped.backbone, .naming = mapped.naming, .notes = mapped.notes};
  std::vector<std::pair<std::string, Tensor>> changes;
  std::set<std::string> used;
  for (const onnx::NodeProto* node : graph.nodes()) {
    TY_ASSIGN_OR_RETURN(LayerWeights layer, WeightsFor(mapped, graph, *node));
    const bool counts = layer.parameters > 0 && mapped.layers.count(node->name()) > 0;
    if (counts) match.backbone_parameters += layer.parameters;
    used.insert(layer.sources.begin(), layer.sources.end());
    if (layer.tensors.empty()) {
      if (counts) match.missing.push_back(node->name());
      continue;
    }
    if (layer.mismatch.empty() && !layer.absent.empty()) {
      layer.mismatch = absl::StrCat("the file has no ", layer.absent);
    }
    if (!layer.mismatch.empty()) {
      match.mismatched.push_back(absl::StrCat(node->name(), ": ", layer.mismatch));
      continue;
    }
    match.loaded.push_back(node->name());
    if (counts) match.loaded_parameters += layer.parameters;
    std::move(layer.tensors.begin(), layer.tensors.end(), std::back_inserter(changes));
  }
  if (match.backbone_parameters == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("the network has no layer of ", mapped.backbone, " that weights could go to"));
  }
  match.unused = UnusedOf(mapped, used);
  for (const auto& [name, tensor] : changes) {
    TY_RETURN_IF_ERROR(graph.SetInitializer(name, tensor));
  }
  return match;
}

absl::StatusOr<WeightMatch> ApplyWeights(const NamedWeights& weights, absl::string_view backbone,
                                         graph::Graph& graph) {
  TY_ASSIGN_OR_RETURN(const MappedWeights mapped, MapToBackbone(weights, backbone));
  return ApplyWeights(mapped, graph);
}

absl::Status CheckMatched(const WeightMatch& match, bool allow_less) {
  if (allow_less || match.Share() >= kLeastShare) return absl::OkStatus();
  std::vector<std::string> reasons = match.mismatched;
  for (const std::string& layer : match.missing) reasons.push_back(layer + ": not in the file");
  const size_t more = reasons.size() - std::min(reasons.size(), kShownReasons);
  reasons.resize(reasons.size() - more);
  return absl::InvalidArgumentError(
      absl::StrFormat("the file has less than half of %s's weights; probably it is of another "
                      "network. %s. First of "
                      "what is not loaded: %s%s",
                      match.backbone, match.Summary(), absl::StrJoin(reasons, "; "),
                      more == 0 ? "" : absl::StrFormat(" and %d more", more)));
}

}  // namespace trainyard::weights
