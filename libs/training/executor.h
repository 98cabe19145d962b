#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "libs/graph/graph.h"
#include "libs/graph/runner.h"
#include "trainyard/model/v1/model_record.pb.h"

namespace trainyard::training {

struct ExecutorOptions {
  at::Device device = at::kCPU;
  /// What training must leave alone, by names of initializers and nodes.
  model::v1::TrainingFlags flags;
  /// Activations and kernels of four dimensions lie channels-last in memory: what oneDNN and cuDNN
  /// run fastest (docs/performance.md has a measurement).
  bool channels_last = true;
  /// Convolutions and matrix products in bf16 by LibTorch's autocast; parameters stay f32.
  bool autocast = false;
  /// On request a Forward ends with kCancelled before its next node, and gradients of what it returned
  /// end before their next convolution with an exception (libs/training/torch_status.h makes it
  /// kCancelled): a step of seconds is given up within one layer.
  std::stop_token stop;
};

/// How batch normalization and dropout behave. The graph is in inference form always: the mode is
/// the executor's.
enum class Mode { kInference, kTraining };

/// A trainable initializer.
struct Parameter {
  std::string name;
  /// A leaf on the executor's device; writing to it (without gradient tracking) is seen by the
  /// next Forward.
  at::Tensor value;
  bool frozen = false;
  bool regularized = false;
};

/// Runs an ONNX graph with LibTorch, forwards and (through autograd) backwards. Each node becomes one
/// closure at creation, once; a run calls them in order and drops each value after its last reader.
///
/// Trainable are the initializers that are kernels, weights and biases of Conv, Gemm, MatMul and
/// BatchNormalization; other initializers are constants. Batch normalization in training mode uses
/// the batch's mean and biased variance, and updates its statistics as
/// running = m * running + (1 - m) * batch with ONNX's momentum m and the unbiased variance of the
/// batch (TensorFlow's fused kernel does the same), 0 for a single value; nodes listed in
/// flags.frozen_batch_norm use the stored statistics, and keep them and their affine, in any mode.
///
/// Not thread-safe: one caller at a time.
class Executor : public graph::GraphRunner {
 public:
  /// Fails with kUnimplemented, naming node and operator, for what has no mapping (every such node in
  /// one message); kInvalidArgument for attributes or constants that contradict their operator, and
  /// for flags that name what is not there. `graph` is not needed afterwards.
  static absl::StatusOr<std::unique_ptr<Executor>> Create(const graph::Graph& graph,
                                                          ExecutorOptions options);
  ~Executor() override;

  const std::vector<std::string>& input_names() const override { return input_names_; }
  const std::vector<std::string>& output_names() const override { return output_names_; }
  /// In inference mode, without gradients.
  absl::StatusOr<std::vector<Tensor>> Run(absl::Span<const Tensor> inputs) override;

  /// One batch, on tensors anywhere; results on the device. In training mode the results carry their
  /// autograd history unless gradients are off. kInvalidArgument for a wrong count or shape of
  /// inputs; kInternal with LibTorch's message and the node at which it failed.
  absl::StatusOr<std::vector<at::Tensor>> Forward(absl::Span<const at::Tensor> inputs, Mode mode);

  const std::vector<Parameter>& parameters() const { return parameters_; }
  /// Running statistics of batch normalization, by initializer name.
  const std::vector<std::pair<std::string, at::Tensor>>& statistics() const { return statistics_; }
  const at::Device& device() const { return options_.device; }

  /// Copies the statistics' elements, in their order: what they were before a step that is given up.
  /// `copies` is made when it is empty.
  void CopyStatistics(std::vector<at::Tensor>& copies) const;

  /// Stores parameters and statistics into `graph`, which must hold initializers of those names. The
  /// second form takes the statistics from copies. Forward may run in another thread meanwhile with
  /// the second form, since it changes statistics only.
  absl::Status WriteBack(graph::Graph& graph) const;
  absl::Status WriteBack(graph::Graph& graph, absl::Span<const at::Tensor> statistics) const;
  /// The opposite: takes values for all parameters and statistics from `graph`. kInvalidArgument
  /// when a name is missing or has another shape.
  absl::Status ReadFrom(const graph::Graph& graph);

 private:
  friend class GraphCompiler;
  struct Program;
  absl::Status CheckInputs(absl::Span<const at::Tensor> inputs) const;
  explicit Executor(ExecutorOptions options);

  ExecutorOptions options_;
  std::vector<std::string> input_names_;
  /// By input; -1 where the graph leaves a dimension open.
  std::vector<Shape> input_shapes_;
  std::vector<std::string> output_names_;
  std::vector<Parameter> parameters_;
  std::vector<std::pair<std::string, at::Tensor>> statistics_;
  std::unique_ptr<Program> program_;
};

}  // namespace trainyard::training
