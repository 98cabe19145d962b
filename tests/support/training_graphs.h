#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/base/random.h"
#include "libs/base/status.h"
#include "libs/graph/builder.h"
#include "libs/tensor/tensor.h"
#include "libs/training/executor.h"

namespace trainyard::testing {

/// Standard normal numbers, the same for the same seed.
inline Tensor RandomTensor(Shape shape, uint64_t seed) {
  Tensor tensor = Tensor::Zeros(DType::kFloat32, std::move(shape));
  Philox random(seed, 0, 0, RandomPurpose::kInitialization);
  for (float& value : tensor.data<float>()) value = static_cast<float>(random.Normal());
  return tensor;
}

inline Tensor Floats(Shape shape, std::vector<float> values) {
  return Tensor::Of<float>(std::move(shape), values);
}
inline Tensor Ints(std::vector<int64_t> values) {
  const auto count = static_cast<int64_t>(values.size());
  return Tensor::Of<int64_t>({count}, values);
}

/// A graph of one node "n" over the input "x" and the given constants.
inline absl::StatusOr<graph::Graph> OneNode(
    absl::string_view op, const Shape& input,
    const std::vector<std::pair<std::string, Tensor>>& constants,
    const std::vector<graph::NodeAttribute>& attributes, const Shape& output) {
  graph::GraphBuilder builder("test");
  std::vector<std::string> inputs = {builder.Input("x", input)};
  for (const auto& [name, value] : constants) {
    inputs.push_back(name.empty() ? "" : builder.Initializer(name, value));
  }
  builder.Output(builder.Node(op, "n", inputs, attributes), output);
  return std::move(builder).Finish();
}

/// The one output of a graph for one input, by the executor.
inline absl::StatusOr<Tensor> RunGraph(const graph::Graph& graph, const Tensor& input,
                                       training::ExecutorOptions options = {}) {
  TY_ASSIGN_OR_RETURN(auto executor, training::Executor::Create(graph, std::move(options)));
  TY_ASSIGN_OR_RETURN(std::vector<Tensor> outputs, executor->Run({input}));
  return outputs.at(0);
}

}  // namespace trainyard::testing
