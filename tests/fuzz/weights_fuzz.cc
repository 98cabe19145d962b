// A file of weights of another framework: state dicts of PyTorch, safetensors, ONNX.

#include "libs/weights/weight_file.h"
#include "tests/fuzz/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace trainyard;
  const auto weights = trainyard::weights::ParseWeights(fuzz::AsText(data, size), "input");
  if (!weights.ok()) return 0;
  fuzz::Require(!weights->tensors.empty());
  int64_t numbers = 0;
  for (const auto& [name, tensor] : weights->tensors) {
    fuzz::Require(!name.empty() && tensor.dtype() == DType::kFloat32);
    // Reads every element, so that a view beyond its buffer is seen.
    for (const float value : tensor.data<float>()) numbers += value == value ? 1 : 0;
  }
  fuzz::Require(numbers >= 0);
  return 0;
}
