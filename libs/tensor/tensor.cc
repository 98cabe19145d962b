#include "libs/tensor/tensor.h"

#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/status.h"

namespace trainyard {
namespace {

constexpr int64_t kMaxBytes = int64_t{1} << 40;
constexpr size_t kAlignment = 64;

[[noreturn]] void Die(const std::string& message) {
  fprintf(stderr, "trainyard: tensor: %s\n", message.c_str());
  abort();
}

}  // namespace

int64_t SizeOf(DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
    case DType::kInt32:
      return 4;
    case DType::kUInt8:
    case DType::kInt8:
    case DType::kBool:
      return 1;
    case DType::kInt64:
    case DType::kFloat64:
      return 8;
  }
  Die(absl::StrCat("unknown dtype ", static_cast<int>(dtype)));
}

absl::string_view NameOf(DType dtype) {
  switch (dtype) {
    case DType::kFloat32: return "f32";
    case DType::kUInt8: return "u8";
    case DType::kInt8: return "i8";
    case DType::kInt32: return "i32";
    case DType::kInt64: return "i64";
    case DType::kBool: return "bool";
    case DType::kFloat64: return "f64";
  }
  Die(absl::StrCat("unknown dtype ", static_cast<int>(dtype)));
}

std::string ShapeText(absl::Span<const int64_t> shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

absl::StatusOr<int64_t> ElementCount(absl::Span<const int64_t> shape) {
  int64_t count = 1;
  for (const int64_t dim : shape) {
    if (dim < 0 || __builtin_mul_overflow(count, dim, &count)) {
      return absl::InvalidArgumentError(
          absl::StrCat("shape ", ShapeText(shape), " has no element count in 64 bits"));
    }
  }
  return count;
}

absl::StatusOr<Tensor> Tensor::Create(DType dtype, Shape shape) {
  TY_ASSIGN_OR_RETURN(const int64_t count, ElementCount(shape));
  if (count > kMaxBytes / SizeOf(dtype)) {
    return absl::ResourceExhaustedError(
        absl::StrCat("a tensor of shape ", ShapeText(shape), " is larger than 1 TiB"));
  }
  const size_t bytes = static_cast<size_t>(count * SizeOf(dtype));
  // aligned_alloc wants a multiple of the alignment.
  const size_t padded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  void* data = padded == 0 ? nullptr : aligned_alloc(kAlignment, padded);
  if (padded != 0 && data == nullptr) {
    return absl::ResourceExhaustedError(
        absl::StrCat("no memory for a tensor of shape ", ShapeText(shape), ", ", bytes, " bytes"));
  }
  if (data != nullptr) memset(data, 0, padded);
  Tensor tensor;
  tensor.dtype_ = dtype;
  tensor.shape_ = std::move(shape);
  tensor.size_ = count;
  tensor.data_ = data;
  tensor.keeper_ = std::shared_ptr<const void>(data, [](const void* p) { free(const_cast<void*>(p)); });
  return tensor;
}

Tensor Tensor::Zeros(DType dtype, Shape shape) {
  auto tensor = Create(dtype, std::move(shape));
  if (!tensor.ok()) Die(std::string(tensor.status().message()));
  return *std::move(tensor);
}

absl::StatusOr<Tensor> Tensor::View(DType dtype, Shape shape, void* data,
                                    std::shared_ptr<const void> keeper) {
  Tensor tensor;
  TY_ASSIGN_OR_RETURN(tensor.size_, ElementCount(shape));
  tensor.dtype_ = dtype;
  tensor.shape_ = std::move(shape);
  tensor.data_ = data;
  tensor.keeper_ = std::move(keeper);
  return tensor;
}

int64_t Tensor::dim(int64_t i) const {
  const int64_t index = i < 0 ? i + rank() : i;
  if (index < 0 || index >= rank()) {
    Die(absl::StrCat("dimension ", i, " of shape ", ShapeText(shape_)));
  }
  return shape_[static_cast<size_t>(index)];
}

absl::StatusOr<Tensor> Tensor::Reshape(Shape shape) const {
  TY_ASSIGN_OR_RETURN(const int64_t count, ElementCount(shape));
  if (count != size_) {
    return absl::InvalidArgumentError(absl::StrCat("cannot reshape ", ShapeText(shape_), " to ",
                                                   ShapeText(shape), ": ", size_, " elements are not ",
                                                   count));
  }
  Tensor tensor = *this;
  tensor.shape_ = std::move(shape);
  return tensor;
}

absl::StatusOr<Tensor> Tensor::Rows(int64_t begin, int64_t end) const {
  if (rank() == 0 || begin < 0 || begin > end || end > shape_[0]) {
    return absl::OutOfRangeError(
        absl::StrCat("rows [", begin, ", ", end, ") of shape ", ShapeText(shape_)));
  }
  Tensor tensor = *this;
  const int64_t row = shape_[0] == 0 ? 0 : size_ / shape_[0];
  tensor.shape_[0] = end - begin;
  tensor.size_ = row * (end - begin);
  tensor.data_ = static_cast<char*>(data_) + begin * row * SizeOf(dtype_);
  return tensor;
}

Tensor Tensor::Clone() const {
  Tensor copy = Zeros(dtype_, shape_);
  copy.CopyFrom(data_, size_bytes());
  return copy;
}

void Tensor::CheckDType(DType wanted) const {
  if (dtype_ != wanted) {
    Die(absl::StrCat("elements are ", NameOf(dtype_), ", read as ", NameOf(wanted)));
  }
}

void Tensor::CopyFrom(const void* source, int64_t bytes) {
  if (bytes != size_bytes()) {
    Die(absl::StrCat(bytes, " bytes for a tensor of ", size_bytes()));
  }
  if (bytes > 0) memcpy(data_, source, static_cast<size_t>(bytes));
}

}  // namespace trainyard
