#include "libs/engine/engine.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/engine/fingerprint.h"
#include "libs/engine/precision.h"
#include "libs/graph/fold.h"
#include "libs/quantization/activation_outputs.h"
#include "libs/quantization/error_report.h"

namespace trainyard {
namespace {

constexpr int kMaxBatch = 1024;
constexpr absl::string_view kThreeWays =
    "INT8 needs the ranges of activations: give a calibration table (-c), export with --data_type "
    "int8 and --cal_image_dir so that the .etlt holds one, or give a folder of calibration images";

void AddTensors(const std::vector<std::string>& names, const std::vector<Shape>& shapes,
                google::protobuf::RepeatedPtrField<model::v1::EngineTensor>* tensors) {
  for (size_t i = 0; i < names.size(); ++i) {
    model::v1::EngineTensor* tensor = tensors->Add();
    tensor->set_name(names[i]);
    tensor->set_dtype("f32");
    for (const int64_t dimension : shapes[i]) tensor->add_shape(dimension);
  }
}

std::vector<std::string> TensorNames(
    const google::protobuf::RepeatedPtrField<model::v1::EngineTensor>& tensors) {
  std::vector<std::string> names;
  for (const model::v1::EngineTensor& tensor : tensors) names.push_back(tensor.name());
  return names;
}

absl::StatusOr<QuantizedModel> Quantize(const Graph& folded, const EngineOptions& options,
                                        std::vector<std::string>& warnings) {
  if (!options.calibration.has_value()) {
    return absl::FailedPreconditionError(kThreeWays);
  }
  const CalibrationTable& table = *options.calibration;
  if (!table.weights_sha256.empty() && table.weights_sha256 != WeightsDigest(folded)) {
    warnings.push_back(
        "the calibration table was measured on other weights than this model's; calibrate again "
        "when the accuracy matters");
  }
  const HardwareFingerprint machine = ThisMachine();
  const std::vector<std::string> features(machine.features().begin(), machine.features().end());
  QuantizationOptions quantization = options.quantization;
  quantization.kernel_steps = options.kernel_steps.value_or(LargestKernelStep(features));
  if (quantization.kernel_steps < kInt8Steps) {
    warnings.push_back(
        absl::StrCat("this processor adds INT8 products in 16 bits: kernels get the values -",
                     quantization.kernel_steps, " to ", quantization.kernel_steps,
                     ", so that no sum is cut off; one with VNNI or AMX keeps a bit more of them"));
  }
  return InsertQdq(folded, table, quantization);
}

/// What the header says of the network itself.
absl::Status DescribeNetwork(const Graph& folded, const EngineRunner& runner,
                             EngineHeader& header) {
  AddTensors(runner.input_names(), runner.input_shapes(), header.mutable_inputs());
  AddTensors(runner.output_names(), runner.output_shapes(), header.mutable_outputs());
  TY_ASSIGN_OR_RETURN(const int64_t macs, folded.MacCount());
  header.set_macs(macs);
  header.set_parameters(folded.ParameterCount());
  return absl::OkStatus();
}

/// A runner of the FP32 graph or of its Q/DQ form that also gives the tensors of `names`.
absl::StatusOr<std::unique_ptr<EngineRunner>> MakeObserver(const Graph& graph,
                                                           const std::vector<std::string>& names,
                                                           const CompileOptions& options) {
  TY_ASSIGN_OR_RETURN(const Backend* backend, FindBackend("openvino"));
  TY_ASSIGN_OR_RETURN(const Graph observed, WithActivationOutputs(graph, names));
  TY_ASSIGN_OR_RETURN(CompiledNetwork network, backend->Compile(observed, options));
  return std::move(network.runner);
}

}  // namespace

absl::StatusOr<Graph> FoldForInference(const Graph& graph) {
  Graph folded = graph.Clone();
  TY_RETURN_IF_ERROR(FoldBatchNorm(folded));
  return folded;
}

absl::StatusOr<BuiltEngine> BuildEngine(const Model& model, const EngineOptions& options) {
  if (options.max_batch_size < 1 || options.max_batch_size > kMaxBatch) {
    return absl::InvalidArgumentError(
        absl::StrCat("max_batch_size is ", options.max_batch_size, "; expected 1 to ", kMaxBatch));
  }
  TY_ASSIGN_OR_RETURN(const Backend* backend, FindBackend(options.backend));
  TY_ASSIGN_OR_RETURN(
      const PrecisionChoice precision,
      ChoosePrecision(options.precision, backend->capabilities().native_precisions));
  TY_ASSIGN_OR_RETURN(const Graph folded, FoldForInference(model.graph));
  BuiltEngine built;
  if (!precision.warning.empty()) built.warnings.push_back(precision.warning);
  if (precision.used == Precision::kInt8) {
    TY_ASSIGN_OR_RETURN(built.quantized, Quantize(folded, options, built.warnings));
  }
  TY_ASSIGN_OR_RETURN(
      CompiledNetwork network,
      backend->Compile(built.quantized.has_value() ? built.quantized->graph : folded,
                       {precision.used, options.max_batch_size, options.threads}));
  built.runner = std::move(network.runner);
  TY_ASSIGN_OR_RETURN(built.coverage, MeasureInt8Coverage(*built.runner));

  EngineHeader& header = built.file.header;
  header.set_backend(backend->capabilities().name);
  header.set_backend_version(backend->capabilities().version);
  *header.mutable_hardware() = ThisMachine();
  header.set_precision_requested(precision.requested);
  header.set_precision_used(std::string(NameOf(precision.used)));
  header.set_max_batch_size(options.max_batch_size);
  *header.mutable_source() = options.source;
  header.set_int8_mac_share(built.coverage.share());
  TY_RETURN_IF_ERROR(DescribeNetwork(folded, *built.runner, header));
  built.file.record = model.record;
  built.file.blob = std::move(network.blob);
  return built;
}

absl::StatusOr<LoadedEngine> LoadEngine(const std::string& path, int threads) {
  TY_ASSIGN_OR_RETURN(EngineFile file, LoadEngineFile(path));
  TY_ASSIGN_OR_RETURN(const Backend* backend, FindBackend(file.header.backend()));
  TY_RETURN_IF_ERROR(CheckRunsHere(file.header, ThisMachine(), backend->capabilities(), path));
  const LoadOptions options{file.header.max_batch_size(), TensorNames(file.header.inputs()),
                            TensorNames(file.header.outputs()), threads};
  auto runner = backend->Load(file.blob, options);
  TY_RETURN_IF_ERROR(Annotate(runner.status(), absl::StrCat("engine '", path, "'")));
  return LoadedEngine{std::move(file.header), std::move(file.record), *std::move(runner)};
}

absl::StatusOr<CalibrationTable> CalibrateGraph(const Graph& graph,
                                                const QuantizationOptions& options,
                                                const BatchSource& next, int max_batch_size,
                                                int threads) {
  TY_ASSIGN_OR_RETURN(const Graph folded, FoldForInference(graph));
  const std::vector<std::string> names = TensorsToCalibrate(folded, options);
  TY_ASSIGN_OR_RETURN(const std::unique_ptr<EngineRunner> runner,
                      MakeObserver(folded, names, {Precision::kFp32, max_batch_size, threads}));
  TY_ASSIGN_OR_RETURN(CalibrationTable table, Calibrate(*runner, names, next));
  table.weights_sha256 = WeightsDigest(folded);
  return table;
}

absl::Status ExplainQuantization(const Graph& graph, QuantizedModel& quantized,
                                 const BatchSource& next, int max_batch_size, int threads) {
  TY_ASSIGN_OR_RETURN(const Graph folded, FoldForInference(graph));
  std::vector<std::string> names;
  for (const LayerQuantization& layer : quantized.report.layers) names.push_back(layer.input);
  TY_ASSIGN_OR_RETURN(const std::unique_ptr<EngineRunner> reference,
                      MakeObserver(folded, names, {Precision::kFp32, max_batch_size, threads}));
  TY_ASSIGN_OR_RETURN(
      const std::unique_ptr<EngineRunner> int8,
      MakeObserver(quantized.graph, names, {Precision::kInt8, max_batch_size, threads}));
  return MeasureActivations(*reference, *int8, next, quantized.report);
}

}  // namespace trainyard
