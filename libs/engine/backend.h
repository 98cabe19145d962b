#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/engine/precision.h"
#include "libs/graph/graph.h"
#include "libs/graph/runner.h"

namespace trainyard::engine {

/// A step of a network as the runtime executes it, after its fusions.
struct RuntimeLayer {
  std::string name;
  /// The runtime's own word: `Convolution`, `FakeQuantize`.
  std::string type;
  /// Of its activations: `f32`, `u8`, `i8`.
  std::string precision;
  /// The kernel that was chosen: `brgconv_avx512_I8`.
  std::string implementation;
  /// Multiply-accumulates for one image; 0 for anything but convolutions (transposed ones too) and
  /// products of matrices.
  int64_t macs = 0;
};

/// A compiled network that is ready to run. As GraphRunner says, batches of 1 to max_batch_size();
/// a larger one is kInvalidArgument.
class EngineRunner : public graph::GraphRunner {
 public:
  virtual int max_batch_size() const = 0;
  /// Shapes of inputs and outputs in the order of their names; -1 is the batch. An output whose
  /// first dimension is another number has no batch (CheckBatchIsOpen).
  virtual const std::vector<Shape>& input_shapes() const = 0;
  virtual const std::vector<Shape>& output_shapes() const = 0;
  /// What really runs.
  virtual absl::StatusOr<std::vector<RuntimeLayer>> RuntimeLayers() const = 0;
};

/// kInvalidArgument, naming all outputs whose first dimension does not follow the batch though the
/// runner takes more than one image: they would answer for other images than they are taken for.
absl::Status CheckBatchIsOpen(const EngineRunner& runner);

/// What a backend can do on this machine.
struct BackendCapabilities {
  std::string name;
  /// The runtime's version: engines of another one are refused.
  std::string version;
  /// What the processor computes in: `FP32`, `FP16`, `BF16`, `INT8`.
  std::vector<std::string> native_precisions;
};

struct CompileOptions {
  Precision precision = Precision::kFp32;
  /// Batches of 1 to this many images. >= 1.
  int max_batch_size = 1;
  /// Threads that the network may use. >= 1.
  int threads = 1;
};

/// What is known of a blob, from where it was kept.
struct LoadOptions {
  /// As when it was compiled.
  int max_batch_size = 1;
  std::vector<std::string> input_names, output_names;
  /// May differ from those of the build. >= 1.
  int threads = 1;
};

/// A compiled network in both its forms.
struct CompiledNetwork {
  /// For the file; Load takes it.
  std::string blob;
  std::unique_ptr<EngineRunner> runner;
};

/// A runtime that compiles graphs for this machine and runs them. One for each folder below
/// libs/engine. Thread-safe; the runners it makes are not.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual const BackendCapabilities& capabilities() const = 0;

  /// Compiles `graph`, which has f32 inputs with a batch as their first dimension; one in Q/DQ form
  /// when the precision is INT8. FP32 means f32 throughout, never a shorter float. INT8 means the
  /// numbers that the Q/DQ graph says (BuildInt8 holds the runtime to it).
  /// kInvalidArgument for options out of range and for graphs the runtime refuses, in its words.
  virtual absl::StatusOr<CompiledNetwork> Compile(const graph::Graph& graph,
                                                  const CompileOptions& options) const = 0;

  /// Makes a runner of a blob that Compile made on the same hardware with the same version.
  /// kDataLoss when the runtime cannot read it or it is not what `options` say.
  virtual absl::StatusOr<std::unique_ptr<EngineRunner>> Load(absl::string_view blob,
                                                             const LoadOptions& options) const = 0;
};

/// The backend of that name; lives as long as the program. kNotFound with the names that there are;
/// kFailedPrecondition when its runtime cannot be started.
absl::StatusOr<const Backend*> FindBackend(absl::string_view name);
std::vector<std::string> BackendNames();

}  // namespace trainyard::engine
