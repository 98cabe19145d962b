#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/status.h"
#include "libs/graph/graph.h"
#include "onnx/onnx_pb.h"

namespace trainyard::graph {
namespace {

bool IsKnown(int32_t data_type) {
  switch (static_cast<DType>(data_type)) {
    case DType::kFloat32:
    case DType::kUInt8:
    case DType::kInt8:
    case DType::kInt32:
    case DType::kInt64:
    case DType::kBool:
    case DType::kFloat64:
      return true;
  }
  return false;
}

std::string TypeName(int32_t data_type) {
  const std::string& name =
      onnx::TensorProto::DataType_Name(static_cast<onnx::TensorProto::DataType>(data_type));
  return name.empty() ? absl::StrCat("type ", data_type) : name;
}

absl::Status WrongCount(int64_t seen, absl::string_view what, int64_t expected,
                        const Shape& shape) {
  return absl::DataLossError(absl::StrFormat("has %d %s; expected %d for shape %s", seen, what,
                                             expected, ShapeText(shape)));
}

template <typename T, typename Field>
absl::StatusOr<Tensor> FromField(DType dtype, const Shape& shape, int64_t count,
                                 const Field& field) {
  if (field.size() != count) return WrongCount(field.size(), "values", count, shape);
  TY_ASSIGN_OR_RETURN(Tensor tensor, Tensor::Create(dtype, shape));
  T* out = static_cast<T*>(tensor.raw());
  for (const auto value : field) *out++ = static_cast<T>(value);
  return tensor;
}

absl::StatusOr<Tensor> FromRaw(DType dtype, const Shape& shape, int64_t count,
                               const std::string& raw) {
  const int64_t seen = static_cast<int64_t>(raw.size());
  // Divided, not multiplied: `count` comes from a file and may be near the largest number there is.
  if (seen % SizeOf(dtype) != 0 || seen / SizeOf(dtype) != count) {
    return WrongCount(seen, absl::StrCat("bytes of ", NameOf(dtype)), count * SizeOf(dtype), shape);
  }
  TY_ASSIGN_OR_RETURN(Tensor tensor, Tensor::Create(dtype, shape));
  if (seen > 0) std::memcpy(tensor.raw(), raw.data(), raw.size());
  return tensor;
}

absl::StatusOr<Tensor> Decode(const onnx::TensorProto& proto) {
  if (!IsKnown(proto.data_type())) {
    const bool half = proto.data_type() == onnx::TensorProto::FLOAT16 ||
                      proto.data_type() == onnx::TensorProto::BFLOAT16;
    return absl::UnimplementedError(absl::StrFormat(
        "has element type %s; offered are FLOAT, DOUBLE, INT8, UINT8, INT32, INT64 and BOOL%s",
        TypeName(proto.data_type()),
        half ? ". Export the model in float32 (in PyTorch: model.float())" : ""));
  }
  if (proto.data_location() == onnx::TensorProto::EXTERNAL) {
    return absl::FailedPreconditionError("has its data in another file");
  }
  const DType dtype = static_cast<DType>(proto.data_type());
  const Shape shape(proto.dims().begin(), proto.dims().end());
  TY_ASSIGN_OR_RETURN(const int64_t count, ElementCount(shape));
  if (proto.has_raw_data()) return FromRaw(dtype, shape, count, proto.raw_data());
  switch (dtype) {
    case DType::kFloat32:
      return FromField<float>(dtype, shape, count, proto.float_data());
    case DType::kFloat64:
      return FromField<double>(dtype, shape, count, proto.double_data());
    case DType::kInt64:
      return FromField<int64_t>(dtype, shape, count, proto.int64_data());
    case DType::kInt32:
      return FromField<int32_t>(dtype, shape, count, proto.int32_data());
    case DType::kInt8:
      return FromField<int8_t>(dtype, shape, count, proto.int32_data());
    case DType::kUInt8:
      return FromField<uint8_t>(dtype, shape, count, proto.int32_data());
    case DType::kBool:
      return FromField<bool>(dtype, shape, count, proto.int32_data());
  }
  return absl::InternalError("unreachable");
}

}  // namespace

absl::StatusOr<Tensor> TensorFromProto(const onnx::TensorProto& proto) {
  absl::StatusOr<Tensor> tensor = Decode(proto);
  if (tensor.ok()) return tensor;
  return Annotate(tensor.status(), absl::StrCat("tensor '", proto.name(), "'"));
}

onnx::TensorProto TensorToProto(const std::string& name, const Tensor& tensor) {
  onnx::TensorProto proto;
  proto.set_name(name);
  proto.set_data_type(static_cast<int32_t>(tensor.dtype()));
  for (const int64_t dim : tensor.shape()) proto.add_dims(dim);
  proto.set_raw_data(tensor.raw(), static_cast<size_t>(tensor.size_bytes()));
  return proto;
}

}  // namespace trainyard::graph
