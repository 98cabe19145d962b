#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace trainyard {

/// Element types. The numbers are ONNX's TensorProto.DataType, so that no table is needed.
enum class DType : int32_t {
  kFloat32 = 1,
  kUInt8 = 2,
  kInt8 = 3,
  kInt32 = 6,
  kInt64 = 7,
  kBool = 9,
  kFloat64 = 11,
};

/// Bytes of one element.
int64_t SizeOf(DType dtype);
/// "f32", "u8", "i8", "i32", "i64", "bool", "f64".
absl::string_view NameOf(DType dtype);

/// The DType of a C++ element type.
template <typename T>
struct DTypeOf;
template <> struct DTypeOf<float> { static constexpr DType value = DType::kFloat32; };
template <> struct DTypeOf<uint8_t> { static constexpr DType value = DType::kUInt8; };
template <> struct DTypeOf<int8_t> { static constexpr DType value = DType::kInt8; };
template <> struct DTypeOf<int32_t> { static constexpr DType value = DType::kInt32; };
template <> struct DTypeOf<int64_t> { static constexpr DType value = DType::kInt64; };
template <> struct DTypeOf<bool> { static constexpr DType value = DType::kBool; };
template <> struct DTypeOf<double> { static constexpr DType value = DType::kFloat64; };

using Shape = std::vector<int64_t>;

/// "[2, 3, 300, 300]".
std::string ShapeText(absl::Span<const int64_t> shape);
/// Product of the dimensions. kInvalidArgument when one is negative or the product overflows int64.
absl::StatusOr<int64_t> ElementCount(absl::Span<const int64_t> shape);

/// A dense row-major array: dtype, shape, and a 64-byte aligned buffer that copies share.
///
/// Copying a Tensor copies the handle; Clone() copies the elements. Writing through one handle is
/// seen through all. Reading from several threads is safe; writing needs the caller's own order.
/// A default-constructed Tensor is empty: f32, shape [0], no buffer.
class Tensor {
 public:
  Tensor() = default;

  /// Zero-filled. kInvalidArgument for a bad shape; kResourceExhausted above 2^40 bytes or when the
  /// allocation fails. Nothing is allocated before the check.
  static absl::StatusOr<Tensor> Create(DType dtype, Shape shape);
  /// Like Create; aborts where Create fails. For shapes that are our own invariants.
  static Tensor Zeros(DType dtype, Shape shape);
  /// Copies `values`, whose count must be the shape's (aborts otherwise).
  template <typename T>
  static Tensor Of(Shape shape, absl::Span<const T> values) {
    Tensor tensor = Zeros(DTypeOf<T>::value, std::move(shape));
    tensor.CopyFrom(values.data(), static_cast<int64_t>(values.size() * sizeof(T)));
    return tensor;
  }
  /// Looks at memory of somebody else; `keeper` keeps it alive. kInvalidArgument for a bad shape.
  static absl::StatusOr<Tensor> View(DType dtype, Shape shape, void* data,
                                     std::shared_ptr<const void> keeper);

  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  int64_t rank() const { return static_cast<int64_t>(shape_.size()); }
  /// Dimension i; negative counts from the end. Aborts out of range.
  int64_t dim(int64_t i) const;
  int64_t size() const { return size_; }
  int64_t size_bytes() const { return size_ * SizeOf(dtype_); }

  void* raw() { return data_; }
  const void* raw() const { return data_; }
  /// Keeps the buffer alive; for views made by others (torch, cv::Mat, OpenVINO).
  std::shared_ptr<const void> keeper() const { return keeper_; }

  /// The elements; aborts when T is not the dtype.
  template <typename T>
  absl::Span<T> data() {
    CheckDType(DTypeOf<T>::value);
    return {static_cast<T*>(data_), static_cast<size_t>(size_)};
  }
  template <typename T>
  absl::Span<const T> data() const {
    CheckDType(DTypeOf<T>::value);
    return {static_cast<const T*>(data_), static_cast<size_t>(size_)};
  }

  /// The same elements under another shape of the same count; shares the buffer.
  absl::StatusOr<Tensor> Reshape(Shape shape) const;
  /// Rows [begin, end) of the first dimension; shares the buffer. kOutOfRange beyond the shape.
  absl::StatusOr<Tensor> Rows(int64_t begin, int64_t end) const;
  Tensor Clone() const;

 private:
  void CheckDType(DType wanted) const;
  void CopyFrom(const void* source, int64_t bytes);

  DType dtype_ = DType::kFloat32;
  Shape shape_ = {0};
  int64_t size_ = 0;
  void* data_ = nullptr;
  std::shared_ptr<const void> keeper_;
};

}  // namespace trainyard
