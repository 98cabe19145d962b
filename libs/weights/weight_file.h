#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/tensor/tensor.h"

namespace trainyard::weights {

/// The tensors of a file that another framework wrote, under the names that they have there.
struct NamedWeights {
  /// "pytorch" (the zip archive of PyTorch 1.6 and later), "pytorch-legacy" (the pickles before),
  /// "safetensors" or "onnx".
  std::string format;
  /// All of f32. What the file holds as f16, bf16 or f64 was converted. Names that mean the same
  /// elements share a buffer, so that nobody may write into it.
  std::map<std::string, Tensor> tensors;
  /// How many tensors were converted, by the type that they have in the file: {"f16": 3}.
  std::map<std::string, int64_t> converted;
  /// Names of tensors of other types (BatchNorm's `num_batches_tracked`); they are no weights.
  std::vector<std::string> integers;
  /// What the user should know, a sentence each: conversions, where the state dict was found.
  std::vector<std::string> notes;
};

/// Most bytes of f32 that are taken from a file.
inline constexpr int64_t kMaxWeightBytes = int64_t{4} << 30;

/// Reads a file of weights. The content decides which format it is, not the ending. Nothing that
/// the file says is executed: of Python's pickle a machine of our own knows what a state dict needs
/// (dicts, lists, numbers, text, tensors), and refuses all else by name. Sizes are held against the
/// file's before anything is allocated: however they overlap, tensors never take more than
/// kMaxWeightBytes, nor than 16 times the file. Takes the file's size twice in memory.
///
/// PyTorch files may hold a state dict, or a dict that has one as `state_dict`, `model_state_dict`,
/// `model` or `net`. ONNX models may have external data in their own folder.
///
/// Fails, with the path and the tensor or place in it, with
/// * kNotFound, kPermissionDenied, kInternal: as ReadFile;
/// * kInvalidArgument: no file of weights, a pickle that wants to run something, a tensor that
///   leaves its storage, no tensors at all;
/// * kDataLoss: cut short or damaged (a zip's CRC differs, sizes that contradict each other);
/// * kUnimplemented: Keras' HDF5, TorchScript, TFLite, big-endian files, types without a
///   conversion; with what to do;
/// * kResourceExhausted: larger than the limits above.
///
/// Sources: torch/serialization.py and torch/_utils.py of PyTorch; CPython's Lib/pickletools.py;
/// PKWARE's APPNOTE.TXT (zip); the safetensors format of Hugging Face.
absl::StatusOr<NamedWeights> LoadWeights(const std::string& path);

/// The same of bytes in memory; `name` is what messages call them. `folder`: where external data of
/// an ONNX model lies; "": none is allowed.
absl::StatusOr<NamedWeights> ParseWeights(absl::string_view bytes, absl::string_view name,
                                          const std::string& folder = "");

}  // namespace trainyard::weights
