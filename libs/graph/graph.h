#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/tensor/tensor.h"

namespace onnx {
class ModelProto;
class NodeProto;
class GraphProto;
class TensorProto;
class AttributeProto;
}  // namespace onnx

namespace trainyard {

/// A network as an ONNX graph in memory: the one form that builders emit and that training,
/// pruning, quantization and engines share (decisions.md B20, B21, B30).
///
/// Holds the ModelProto whole, so that what we do not understand survives a round trip; look-ups by
/// name are kept beside it. Value semantics are explicit: move, or Clone(). Reading from several
/// threads is safe; editing is not. Node names are unique and never empty (missing ones are given
/// on loading: "<op>_<index>").
class Graph {
 public:
  /// An empty graph: IR 8, opset 17, producer "trainyard".
  explicit Graph(absl::string_view name);
  ~Graph();
  Graph(Graph&&) noexcept;
  Graph& operator=(Graph&&) noexcept;
  Graph Clone() const;

  /// Parses a serialized ModelProto. `folder` is where external data lies ("" = none is allowed; a
  /// location that leaves the folder is refused). Fails with kInvalidArgument naming what is wrong:
  /// not ONNX, IR above 8, opset outside 11-17 (with the way to convert), duplicate or dangling
  /// names, cycles, standard operators with a wrong number of inputs or wrong attributes; kDataLoss
  /// for external data that is short. Nodes that are out of order are put in order.
  static absl::StatusOr<Graph> Parse(absl::string_view bytes, const std::string& folder = "");
  static absl::StatusOr<Graph> Load(const std::string& path);
  /// Deterministic bytes.
  std::string Serialize() const;
  absl::Status Save(const std::string& path) const;

  /// ONNX's checker plus our own rules; all problems at once.
  absl::Status Check() const;

  const onnx::ModelProto& proto() const { return *model_; }
  /// For edits; call Reindex() after adding, removing or renaming nodes or initializers.
  onnx::ModelProto& mutable_proto() { return *model_; }
  void Reindex();

  /// Nodes in topological order.
  const std::vector<const onnx::NodeProto*>& nodes() const { return nodes_; }
  /// nullptr when there is none.
  const onnx::NodeProto* FindNode(absl::string_view name) const;
  /// The node that makes `value`; nullptr for graph inputs and initializers.
  const onnx::NodeProto* Producer(absl::string_view value) const;
  /// The nodes that read `value`, in topological order.
  const std::vector<const onnx::NodeProto*>& Consumers(absl::string_view value) const;
  bool IsOutput(absl::string_view value) const;

  /// Graph inputs that are not initializers, and outputs, in order.
  std::vector<std::string> InputNames() const;
  std::vector<std::string> OutputNames() const;

  bool HasInitializer(absl::string_view name) const;
  std::vector<std::string> InitializerNames() const;
  /// A copy of the initializer's elements. kNotFound; kUnimplemented for a dtype that Tensor lacks.
  absl::StatusOr<Tensor> Initializer(absl::string_view name) const;
  /// Adds or replaces. The stored form is raw_data.
  absl::Status SetInitializer(const std::string& name, const Tensor& tensor);

  /// Static shapes of all values and initializers by ONNX shape inference, -1 for dimensions that
  /// are not fixed (the batch). A value whose rank is not known is left out. kInvalidArgument
  /// naming the node that contradicts itself.
  absl::StatusOr<std::map<std::string, Shape>> InferShapes() const;

  /// Scalars of all floating initializers that the graph's nodes read (BN statistics included).
  int64_t ParameterCount() const;
  /// Multiply-accumulates of Conv, Gemm and MatMul for one image. kInvalidArgument naming the node
  /// when a shape other than the batch is not known.
  absl::StatusOr<int64_t> MacCount() const;

 private:
  Graph();
  std::unique_ptr<onnx::ModelProto> model_;
  std::vector<const onnx::NodeProto*> nodes_;
  std::map<std::string, const onnx::NodeProto*, std::less<>> node_by_name_;
  std::map<std::string, const onnx::NodeProto*, std::less<>> producer_;
  std::map<std::string, std::vector<const onnx::NodeProto*>, std::less<>> consumers_;
  std::map<std::string, int, std::less<>> initializer_index_;
};

/// Attribute access with a default for absence. Aborts when the attribute has another type.
int64_t IntAttribute(const onnx::NodeProto& node, absl::string_view name, int64_t fallback);
float FloatAttribute(const onnx::NodeProto& node, absl::string_view name, float fallback);
std::string StringAttribute(const onnx::NodeProto& node, absl::string_view name,
                            absl::string_view fallback);
std::vector<int64_t> IntsAttribute(const onnx::NodeProto& node, absl::string_view name,
                                   std::vector<int64_t> fallback);

/// TensorProto <-> Tensor. kUnimplemented for dtypes that Tensor lacks, kDataLoss when the bytes do
/// not fit the shape.
absl::StatusOr<Tensor> TensorFromProto(const onnx::TensorProto& proto);
onnx::TensorProto TensorToProto(const std::string& name, const Tensor& tensor);

}  // namespace trainyard
