#pragma once

#include "ATen/core/Tensor.h"
#include "absl/status/statusor.h"
#include "libs/tensor/tensor.h"

namespace trainyard::training {

/// The same elements as a LibTorch tensor on the CPU; shares the buffer and keeps it alive.
at::Tensor ToTorch(const Tensor& tensor);

/// The elements in host memory, row-major. Shares `tensor`'s buffer when it is on the CPU, dense and
/// row-major already; else copies once. kUnimplemented for element types that Tensor lacks.
absl::StatusOr<Tensor> FromTorch(const at::Tensor& tensor);

}  // namespace trainyard::training
