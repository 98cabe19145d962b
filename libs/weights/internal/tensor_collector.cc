#include "libs/weights/internal/tensor_collector.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/printable.h"
#include "libs/base/status.h"
#include "libs/base/utf8.h"

namespace trainyard::weights {
namespace {

static_assert(std::endian::native == std::endian::little, "elements are read as they lie");

constexpr size_t kMaxRank = 16, kMaxName = 1024;
/// Half-precision doubles, and several names may look at parts of one storage; what grows more than
/// this is no set of weights.
constexpr int64_t kMostPerByte = 16;
constexpr int64_t kFree = 1 << 20;

template <typename T>
T Read(const char* place) {
  T value;
  std::memcpy(&value, place, sizeof(value));
  return value;
}

float Decode(Encoding encoding, const char* place) {
  switch (encoding) {
    case Encoding::kFloat16:
      return FloatFromHalf(Read<uint16_t>(place));
    case Encoding::kBFloat16:
      return FloatFromBFloat16(Read<uint16_t>(place));
    case Encoding::kFloat64:
      return static_cast<float>(Read<double>(place));
    default:
      return Read<float>(place);
  }
}

absl::Status CheckShape(const StridedView& view) {
  if (view.shape.size() > kMaxRank) {
    return absl::InvalidArgumentError(
        absl::StrFormat("has %d dimensions; at most %d are read", view.shape.size(), kMaxRank));
  }
  if (view.strides.size() != view.shape.size()) {
    return absl::InvalidArgumentError(absl::StrFormat("has %d dimensions and %d strides",
                                                      view.shape.size(), view.strides.size()));
  }
  return absl::OkStatus();
}

/// The number of elements, when all of them lie inside the storage.
absl::StatusOr<int64_t> CheckedCount(const StridedView& view) {
  TY_RETURN_IF_ERROR(CheckShape(view));
  TY_ASSIGN_OR_RETURN(const int64_t count, ElementCount(view.shape));
  const auto stored = static_cast<int64_t>(view.storage.size()) / view.type.bytes;
  if (view.offset < 0 || view.offset > stored) {
    return absl::InvalidArgumentError(
        absl::StrFormat("begins at element %d; its storage has %d", view.offset, stored));
  }
  if (count == 0) return 0;
  if (count > stored) {
    return absl::InvalidArgumentError(
        absl::StrFormat("has shape %s, which is %d elements; its storage has %d",
                        ShapeText(view.shape), count, stored));
  }
  int64_t last = view.offset;
  for (size_t i = 0; i < view.shape.size(); ++i) {
    int64_t way = 0;
    const bool overflow = __builtin_mul_overflow(view.shape[i] - 1, view.strides[i], &way) ||
                          __builtin_add_overflow(last, way, &last);
    if (view.strides[i] < 0 || overflow || last >= stored) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "with shape %s, strides %s and offset %d leaves its storage of %d elements",
          ShapeText(view.shape), ShapeText(view.strides), view.offset, stored));
    }
  }
  return count;
}

/// Copies by strides, the last axis innermost. Everything was checked.
void CopyElements(const StridedView& view, absl::Span<float> out) {
  const char* storage = view.storage.data();
  const auto rank = static_cast<int>(view.shape.size());
  std::vector<int64_t> index(view.shape.size(), 0);
  int64_t element = view.offset;
  for (float& value : out) {
    value = Decode(view.type.encoding, storage + element * view.type.bytes);
    for (int axis = rank - 1; axis >= 0; --axis) {
      element += view.strides[axis];
      if (++index[axis] < view.shape[axis]) break;
      element -= index[axis] * view.strides[axis];
      index[axis] = 0;
    }
  }
}

std::vector<int64_t> RowMajor(const Shape& shape) {
  std::vector<int64_t> strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;)
    strides[i - 1] = strides[i] * std::max<int64_t>(shape[i], 1);
  return strides;
}

}  // namespace

absl::StatusOr<StridedView> DenseView(const ElementType& type, absl::string_view storage,
                                      Shape shape) {
  // Dimensions of a tensor without elements may multiply to anything; then strides do not matter.
  Shape positive = shape;
  for (int64_t& dim : positive) dim = dim < 0 ? dim : std::max<int64_t>(dim, 1);
  TY_RETURN_IF_ERROR(ElementCount(positive));
  std::vector<int64_t> strides = RowMajor(shape);
  return StridedView{
      .type = type, .storage = storage, .shape = std::move(shape), .strides = std::move(strides)};
}

float FloatFromHalf(uint16_t bits) {
  const uint32_t sign = (bits & 0x8000u) << 16, exponent = bits >> 10 & 31u,
                 fraction = bits & 1023u;
  if (exponent == 0) {
    const float small = std::ldexp(static_cast<float>(fraction), -24);
    return sign != 0 ? -small : small;
  }
  // The exponent of infinity and NaN is all ones in both; else the biases are 15 and 127.
  const uint32_t wide = exponent == 31 ? 255 : exponent + 112;
  return std::bit_cast<float>(sign | wide << 23 | fraction << 13);
}

float FloatFromBFloat16(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

TensorCollector::TensorCollector(int64_t file_bytes)
    : most_bytes_(std::min(kMaxWeightBytes, kFree + file_bytes * kMostPerByte)) {}

absl::Status TensorCollector::Add(absl::string_view name, const StridedView& view) {
  if (name.empty() || name.size() > kMaxName || !IsUtf8(name)) {
    return absl::InvalidArgumentError(
        absl::StrFormat("tensor '%s' has a name that is empty, longer than %d bytes or no UTF-8",
                        Shown(name), kMaxName));
  }
  return Annotate(Take(std::string(name), view), absl::StrCat("tensor '", Shown(name), "'"));
}

absl::Status TensorCollector::Take(const std::string& name, const StridedView& view) {
  TY_ASSIGN_OR_RETURN(const int64_t count, CheckedCount(view));
  if (view.type.encoding == Encoding::kNotFloat) {
    weights_.integers.push_back(name);
    return absl::OkStatus();
  }
  if (weights_.tensors.count(name) > 0) return absl::InvalidArgumentError("is there twice");
  const Key key = {view.storage.data(), view.type.name, view.offset, view.shape, view.strides};
  Tensor& tensor = taken_[key];
  if (tensor.raw() == nullptr) {
    const int64_t bytes = count * SizeOf(DType::kFloat32);
    if (bytes > most_bytes_ - bytes_) {
      return absl::ResourceExhaustedError(absl::StrFormat(
          "brings the file's tensors to more than %d bytes, the most that are read of it",
          most_bytes_));
    }
    bytes_ += bytes;
    TY_ASSIGN_OR_RETURN(tensor, Tensor::Create(DType::kFloat32, view.shape));
    CopyElements(view, tensor.data<float>());
  }
  weights_.tensors.emplace(name, tensor);
  if (view.type.encoding != Encoding::kFloat32) ++weights_.converted[view.type.name];
  return absl::OkStatus();
}

absl::StatusOr<NamedWeights> TensorCollector::Finish(absl::string_view format) && {
  if (weights_.tensors.empty()) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "holds no tensor of floating numbers%s",
        weights_.integers.empty() ? "" : "; it was quantized, or is no file of weights"));
  }
  for (const auto& [type, count] : weights_.converted) {
    weights_.notes.push_back(
        absl::StrFormat("%d tensor%s of %s converted to f32", count, count == 1 ? "" : "s", type));
  }
  weights_.format = std::string(format);
  return std::move(weights_);
}

}  // namespace trainyard::weights
