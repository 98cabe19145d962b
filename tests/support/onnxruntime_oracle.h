#pragma once

#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gtest/gtest.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/graph/graph.h"
#include "libs/tensor/tensor.h"
#include "tests/support/places.h"

namespace trainyard::testing {

/// A network, the bytes of a ModelProto, and what it is asked.
struct OracleJob {
  std::string model;
  Tensor input;
};

/// Runs every job with onnxruntime, in one process of the test environment's Python: a witness that
/// shares no line with us. One input, f32; the outputs are f32, in the graph's order.
inline absl::StatusOr<std::vector<std::vector<Tensor>>> RunOnnxruntime(
    const std::vector<OracleJob>& jobs) {
  const std::string root = JoinPath(::testing::TempDir(), absl::StrCat("ort_", ::getpid()));
  std::string command =
      absl::StrCat(SourceDir(), "/.deps/venv/bin/python ", SourceDir(),
                   "/tests/support/python/run_onnxruntime.py");
  for (size_t i = 0; i < jobs.size(); ++i) {
    const std::string folder = JoinPath(root, absl::StrCat(i));
    TY_RETURN_IF_ERROR(MakeFolders(folder));
    TY_RETURN_IF_ERROR(WriteFileAtomically(JoinPath(folder, "model.onnx"), jobs[i].model));
    const Tensor& input = jobs[i].input;
    const absl::string_view bytes(static_cast<const char*>(input.raw()),
                                  static_cast<size_t>(input.size_bytes()));
    TY_RETURN_IF_ERROR(WriteFileAtomically(JoinPath(folder, "input.bin"), bytes));
    absl::StrAppend(&command, " ", folder, ":", absl::StrJoin(input.shape(), "x"));
  }
  if (std::system(command.c_str()) != 0) {
    return absl::InternalError(absl::StrCat("onnxruntime failed: ", command));
  }
  std::vector<std::vector<Tensor>> all;
  for (size_t i = 0; i < jobs.size(); ++i) {
    std::vector<Tensor>& outputs = all.emplace_back();
    for (int k = 0;; ++k) {
      const std::string path = JoinPath(root, absl::StrCat(i, "/output_", k, ".bin"));
      if (!FileExists(path)) break;
      TY_ASSIGN_OR_RETURN(const std::string data, ReadFile(path));
      // Rank and dimensions as int64, then the elements.
      int64_t rank = 0;
      std::memcpy(&rank, data.data(), sizeof(rank));
      Shape dimensions(static_cast<size_t>(rank));
      std::memcpy(dimensions.data(), data.data() + 8, dimensions.size() * 8);
      TY_ASSIGN_OR_RETURN(Tensor output, Tensor::Create(DType::kFloat32, dimensions));
      std::memcpy(output.raw(), data.data() + 8 + dimensions.size() * 8, output.size_bytes());
      outputs.push_back(std::move(output));
    }
  }
  TY_RETURN_IF_ERROR(RemoveTree(root));
  return all;
}

/// The same for one.
inline absl::StatusOr<std::vector<Tensor>> RunOnnxruntime(const graph::Graph& graph,
                                                          const Tensor& input) {
  TY_ASSIGN_OR_RETURN(auto all, RunOnnxruntime({OracleJob{graph.Serialize(), input}}));
  return std::move(all[0]);
}

}  // namespace trainyard::testing
