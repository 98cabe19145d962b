#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/weights/weight_file.h"

namespace trainyard::weights {

/// How a file stores an element. Little-endian.
enum class Encoding { kFloat16, kBFloat16, kFloat32, kFloat64, kNotFloat };

/// An element type of a file.
struct ElementType {
  /// "f32", "i64": as reports call it.
  std::string name;
  int64_t bytes = 0;
  Encoding encoding = Encoding::kNotFloat;
};

/// A tensor of a file: elements of a storage, by strides. Nothing in it has been checked.
struct StridedView {
  ElementType type;
  /// The whole storage.
  absl::string_view storage;
  /// All in elements.
  int64_t offset = 0;
  Shape shape;
  std::vector<int64_t> strides;
};

/// A view of a whole storage in row-major order. kInvalidArgument for a shape that no tensor has.
absl::StatusOr<StridedView> DenseView(const ElementType& type, absl::string_view storage,
                                      Shape shape);

/// IEEE 754's half and its neighbour, bfloat16.
float FloatFromHalf(uint16_t bits);
float FloatFromBFloat16(uint16_t bits);

/// Takes tensors out of a file: checks each, converts it to f32, and minds how much there is of
/// them. Not thread-safe. Storages must outlive the collector.
class TensorCollector {
 public:
  /// `file_bytes` bounds what all tensors together may take.
  explicit TensorCollector(int64_t file_bytes);

  /// kInvalidArgument for a view that leaves its storage, has more elements than it or a shape that
  /// no tensor has, and for a name that is there already; kResourceExhausted as ParseWeights says.
  /// Messages begin with the name.
  absl::Status Add(absl::string_view name, const StridedView& view);

  void AddNote(std::string note) { weights_.notes.push_back(std::move(note)); }

  /// kInvalidArgument when there was no tensor.
  absl::StatusOr<NamedWeights> Finish(absl::string_view format) &&;

 private:
  /// What the elements of a tensor are: two tensors of the same key have the same.
  using Key = std::tuple<const void*, std::string, int64_t, Shape, std::vector<int64_t>>;

  absl::Status Take(const std::string& name, const StridedView& view);

  const int64_t most_bytes_;
  int64_t bytes_ = 0;
  std::map<Key, Tensor> taken_;
  NamedWeights weights_;
};

}  // namespace trainyard::weights
