#include "libs/graph/graph.h"

#include <map>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "libs/base/files.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/graph/fold.h"
#include "libs/graph/internal/attribute_rules.h"
#include "libs/graph/internal/external_data.h"
#include "libs/graph/internal/limits.h"
#include "libs/graph/internal/normalize.h"
#include "libs/graph/internal/structure.h"
#include "libs/graph/internal/tensors.h"
#include "onnx/onnx_pb.h"

namespace trainyard::graph {
namespace {

constexpr int64_t kIrVersion = 8;
constexpr int64_t kMinOpset = 11;
constexpr int64_t kMaxOpset = 17;
/// protobuf's own limit for one message.
constexpr int64_t kMaxBytes = (int64_t{1} << 31) - 1;

/// The version of each domain, the standard one under "". A second import of one is a problem:
/// readers of the model would take different ones.
std::map<std::string, int64_t> Imports(const onnx::ModelProto& model, Problems& problems) {
  std::map<std::string, int64_t> imports;
  for (const auto& opset : model.opset_import()) {
    const std::string domain = opset.domain() == "ai.onnx" ? "" : opset.domain();
    const auto [first, added] = imports.emplace(domain, opset.version());
    if (added) continue;
    problems.Add("opset_import",
                 "has the domain '%s' twice, with the versions %d and %d; expected one version. "
                 "Export the model again, or remove the entry that is wrong",
                 domain.empty() ? "ai.onnx" : domain, first->second, opset.version());
  }
  return imports;
}

absl::Status CheckVersions(const onnx::ModelProto& model) {
  Problems problems;
  if (model.ir_version() < 3 || model.ir_version() > kIrVersion) {
    problems.Add("ir_version",
                 "is %d; expected 3 to %d. A newer file: convert it with "
                 "onnx.version_converter.convert_version(model, %d), then set ir_version to %d",
                 model.ir_version(), kIrVersion, kMaxOpset, kIrVersion);
  }
  const int64_t opset = Imports(model, problems)[""];  // 0 when the model imports none
  if (opset < kMinOpset || opset > kMaxOpset) {
    problems.Add("opset",
                 "is %d; expected %d to %d. Export again with opset %d, or use "
                 "onnx.version_converter.convert_version(model, %d)",
                 opset, kMinOpset, kMaxOpset, kMaxOpset, kMaxOpset);
  }
  return problems.ToStatus();
}

/// Puts the nodes in topological order, in place, and those of bodies too. Swaps pointers, copies
/// nothing.
void SortNodes(onnx::GraphProto& graph) {
  const std::vector<int> order = internal::TopologicalOrder(graph);
  std::vector<onnx::NodeProto*> nodes(graph.node_size());
  graph.mutable_node()->ExtractSubrange(0, graph.node_size(), nodes.data());
  for (const int i : order) graph.mutable_node()->AddAllocated(nodes[i]);
  for (onnx::NodeProto* node : nodes) {
    for (onnx::AttributeProto& attribute : *node->mutable_attribute()) {
      if (attribute.has_g()) SortNodes(*attribute.mutable_g());
      for (onnx::GraphProto& body : *attribute.mutable_graphs()) SortNodes(body);
    }
  }
}

/// What readers of the graph rely on; everything of one kind that is wrong.
absl::Status CheckContent(const onnx::ModelProto& model) {
  Problems payloads;
  internal::CheckPayloads(model.graph(), payloads);
  TY_RETURN_IF_ERROR(payloads.ToStatus(absl::StatusCode::kDataLoss));
  Problems problems;
  internal::CheckStructure(model.graph(), problems);
  internal::CheckSignatures(model, problems);
  internal::CheckAttributes(model.graph(), problems);
  return problems.ToStatus();
}

/// Asked once constants are initializers: exporters write flags as nodes.
absl::Status CheckMode(const onnx::ModelProto& model) {
  Problems problems;
  internal::CheckInferenceForm(model.graph(), problems);
  return problems.ToStatus();
}

}  // namespace

Graph::Graph() : model_(std::make_unique<onnx::ModelProto>()) {}

Graph::Graph(absl::string_view name) : Graph() {
  model_->set_ir_version(kIrVersion);
  model_->set_producer_name("trainyard");
  model_->add_opset_import()->set_version(kMaxOpset);
  model_->mutable_graph()->set_name(std::string(name));
}

Graph::~Graph() = default;
Graph::Graph(Graph&&) noexcept = default;
Graph& Graph::operator=(Graph&&) noexcept = default;

Graph Graph::Clone() const {
  Graph copy;
  *copy.model_ = *model_;
  copy.notes_ = notes_;
  copy.Reindex();
  return copy;
}

absl::StatusOr<Graph> Graph::Parse(absl::string_view bytes, const std::string& folder) {
  if (static_cast<int64_t>(bytes.size()) > kMaxBytes) {
    return absl::InvalidArgumentError(
        absl::StrFormat("has %d bytes; an ONNX file has at most %d (larger ones keep their weights "
                        "in a file beside it)",
                        bytes.size(), kMaxBytes));
  }
  Graph graph;
  onnx::ModelProto& model = *graph.model_;
  if (!model.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) ||
      model.ir_version() == 0 || !model.has_graph()) {
    return absl::InvalidArgumentError("is no ONNX model: expected a serialized onnx.ModelProto");
  }
  TY_RETURN_IF_ERROR(CheckVersions(model));
  TY_RETURN_IF_ERROR(internal::CheckLimits(model));
  TY_RETURN_IF_ERROR(internal::LoadExternalData(model, folder));
  graph.notes_ = internal::Normalize(model);
  TY_RETURN_IF_ERROR(CheckContent(model));
  SortNodes(*model.mutable_graph());
  graph.Reindex();
  FoldConstants(graph);
  TY_RETURN_IF_ERROR(CheckMode(model));
  return graph;
}

