#include "libs/graph/internal/tensors.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/status.h"
#include "libs/tensor/tensor.h"
#include "onnx/onnx_pb.h"

namespace trainyard::graph::internal {
namespace {

constexpr int64_t kMaxRank = 32;
constexpr int64_t kMaxDim = (int64_t{1} << 31) - 1;
/// A tensor without elements may still name large dimensions, which cost the file nothing.
constexpr int64_t kMaxDimOfEmpty = 1 << 16;

/// Where the elements of a type lie when they are not raw bytes.
enum class Field { kFloat, kDouble, kInt32, kInt64, kUint64, kString };
struct Storage {
  /// Of one element as raw bytes; 0 = cannot be raw.
  int64_t bytes;
  Field field;
  /// Values in `field` for one element.
  int64_t values = 1;
};

absl::StatusOr<Storage> StorageOf(int32_t type) {
  switch (type) {
    case onnx::TensorProto::FLOAT:
      return Storage{4, Field::kFloat};
    case onnx::TensorProto::DOUBLE:
      return Storage{8, Field::kDouble};
    case onnx::TensorProto::COMPLEX64:
      return Storage{8, Field::kFloat, 2};
    case onnx::TensorProto::COMPLEX128:
      return Storage{16, Field::kDouble, 2};
    case onnx::TensorProto::UINT8:
    case onnx::TensorProto::INT8:
    case onnx::TensorProto::BOOL:
      return Storage{1, Field::kInt32};
    case onnx::TensorProto::UINT16:
    case onnx::TensorProto::INT16:
    case onnx::TensorProto::FLOAT16:
    case onnx::TensorProto::BFLOAT16:
      return Storage{2, Field::kInt32};
    case onnx::TensorProto::INT32:
      return Storage{4, Field::kInt32};
    case onnx::TensorProto::INT64:
      return Storage{8, Field::kInt64};
    case onnx::TensorProto::UINT32:
      return Storage{4, Field::kUint64};
    case onnx::TensorProto::UINT64:
      return Storage{8, Field::kUint64};
    case onnx::TensorProto::STRING:
      return Storage{0, Field::kString};
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("has element type ", type, ", which ONNX of IR 8 does not have"));
  }
}

int64_t ValuesIn(const onnx::TensorProto& tensor, Field field) {
  switch (field) {
    case Field::kFloat:
      return tensor.float_data_size();
    case Field::kDouble:
      return tensor.double_data_size();
    case Field::kInt32:
      return tensor.int32_data_size();
    case Field::kInt64:
      return tensor.int64_data_size();
    case Field::kUint64:
      return tensor.uint64_data_size();
    case Field::kString:
      return tensor.string_data_size();
  }
  return 0;
}

absl::StatusOr<int64_t> ElementsOf(const onnx::TensorProto& tensor) {
  const Shape shape(tensor.dims().begin(), tensor.dims().end());
  if (tensor.dims_size() > kMaxRank) {
    return absl::InvalidArgumentError(
        absl::StrFormat("has %d dimensions; expected at most %d", tensor.dims_size(), kMaxRank));
  }
  TY_ASSIGN_OR_RETURN(const int64_t count, ElementCount(shape));
  for (const int64_t dim : shape) {
    const int64_t most = count == 0 ? kMaxDimOfEmpty : kMaxDim;
    if (dim <= most) continue;
    return absl::InvalidArgumentError(
        absl::StrFormat("has shape %s; expected dimensions of at most %d%s", ShapeText(shape), most,
                        count == 0 ? " where there are no elements" : ""));
  }
  return count;
}

absl::Status CheckPayload(const onnx::TensorProto& tensor) {
  TY_ASSIGN_OR_RETURN(const Storage storage, StorageOf(tensor.data_type()));
  TY_ASSIGN_OR_RETURN(const int64_t count, ElementsOf(tensor));
  if (tensor.has_segment()) {
    return absl::InvalidArgumentError("is a segment of a tensor; expected whole ones");
  }
  if (tensor.data_location() == onnx::TensorProto::EXTERNAL) {
    return absl::InvalidArgumentError("has its data in another file");
  }
  int64_t elsewhere = 0;
  for (const Field field : {Field::kFloat, Field::kDouble, Field::kInt32, Field::kInt64,
                            Field::kUint64, Field::kString}) {
    if (field != storage.field) elsewhere += ValuesIn(tensor, field);
  }
  const int64_t values = ValuesIn(tensor, storage.field);
  if (elsewhere > 0 || (tensor.has_raw_data() && (values > 0 || storage.bytes == 0))) {
    return absl::InvalidArgumentError("has its values in a field that does not belong to its type");
  }
  const std::string shape = ShapeText(Shape(tensor.dims().begin(), tensor.dims().end()));
  if (tensor.has_raw_data()) {
    const int64_t seen = static_cast<int64_t>(tensor.raw_data().size());
    // Divided, not multiplied: `count` may be near the largest number there is.
    if (seen % storage.bytes == 0 && seen / storage.bytes == count) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrFormat("has %d bytes; expected %d elements of %d bytes for shape %s", seen, count,
                        storage.bytes, shape));
  }
  if (values % storage.values == 0 && values / storage.values == count) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrFormat("has %d values; expected %d for shape %s",
                                                    values / storage.values, count, shape));
}

