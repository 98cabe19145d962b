#include "libs/graph/internal/external_data.h"

#include <filesystem>
#include <fstream>
#include <functional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "onnx/onnx_pb.h"

namespace trainyard::internal {
namespace {

using TensorVisitor = std::function<absl::Status(onnx::TensorProto&)>;

/// Initializers and tensor attributes, those in bodies of nodes too.
absl::Status ForEachTensor(onnx::GraphProto& graph, const TensorVisitor& visit) {
  for (auto& tensor : *graph.mutable_initializer()) TY_RETURN_IF_ERROR(visit(tensor));
  for (auto& node : *graph.mutable_node()) {
    for (auto& attribute : *node.mutable_attribute()) {
      if (attribute.has_t()) TY_RETURN_IF_ERROR(visit(*attribute.mutable_t()));
      for (auto& tensor : *attribute.mutable_tensors()) TY_RETURN_IF_ERROR(visit(tensor));
      if (attribute.has_g()) TY_RETURN_IF_ERROR(ForEachTensor(*attribute.mutable_g(), visit));
      for (auto& body : *attribute.mutable_graphs()) TY_RETURN_IF_ERROR(ForEachTensor(body, visit));
    }
  }
  return absl::OkStatus();
}

/// Where the bytes of one tensor lie.
struct Place {
  std::string location;
  int64_t offset = 0;
  /// -1: to the end of the file.
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
  const int64_t length = place.length >= 0 ? place.length : size - place.offset;
  if (place.offset > size || length > size - place.offset) {
    return absl::DataLossError(absl::StrFormat(
        "'%s' has %d bytes; expected %d bytes from offset %d", path, size, length, place.offset));
  }
  std::ifstream file(path, std::ios::binary);
  std::string bytes(length, '\0');
  if (!file.seekg(place.offset) || !file.read(bytes.data(), length)) {
    return absl::InternalError(absl::StrCat("cannot read '", path, "'"));
  }
  return bytes;
}

absl::Status LoadTensor(onnx::TensorProto& tensor, const std::string& folder) {
  if (tensor.data_location() != onnx::TensorProto::EXTERNAL) return absl::OkStatus();
  if (folder.empty()) {
    return absl::InvalidArgumentError(
        "its data lies in another file; open the model by its path, or save it in one file");
  }
  TY_ASSIGN_OR_RETURN(const Place place, PlaceOf(tensor));
  // The folder itself may be a link; a link inside it that leads out may not.
  std::error_code error;
  const auto root = std::filesystem::weakly_canonical(folder, error);
  const auto path = std::filesystem::weakly_canonical(root / place.location, error);
  if (error || path.lexically_relative(root).empty() ||
      *path.lexically_relative(root).begin() == "..") {
    return absl::InvalidArgumentError(absl::StrFormat(
        "external_data.location is '%s', which leaves the model's folder", place.location));
  }
  TY_ASSIGN_OR_RETURN(*tensor.mutable_raw_data(), ReadPart(path.string(), place));
  tensor.clear_external_data();
  tensor.clear_data_location();
  return absl::OkStatus();
}

}  // namespace

absl::Status LoadExternalData(onnx::ModelProto& model, const std::string& folder) {
  return ForEachTensor(*model.mutable_graph(), [&folder](onnx::TensorProto& tensor) {
    return Annotate(LoadTensor(tensor, folder), absl::StrCat("tensor '", tensor.name(), "'"));
  });
}

}  // namespace trainyard::internal