absl::StatusOr<Graph> Graph::Load(const std::string& path) {
  TY_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path));
  absl::StatusOr<Graph> graph = Parse(bytes, DirName(path));
  if (!graph.ok()) return Annotate(graph.status(), absl::StrCat("'", path, "'"));
  return graph;
}

std::string Graph::Serialize() const {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    model_->SerializeToCodedStream(&coded);
  }
  return bytes;
}

absl::Status Graph::Save(const std::string& path) const {
  const int64_t size = static_cast<int64_t>(model_->ByteSizeLong());
  if (size > kMaxBytes) {
    return absl::ResourceExhaustedError(absl::StrFormat(
        "'%s': the model has %d bytes; an ONNX file holds at most %d", path, size, kMaxBytes));
  }
  return WriteFileAtomically(path, Serialize());
}

void Graph::Reindex() {
  nodes_.clear();
  node_by_name_.clear();
  producer_.clear();
  consumers_.clear();
  initializer_index_.clear();
  outputs_.clear();
  const onnx::GraphProto& graph = model_->graph();
  std::vector<int> order = internal::TopologicalOrder(graph);
  if (static_cast<int>(order.size()) < graph.node_size()) {
    // A cycle, made by an edit: Check() names it. Nothing may be missing from the index till then.
    const std::set<int> sorted(order.begin(), order.end());
    for (int i = 0; i < graph.node_size(); ++i) {
      if (!sorted.contains(i)) order.push_back(i);
    }
  }
  for (const int i : order) {
    const onnx::NodeProto* node = &graph.node(i);
    nodes_.push_back(node);
    node_by_name_.emplace(node->name(), node);
    for (const std::string& output : node->output()) {
      if (!output.empty()) producer_.emplace(output, node);
    }
    for (const std::string& value : internal::ReadValues(*node)) consumers_[value].push_back(node);
  }
  for (int i = 0; i < graph.initializer_size(); ++i) {
    initializer_index_.emplace(graph.initializer(i).name(), i);
  }
  for (const auto& output : graph.output()) outputs_.insert(output.name());
}

const onnx::NodeProto* Graph::FindNode(absl::string_view name) const {
  const auto it = node_by_name_.find(name);
  return it == node_by_name_.end() ? nullptr : it->second;
}

const onnx::NodeProto* Graph::Producer(absl::string_view value) const {
  const auto it = producer_.find(value);
  return it == producer_.end() ? nullptr : it->second;
}

const std::vector<const onnx::NodeProto*>& Graph::Consumers(absl::string_view value) const {
  static const auto& none = *new std::vector<const onnx::NodeProto*>();
  const auto it = consumers_.find(value);
  return it == consumers_.end() ? none : it->second;
}

bool Graph::IsOutput(absl::string_view value) const {
  return outputs_.find(value) != outputs_.end();
}

std::vector<std::string> Graph::InputNames() const {
  std::vector<std::string> names;
  for (const auto& input : model_->graph().input()) {
    if (!HasInitializer(input.name())) names.push_back(input.name());
  }
  return names;
}

std::vector<std::string> Graph::OutputNames() const {
  std::vector<std::string> names;
  for (const auto& output : model_->graph().output()) names.push_back(output.name());
  return names;
}

bool Graph::HasInitializer(absl::string_view name) const {
  return initializer_index_.find(name) != initializer_index_.end();
}

const onnx::TensorProto* Graph::FindInitializer(absl::string_view name) const {
  const auto it = initializer_index_.find(name);
  return it == initializer_index_.end() ? nullptr : &model_->graph().initializer(it->second);
}

std::vector<std::string> Graph::InitializerNames() const {
  std::vector<std::string> names;
  for (const auto& tensor : model_->graph().initializer()) names.push_back(tensor.name());
  return names;
}

absl::StatusOr<Tensor> Graph::Initializer(absl::string_view name) const {
  const auto it = initializer_index_.find(name);
  if (it == initializer_index_.end()) {
    return absl::NotFoundError(absl::StrCat("the graph has no initializer '", name, "'",
                                            DidYouMean(name, InitializerNames())));
  }
  return TensorFromProto(model_->graph().initializer(it->second));
}

absl::Status Graph::SetInitializer(const std::string& name, const Tensor& tensor) {
  if (name.empty()) return absl::InvalidArgumentError("an initializer needs a name");
  if (Producer(name) != nullptr) {
    return absl::InvalidArgumentError(
        absl::StrFormat("initializer '%s' has the name of a value that node '%s' makes", name,
                        Producer(name)->name()));
  }
  onnx::GraphProto& graph = *model_->mutable_graph();
  const auto [it, added] = initializer_index_.emplace(name, graph.initializer_size());
  onnx::TensorProto* slot = added ? graph.add_initializer() : graph.mutable_initializer(it->second);
  *slot = TensorToProto(name, tensor);
  return absl::OkStatus();
}

bool IsOnnxName(absl::string_view path) { return absl::EndsWithIgnoreCase(path, ".onnx"); }

}  // namespace trainyard::graph