absl::Status VisitNode(onnx::NodeProto& node, const TensorVisitor& visit) {
  for (auto& attribute : *node.mutable_attribute()) {
    const std::string where =
        absl::StrCat("node '", node.name(), "': attribute '", attribute.name(), "'");
    const auto visit_sparse = [&](onnx::SparseTensorProto& sparse) -> absl::Status {
      if (sparse.has_values()) TY_RETURN_IF_ERROR(visit(*sparse.mutable_values(), where));
      if (sparse.has_indices()) TY_RETURN_IF_ERROR(visit(*sparse.mutable_indices(), where));
      return absl::OkStatus();
    };
    if (attribute.has_t()) TY_RETURN_IF_ERROR(visit(*attribute.mutable_t(), where));
    for (auto& tensor : *attribute.mutable_tensors()) TY_RETURN_IF_ERROR(visit(tensor, where));
    if (attribute.has_sparse_tensor()) {
      TY_RETURN_IF_ERROR(visit_sparse(*attribute.mutable_sparse_tensor()));
    }
    for (auto& sparse : *attribute.mutable_sparse_tensors()) {
      TY_RETURN_IF_ERROR(visit_sparse(sparse));
    }
    if (attribute.has_g()) TY_RETURN_IF_ERROR(ForEachTensor(*attribute.mutable_g(), visit));
    for (auto& body : *attribute.mutable_graphs()) TY_RETURN_IF_ERROR(ForEachTensor(body, visit));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ForEachTensor(onnx::GraphProto& graph, const TensorVisitor& visit) {
  for (auto& tensor : *graph.mutable_initializer()) {
    TY_RETURN_IF_ERROR(visit(tensor, absl::StrCat("initializer '", tensor.name(), "'")));
  }
  for (auto& sparse : *graph.mutable_sparse_initializer()) {
    const std::string where = absl::StrCat("sparse initializer '", sparse.values().name(), "'");
    if (sparse.has_values()) TY_RETURN_IF_ERROR(visit(*sparse.mutable_values(), where));
    if (sparse.has_indices()) TY_RETURN_IF_ERROR(visit(*sparse.mutable_indices(), where));
  }
  for (auto& node : *graph.mutable_node()) TY_RETURN_IF_ERROR(VisitNode(node, visit));
  return absl::OkStatus();
}

absl::StatusOr<int64_t> PayloadBytes(const onnx::TensorProto& tensor) {
  TY_ASSIGN_OR_RETURN(const Storage storage, StorageOf(tensor.data_type()));
  if (storage.bytes == 0) return absl::InvalidArgumentError("holds strings, which are never raw");
  TY_ASSIGN_OR_RETURN(const int64_t count, ElementsOf(tensor));
  return ElementCount({count, storage.bytes});
}

void CheckPayloads(const onnx::GraphProto& graph, Problems& problems) {
  const TensorVisitor check = [&problems](onnx::TensorProto& tensor, const std::string& where) {
    const absl::Status status = CheckPayload(tensor);
    if (!status.ok()) problems.Add(where, "%s", status.message());
    return absl::OkStatus();
  };
  // The visitor changes nothing.
  ForEachTensor(const_cast<onnx::GraphProto&>(graph), check).IgnoreError();
}

}  // namespace trainyard::graph::internal
