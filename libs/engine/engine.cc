#include "libs/engine/engine.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/engine/comparison.h"
#include "libs/engine/fingerprint.h"
#include "libs/engine/int8_build.h"
#include "libs/engine/precision.h"
#include "libs/graph/fold.h"
#include "libs/graph/weights.h"
#include "libs/quantization/activation_outputs.h"
#include "libs/quantization/error_report.h"
#include "libs/quantization/written_out.h"

namespace trainyard::engine {

using graph::Graph;
namespace {

constexpr absl::string_view kThreeWays =
    "INT8 needs the ranges of activations: give a calibration table (-c), export with --data_type "
    "int8 and --cal_image_dir so that the .etlt holds one, or give a folder of calibration images";

/// The order of sums is below this, relative to an output's size; a wrong pass is far above.
constexpr double kMostOfPasses = 1e-2;

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

/// What is to be quantized how on this machine.
absl::StatusOr<quantization::QuantizationOptions> QuantizationFor(
    const Graph& folded, const EngineOptions& options, std::vector<std::string>& warnings) {
  if (!options.calibration.has_value()) return absl::FailedPreconditionError(kThreeWays);
  const std::string& measured_on = options.calibration->weights_sha256;
  if (!measured_on.empty() && measured_on != quantization::WeightsDigest(folded)) {
    warnings.push_back(
        "the calibration table was measured on other weights than this model's; calibrate again "
        "when the accuracy matters");
  }
  const HardwareFingerprint machine = ThisMachine();
  const std::vector<std::string> features(machine.features().begin(), machine.features().end());
  quantization::QuantizationOptions quantization = options.quantization;
  quantization.unsigned_activations = true;  // OpenVINO computes in u8 anyway.
  quantization.kernel_steps = options.kernel_steps.value_or(LargestKernelStep(features));
  if (quantization.kernel_steps < quantization::kInt8Steps) {
    warnings.push_back(
        absl::StrCat("this processor adds INT8 products in 16 bits: kernels get the values -",
                     quantization.kernel_steps, " to ", quantization.kernel_steps,
                     ", so that no sum is cut off; one with VNNI or AMX keeps a bit more of them"));
  }
  return quantization;
}

/// Runs an engine in floats on the images, where there are some, and warns of answers that are no
/// numbers.
absl::Status TryOnImages(const EngineOptions& options, BuiltEngine& built) {
  if (!options.images) return absl::OkStatus();
  TY_ASSIGN_OR_RETURN(const auto batches, TakeImages(options.images()));
  std::vector<std::vector<Tensor>> answers;
  for (const std::vector<Tensor>& batch : batches) {
    TY_ASSIGN_OR_RETURN(std::vector<Tensor> outputs, built.runner->Run(batch));
    answers.push_back(std::move(outputs));
  }
  const std::string broken = OutputsNotFinite(built.runner->output_names(), answers);
  if (broken.empty()) return absl::OkStatus();
  built.warnings.push_back(
      absl::StrCat("the network answers with values that are not finite on the images: ", broken,
                   "; see what divides by 0 or takes its logarithm"));
  return absl::OkStatus();
}

/// What the header says of the network itself.
void DescribeNetwork(const Graph& folded, const BuiltEngine& built, EngineHeader& header) {
  const EngineRunner& runner = *built.runner;
  AddTensors(runner.input_names(), runner.input_shapes(), header.mutable_inputs());
  AddTensors(runner.output_names(), runner.output_shapes(), header.mutable_outputs());
  header.set_macs(built.coverage.macs);
  header.set_int8_mac_share(built.coverage.share());
  header.set_parameters(folded.ParameterCount());
}

/// A runner in f32 that also gives the tensors of `names`.
absl::StatusOr<std::unique_ptr<EngineRunner>> MakeObserver(const Graph& graph,
                                                           const std::vector<std::string>& names,
                                                           int max_batch_size, int threads) {
  TY_ASSIGN_OR_RETURN(const Backend* backend, FindBackend("openvino"));
  TY_ASSIGN_OR_RETURN(const Graph observed, quantization::WithActivationOutputs(graph, names));
  TY_ASSIGN_OR_RETURN(CompiledNetwork network,
                      backend->Compile(observed, {Precision::kFp32, max_batch_size, threads}));
  return std::move(network.runner);
}

/// In floats a runtime may differ from the graph by the order of its sums, no more. Its passes are
/// held against the same network with the inputs of all layers with kernels put out, which nothing
/// can be moved or joined across.
absl::Status CheckPasses(const Graph& folded, const Backend& backend,
                         const EngineOptions& options) {
  const CompileOptions compile{Precision::kFp32, options.max_batch_size, options.threads};
  TY_ASSIGN_OR_RETURN(const CompiledNetwork network, backend.Compile(folded, compile));
  TY_RETURN_IF_ERROR(CheckBatchIsOpen(*network.runner));
  std::vector<std::string> names = quantization::TensorsToCalibrate(folded, {});
  std::erase_if(names, [&folded](const std::string& name) { return folded.HasInitializer(name); });
  // One image is enough, and activations of more would only cost memory.
  TY_ASSIGN_OR_RETURN(const auto observer,
                      MakeObserver(folded, names, /*max_batch_size=*/1, options.threads));
  auto inputs = MakeUpInputs(*observer, {});
  if (!inputs.ok()) return absl::OkStatus();  // of sizes that are not fixed
  Witness witness{.batches = *std::move(inputs)};
  TY_ASSIGN_OR_RETURN(std::vector<Tensor> exact, observer->Run(witness.batches[0]));
  witness.exact.push_back(std::move(exact));
  TY_ASSIGN_OR_RETURN(const std::vector<quantization::SignalToNoise> errors,
                      Compare(*network.runner, witness));
  Problems problems;
  for (size_t i = 0; i < errors.size(); ++i) {
    if (!(errors[i].noise > kMostOfPasses * kMostOfPasses * errors[i].signal)) continue;
    problems.Add(absl::StrCat("output '", network.runner->output_names()[i], "'"),
                 "is %.1f dB from what the graph says: a pass of %s %s that moves or joins layers "
                 "gets them wrong, so no engine is written. Run the network elsewhere (export "
                 "--onnx), or write what reorders its channels in another way",
                 errors[i].decibels(), backend.capabilities().name, backend.capabilities().version);
  }
  return problems.ToStatus(absl::StatusCode::kInternal);
}

absl::StatusOr<CompiledNetwork> CompileAs(Precision precision, const Graph& folded,
                                          const Backend& backend, const EngineOptions& options,
                                          BuiltEngine& built) {
  const CompileOptions compile{precision, options.max_batch_size, options.threads};
  if (precision != Precision::kInt8) {
    TY_RETURN_IF_ERROR(CheckPasses(folded, backend, options));
    return backend.Compile(folded, compile);
  }
  TY_ASSIGN_OR_RETURN(const quantization::QuantizationOptions quantization,
                      QuantizationFor(folded, options, built.warnings));
  TY_RETURN_IF_ERROR(CheckPasses(folded, backend, options));
  TY_ASSIGN_OR_RETURN(Int8Network int8, BuildInt8(backend, {.folded = folded,
                                                            .table = *options.calibration,
                                                            .quantization = quantization,
                                                            .compile = compile,
                                                            .images = options.images,
                                                            .stop = options.stop}));
  built.quantized = std::move(int8.quantized);
  for (std::string& warning : int8.warnings) built.warnings.push_back(std::move(warning));
  return std::move(int8.network);
}

}  // namespace

absl::StatusOr<Graph> FoldForInference(const Graph& graph) {
  Graph folded = graph.Clone();
  TY_RETURN_IF_ERROR(graph::FoldBatchNorm(folded));
  return folded;
}

absl::StatusOr<BuiltEngine> BuildEngine(const Model& model, const EngineOptions& options) {
  if (options.max_batch_size < 1 || options.max_batch_size > kMaxEngineBatch) {
    return absl::InvalidArgumentError(absl::StrCat("max_batch_size is ", options.max_batch_size,
                                                   "; expected 1 to ", kMaxEngineBatch));
  }
  TY_ASSIGN_OR_RETURN(const Backend* backend, FindBackend(options.backend));
  TY_ASSIGN_OR_RETURN(
      const PrecisionChoice precision,
      ChoosePrecision(options.precision, backend->capabilities().native_precisions));
  TY_ASSIGN_OR_RETURN(const Graph folded, FoldForInference(model.graph));
  TY_RETURN_IF_ERROR(graph::CheckWeights(folded));
  BuiltEngine built;
  if (!precision.warning.empty()) built.warnings.push_back(precision.warning);
  TY_ASSIGN_OR_RETURN(CompiledNetwork network,
                      CompileAs(precision.used, folded, *backend, options, built));
  built.runner = std::move(network.runner);
  TY_RETURN_IF_ERROR(CheckBatchIsOpen(*built.runner));
  if (precision.used != Precision::kInt8) TY_RETURN_IF_ERROR(TryOnImages(options, built));
  built.file.blob = std::move(network.blob);
  built.file.record = model.record;
  TY_ASSIGN_OR_RETURN(built.coverage, MeasureInt8Coverage(*built.runner, folded));

  EngineHeader& header = built.file.header;
  header.set_backend(backend->capabilities().name);
  header.set_backend_version(backend->capabilities().version);
  *header.mutable_hardware() = ThisMachine();
  header.set_precision_requested(precision.requested);
  header.set_precision_used(std::string(NameOf(precision.used)));
  header.set_max_batch_size(options.max_batch_size);
  *header.mutable_source() = options.source;
  DescribeNetwork(folded, built, header);
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

absl::StatusOr<quantization::CalibrationTable> CalibrateGraph(
    const Graph& graph, const quantization::QuantizationOptions& options,
    const quantization::BatchSource& next, int max_batch_size, int threads) {
  TY_ASSIGN_OR_RETURN(const Graph folded, FoldForInference(graph));
  const std::vector<std::string> names = quantization::TensorsToCalibrate(folded, options);
  TY_ASSIGN_OR_RETURN(const std::unique_ptr<EngineRunner> runner,
                      MakeObserver(folded, names, max_batch_size, threads));
  TY_ASSIGN_OR_RETURN(quantization::CalibrationTable table,
                      quantization::Calibrate(*runner, names, next));
  table.weights_sha256 = quantization::WeightsDigest(folded);
  return table;
}

absl::Status ExplainQuantization(const Graph& graph, quantization::QuantizedModel& quantized,
                                 const quantization::BatchSource& next, int max_batch_size,
                                 int threads) {
  TY_ASSIGN_OR_RETURN(const Graph folded, FoldForInference(graph));
  std::vector<std::string> names;
  for (const quantization::LayerQuantization& layer : quantized.report.layers)
    names.push_back(layer.input);
  TY_ASSIGN_OR_RETURN(const Graph written, quantization::WithRoundingWrittenOut(quantized.graph));
  TY_ASSIGN_OR_RETURN(const std::unique_ptr<EngineRunner> reference,
                      MakeObserver(folded, names, max_batch_size, threads));
  TY_ASSIGN_OR_RETURN(const std::unique_ptr<EngineRunner> rounded,
                      MakeObserver(written, names, max_batch_size, threads));
  return quantization::MeasureActivations(*reference, *rounded, next, quantized.report);
}

}  // namespace trainyard::engine
