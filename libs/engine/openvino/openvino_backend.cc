#include "libs/engine/openvino/openvino_backend.h"

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/status.h"
#include "libs/engine/fingerprint.h"
#include "libs/engine/openvino/openvino_runner.h"
#include "libs/engine/openvino/unsigned_activations.h"
#include "openvino/runtime/core.hpp"
#include "openvino/runtime/properties.hpp"

namespace trainyard::engine {
namespace {

constexpr const char* kDevice = "CPU";

/// Threads and streams: one request at a time may use all of its budget, and no core is claimed for
/// it alone, since other programs share the machine.
ov::AnyMap Properties(int threads) {
  return {ov::hint::inference_precision(ov::element::f32), ov::num_streams(1),
          ov::inference_num_threads(threads), ov::hint::enable_cpu_pinning(false)};
}

/// Only AMX multiplies s8 by s8, a tenth faster than shifted, and OpenVINO's passes leave s8 alone
/// there. With kernels held to an older processor's by oneDNN's switch it is an older processor.
bool ComputesInU8() {
  const HardwareFingerprint machine = ThisMachine();
  const auto& features = machine.features();
  return std::find(features.begin(), features.end(), "amx_int8") == features.end() ||
         std::getenv("ONEDNN_MAX_CPU_ISA") != nullptr;
}

class OpenvinoBackendImpl : public Backend {
 public:
  OpenvinoBackendImpl() {
    capabilities_.name = "openvino";
    capabilities_.version = ov::get_openvino_version().buildNumber;
    capabilities_.native_precisions = core_.get_property(kDevice, ov::device::capabilities);
  }

  const BackendCapabilities& capabilities() const override { return capabilities_; }

  absl::StatusOr<CompiledNetwork> Compile(const graph::Graph& graph,
                                          const CompileOptions& options) const override {
    if (options.max_batch_size < 1 || options.threads < 1) {
      return absl::InvalidArgumentError(absl::StrCat("max_batch_size is ", options.max_batch_size,
                                                     " and threads is ", options.threads,
                                                     "; expected at least 1 of each"));
    }
    try {
      const bool shifts = options.precision == Precision::kInt8 && ComputesInU8();
      const graph::Graph given = shifts ? WithUnsignedActivations(graph) : graph.Clone();
      const std::shared_ptr<ov::Model> model = core_.read_model(given.Serialize(), ov::Tensor());
      SetBatch(*model, options.max_batch_size);
      ov::CompiledModel compiled = core_.compile_model(model, kDevice, Properties(options.threads));
      std::ostringstream blob(std::ios::binary);
      compiled.export_model(blob);
      const LoadOptions ports{options.max_batch_size, graph.InputNames(), graph.OutputNames(),
                              options.threads};
      TY_ASSIGN_OR_RETURN(auto runner, MakeOpenvinoRunner(std::move(compiled), ports));
      return CompiledNetwork{std::move(blob).str(), std::move(runner)};
    } catch (const std::exception& error) {
      return absl::InvalidArgumentError(
          absl::StrCat("OpenVINO ", capabilities_.version, " refuses the graph: ", error.what()));
    }
  }

  absl::StatusOr<std::unique_ptr<EngineRunner>> Load(absl::string_view blob,
                                                     const LoadOptions& options) const override {
    try {
      std::istringstream stream(std::string(blob), std::ios::binary);
      auto runner = MakeOpenvinoRunner(
          core_.import_model(stream, kDevice, Properties(options.threads)), options);
      if (runner.ok()) return runner;
      return absl::DataLossError(runner.status().message());
    } catch (const std::exception& error) {
      return absl::DataLossError(absl::StrCat("OpenVINO ", capabilities_.version,
                                              " cannot read the compiled network: ", error.what()));
    }
  }

 private:
  /// Every input takes 1 to `max_batch` images.
  static void SetBatch(ov::Model& model, int max_batch) {
    std::map<ov::Output<ov::Node>, ov::PartialShape> shapes;
    for (const ov::Output<ov::Node>& input : model.inputs()) {
      ov::PartialShape shape = input.get_partial_shape();
      if (shape.rank().is_static() && shape.size() > 0) shape[0] = ov::Dimension(1, max_batch);
      shapes.emplace(input, shape);
    }
    model.reshape(shapes);
  }

  mutable ov::Core core_;
  BackendCapabilities capabilities_;
};

absl::StatusOr<const Backend*> Start() {
  try {
    return new OpenvinoBackendImpl();
  } catch (const std::exception& error) {
    return absl::FailedPreconditionError(absl::StrCat("OpenVINO does not start: ", error.what()));
  }
}

}  // namespace

absl::StatusOr<const Backend*> OpenvinoBackend() {
  static const auto* const backend = new absl::StatusOr<const Backend*>(Start());
  return *backend;
}

}  // namespace trainyard::engine
