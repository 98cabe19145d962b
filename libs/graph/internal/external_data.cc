#include "libs/graph/internal/external_data.h"

#include <filesystem>
#include <fstream>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/graph/internal/tensors.h"
#include "onnx/onnx_pb.h"

namespace trainyard::graph::internal {
namespace {

/// What one model may bring in: a file of ONNX could not hold more either.
constexpr int64_t kMaxTotalBytes = (int64_t{1} << 31) - 1;

/// Where the bytes of one tensor lie.
struct Place {
  std::string location;
  int64_t offset = 0;
  /// -1: not said; what the tensor's shape needs.
  int64_t length = -1;
};

absl::StatusOr<Place> PlaceOf(const onnx::TensorProto& tensor) {
  Place place;
  for (const auto& entry : tensor.external_data()) {
    if (entry.key() == "location") place.location = entry.value();
    int64_t* number = entry.key() == "offset"   ? &place.offset
                      : entry.key() == "length" ? &place.length
                                                : nullptr;
    if (number != nullptr && (!absl::SimpleAtoi(entry.value(), number) || *number < 0)) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "external_data.%s is '%s'; expected a whole number from 0", entry.key(), entry.value()));
    }
  }
  const std::filesystem::path path = std::filesystem::path(place.location).lexically_normal();
  if (place.location.empty() || path.is_absolute() || *path.begin() == "..") {
    return absl::InvalidArgumentError(
        absl::StrFormat("external_data.location is '%s'; expected a file in the model's own folder",
                        place.location));
  }
  return place;
}

absl::StatusOr<std::string> ReadPart(const std::string& path, const Place& place) {
  TY_ASSIGN_OR_RETURN(const int64_t size, FileSize(path));
  const int64_t length = place.length;
  if (place.offset > size || length > size - place.offset) {
    return absl::DataLossError(absl::StrFormat(
        "'%s' has %d bytes; expected %d bytes from offset %d", path, size, length, place.offset));
  }
  if (length == 0) return "";
  std::ifstream file(path, std::ios::binary);
  std::string bytes(length, '\0');
  if (!file.seekg(place.offset) || !file.read(bytes.data(), length)) {
    return absl::InternalError(absl::StrCat("cannot read '", path, "'"));
  }
  return bytes;
}

/// `left` counts down what the model may still bring in.
absl::Status LoadTensor(onnx::TensorProto& tensor, const std::string& folder, int64_t& left) {
  if (tensor.data_location() != onnx::TensorProto::EXTERNAL) return absl::OkStatus();
  if (folder.empty()) {
    return absl::InvalidArgumentError(
        "its data lies in another file; open the model by its path, or save it in one file");
  }
  TY_ASSIGN_OR_RETURN(Place place, PlaceOf(tensor));
  // The folder itself may be a link; a link inside it that leads out may not.
  std::error_code error;
  const auto root = std::filesystem::weakly_canonical(folder, error);
  const auto path = std::filesystem::weakly_canonical(root / place.location, error);
  if (error || path.lexically_relative(root).empty() ||
      *path.lexically_relative(root).begin() == "..") {
    return absl::InvalidArgumentError(absl::StrFormat(
        "external_data.location is '%s', which leaves the model's folder", place.location));
  }
  // What the shape needs is known before a byte is read: several tensors may name one huge file.
  TY_ASSIGN_OR_RETURN(const int64_t bytes, PayloadBytes(tensor));
  if (place.length >= 0 && place.length != bytes) {
    return absl::DataLossError(absl::StrFormat(
        "external_data.length is %d; expected %d bytes for its shape", place.length, bytes));
  }
  place.length = bytes;
  left -= bytes;
  if (left < 0) {
    return absl::ResourceExhaustedError(absl::StrFormat(
        "with it the weights have more than %d bytes, the most that is offered", kMaxTotalBytes));
  }
  TY_ASSIGN_OR_RETURN(*tensor.mutable_raw_data(), ReadPart(path.string(), place));
  tensor.clear_external_data();
  tensor.clear_data_location();
  return absl::OkStatus();
}

}  // namespace

absl::Status LoadExternalData(onnx::ModelProto& model, const std::string& folder) {
  int64_t left = kMaxTotalBytes;
  return ForEachTensor(*model.mutable_graph(), [&](onnx::TensorProto& tensor, const std::string&) {
    return Annotate(LoadTensor(tensor, folder, left), absl::StrCat("tensor '", tensor.name(), "'"));
  });
}

}  // namespace trainyard::graph::internal
