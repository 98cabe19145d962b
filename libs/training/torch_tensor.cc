#include "libs/training/torch_tensor.h"

#include <memory>
#include <utility>

#include "ATen/ops/empty.h"
#include "ATen/ops/from_blob.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status.h"

namespace trainyard::training {
namespace {

at::ScalarType ScalarTypeOf(DType dtype) {
  switch (dtype) {
    case DType::kFloat32: return at::kFloat;
    case DType::kUInt8: return at::kByte;
    case DType::kInt8: return at::kChar;
    case DType::kInt32: return at::kInt;
    case DType::kInt64: return at::kLong;
    case DType::kBool: return at::kBool;
    case DType::kFloat64: return at::kDouble;
  }
  return at::kFloat;
}

absl::StatusOr<DType> DTypeFrom(at::ScalarType type) {
  switch (type) {
    case at::kFloat: return DType::kFloat32;
    case at::kByte: return DType::kUInt8;
    case at::kChar: return DType::kInt8;
    case at::kInt: return DType::kInt32;
    case at::kLong: return DType::kInt64;
    case at::kBool: return DType::kBool;
    case at::kDouble: return DType::kFloat64;
    default:
      return absl::UnimplementedError(
          absl::StrCat("element type ", at::toString(type), " has no counterpart outside LibTorch"));
  }
}

}  // namespace

at::Tensor ToTorch(const Tensor& tensor) {
  const auto options = at::TensorOptions().dtype(ScalarTypeOf(tensor.dtype()));
  if (tensor.size() == 0) return at::empty(tensor.shape(), options);
  return at::from_blob(
      const_cast<void*>(tensor.raw()), tensor.shape(), [keeper = tensor.keeper()](void*) {}, options);
}

absl::StatusOr<Tensor> FromTorch(const at::Tensor& tensor) {
  TY_ASSIGN_OR_RETURN(const DType dtype, DTypeFrom(tensor.scalar_type()));
  auto host = std::make_shared<at::Tensor>(tensor.detach().to(at::kCPU).contiguous());
  void* data = host->data_ptr();
  return Tensor::View(dtype, Shape(tensor.sizes().begin(), tensor.sizes().end()), data,
                      std::move(host));
}

}  // namespace trainyard::training
