#pragma once

#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/graph/graph.h"
#include "libs/tensor/tensor.h"

namespace trainyard::testing {

/// Runs `graph` on one f32 input with onnxruntime, in the Python of the test environment: a witness
/// that shares no line with us. The outputs are f32, in the graph's order.
inline absl::StatusOr<std::vector<Tensor>> RunOnnxruntime(const Graph& graph, const Tensor& input) {
  const std::string folder = JoinPath(::testing::TempDir(), absl::StrCat("ort_", ::getpid()));
  TY_RETURN_IF_ERROR(MakeFolders(folder));
  TY_RETURN_IF_ERROR(graph.Save(JoinPath(folder, "model.onnx")));
  const absl::string_view bytes(static_cast<const char*>(input.raw()),
                                static_cast<size_t>(input.size_bytes()));
  TY_RETURN_IF_ERROR(WriteFileAtomically(JoinPath(folder, "input.bin"), bytes));
  std::string shape;
  for (const int64_t dimension : input.shape()) absl::StrAppend(&shape, " ", dimension);
  const std::string command =
      absl::StrCat(TRAINYARD_SOURCE_DIR, "/.deps/venv/bin/python ", TRAINYARD_SOURCE_DIR,
                   "/tests/support/python/run_onnxruntime.py ", folder, shape);
  if (std::system(command.c_str()) != 0) {
    return absl::InternalError(absl::StrCat("onnxruntime failed: ", command));
  }
  std::vector<Tensor> outputs;
  for (size_t i = 0; i < graph.OutputNames().size(); ++i) {
    TY_ASSIGN_OR_RETURN(const std::string data,
                        ReadFile(JoinPath(folder, absl::StrCat("output_", i, ".bin"))));
    // Rank and dimensions as int64, then the elements.
    int64_t rank = 0;
    std::memcpy(&rank, data.data(), sizeof(rank));
    Shape dimensions(static_cast<size_t>(rank));
    std::memcpy(dimensions.data(), data.data() + 8, dimensions.size() * 8);
    TY_ASSIGN_OR_RETURN(Tensor output, Tensor::Create(DType::kFloat32, dimensions));
    std::memcpy(output.raw(), data.data() + 8 + dimensions.size() * 8, output.size_bytes());
    outputs.push_back(std::move(output));
  }
  TY_RETURN_IF_ERROR(RemoveTree(folder));
  return outputs;
}

}  // namespace trainyard::testing
