#pragma once

#include <map>
#include <memory>
#include <set>
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

namespace trainyard::graph {

/// A network as an ONNX graph in memory: the one form that builders emit and that training,
/// pruning, quantization and engines share. In inference form: whoever trains owns the mode.
///
/// Holds the ModelProto whole, so that what we do not understand survives a round trip; look-ups by
/// name are kept beside it. Value semantics are explicit: move, or Clone(). Reading from several
/// threads is safe; editing is not. After loading, and as long as editors keep to it:
/// * node names are unique and never empty;
/// * every tensor, in bodies of nodes too, has exactly the bytes or values that its type and shape
///   need, and every attribute of a standard operator its type and range, so that readers may
///   compute with them;
/// * initializers are no graph inputs, the standard domain is written "", and what depends on no
///   value of the input is an initializer (FoldConstants).
class Graph {
 public:
  /// An empty graph: IR 8, opset 17, producer "trainyard".
  explicit Graph(absl::string_view name);
  ~Graph();
  Graph(Graph&&) noexcept;
  Graph& operator=(Graph&&) noexcept;
  Graph Clone() const;

  /// Parses a serialized ModelProto. `folder` is where external data lies ("" = none is allowed; a
  /// location that leaves the folder is refused). Bytes from anywhere: whatever they say, this
  /// answers. The memory it takes grows with their number, but the parser alone may take a hundred
  /// bytes for two of them: who is afraid of that bounds the file or the process.
  ///
  /// Fails with kInvalidArgument naming what is wrong: not ONNX, IR above 8, opset outside 11-17
  /// (with the way to convert), a domain that is imported twice or not at all, doubled or dangling
  /// names of values, cycles, standard operators that the opset does not have, with a wrong number
  /// of inputs or wrong attributes, nodes in training form, sparse tensors, functions, sizes beyond
  /// reason; kDataLoss for tensors whose content does not fit their shape. All of it in bodies of
  /// nodes too. Nodes that are out of order are put in order; nodes without a name get
  /// "<op>_<index>".
  static absl::StatusOr<Graph> Parse(absl::string_view bytes, const std::string& folder = "");
  static absl::StatusOr<Graph> Load(const std::string& path);
  /// Deterministic bytes.
  std::string Serialize() const;
  absl::Status Save(const std::string& path) const;

  /// ONNX's checker plus our own rules; all problems at once.
  absl::Status Check() const;

  /// What Parse changed that somebody could miss (doubled node names), a sentence each.
  const std::vector<std::string>& notes() const { return notes_; }

  const onnx::ModelProto& proto() const { return *model_; }
  /// For edits; call Reindex() after adding, removing or renaming nodes, initializers or outputs.
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
  /// As it is stored; nullptr when there is none. For its type and shape, which Initializer copies
  /// the elements for.
  const onnx::TensorProto* FindInitializer(absl::string_view name) const;
  std::vector<std::string> InitializerNames() const;
  /// A copy of the initializer's elements. kNotFound; kUnimplemented for a dtype that Tensor lacks.
  absl::StatusOr<Tensor> Initializer(absl::string_view name) const;
  /// Adds or replaces. The stored form is raw_data.
  absl::Status SetInitializer(const std::string& name, const Tensor& tensor);

  /// Static shapes of all values and initializers by ONNX shape inference, -1 for dimensions that
  /// are not fixed (the batch). A value whose rank is not known is left out, as is what operators
  /// of other domains make. kInvalidArgument naming the node that contradicts itself.
  absl::StatusOr<std::map<std::string, Shape>> InferShapes() const;

  /// Scalars of all floating initializers that the graph's nodes read (BN statistics included).
  int64_t ParameterCount() const;
  /// Multiply-accumulates of Conv, Gemm and MatMul for one image. kInvalidArgument naming the node
  /// when a shape other than the batch is not known, or the number is beyond reason.
  absl::StatusOr<int64_t> MacCount() const;

 private:
  Graph();
  std::unique_ptr<onnx::ModelProto> model_;
  std::vector<std::string> notes_;
  std::vector<const onnx::NodeProto*> nodes_;
  std::map<std::string, const onnx::NodeProto*, std::less<>> node_by_name_;
  std::map<std::string, const onnx::NodeProto*, std::less<>> producer_;
  std::map<std::string, std::vector<const onnx::NodeProto*>, std::less<>> consumers_;
  std::map<std::string, int, std::less<>> initializer_index_;
  std::set<std::string, std::less<>> outputs_;
};

/// Whether a file of this name is a plain ONNX file: the ending decides, in any case.
bool IsOnnxName(absl::string_view path);

/// Whether `node` is an operator of ONNX itself, not one of another domain with the same name.
bool IsStandard(const onnx::NodeProto& node);
/// Whether it is this one of them. The way to ask for an operator: op_type() alone says nothing.
bool IsOp(const onnx::NodeProto& node, absl::string_view op);

/// Attribute access with a default for absence, or for another type: operators of other domains may
/// give a name any type. (Those of ONNX have theirs, or the graph would not have loaded.)
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

}  // namespace trainyard::graph
