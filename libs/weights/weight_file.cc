#include "libs/weights/weight_file.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/weights/internal/formats.h"

namespace trainyard::weights {
namespace {

/// What is read of a file: its tensors as f64 would be twice as many bytes as they are taken as.
constexpr int64_t kMaxFileBytes = 2 * kMaxWeightBytes;

absl::Status DescribeForeign(absl::string_view bytes) {
  if (absl::StartsWith(bytes, "\x89HDF\r\n\x1a\n")) {
    return absl::UnimplementedError(
        "Keras' HDF5 is not read; save the model as ONNX (tf2onnx) or its weights as safetensors");
  }
  if (absl::StartsWith(bytes, "TRYARD\x1a\n")) {
    return absl::InvalidArgumentError(
        "is a sealed model of Trainyard, which is opened with its key as a pretrained model, not "
        "as "
        "a file of weights of another framework");
  }
  if (bytes.size() > 8 && bytes.substr(4, 4) == "TFL3") {
    return absl::UnimplementedError("TFLite is not read; save the model as ONNX or safetensors");
  }
  if (absl::StartsWith(bytes, "\x80")) {
    return absl::InvalidArgumentError(
        "is a Python pickle that torch.save did not write; expected a state dict of PyTorch");
  }
  return absl::InvalidArgumentError(
      "is no file of weights; expected a state dict of PyTorch (.pth, .pt), safetensors or ONNX");
}

absl::StatusOr<NamedWeights> ParseByContent(absl::string_view bytes, const std::string& folder) {
  if (bytes.empty()) return absl::DataLossError("is empty (0 bytes)");
  if (absl::StartsWith(bytes, "PK\x03\x04")) return weights::ParsePyTorchZip(bytes);
  if (weights::LooksLegacyPyTorch(bytes)) return weights::ParseLegacyPyTorch(bytes);
  if (weights::LooksSafetensors(bytes)) return weights::ParseSafetensors(bytes);
  // The IR's version, the first field of every model that exporters write.
  if (absl::StartsWith(bytes, "\x08")) return weights::ParseOnnxWeights(bytes, folder);
  return DescribeForeign(bytes);
}

}  // namespace

absl::StatusOr<NamedWeights> ParseWeights(absl::string_view bytes, absl::string_view name,
                                          const std::string& folder) {
  auto weights = ParseByContent(bytes, folder);
  if (weights.ok()) return weights;
  return Annotate(weights.status(), absl::StrCat("'", name, "'"));
}

absl::StatusOr<NamedWeights> LoadWeights(const std::string& path) {
  TY_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path, kMaxFileBytes));
  return ParseWeights(bytes, path, DirName(path));
}

}  // namespace trainyard::weights
