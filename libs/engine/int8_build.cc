#include "libs/engine/int8_build.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "libs/base/status.h"
#include "libs/engine/comparison.h"
#include "libs/engine/subset.h"
#include "libs/quantization/error_report.h"
#include "libs/quantization/written_out.h"

namespace trainyard::engine {

using quantization::SignalToNoise;
namespace {

/// Networks compiled while looking for the layers that a runtime gets wrong; each takes about a
/// second.
constexpr int kMostSearchBuilds = 64;
constexpr size_t kWorstLayers = 3;

/// One way of quantizing the network, compiled.
struct Candidate {
  quantization::QuantizedModel quantized;
  CompiledNetwork network;
};

/// Builds candidates and compares them. Used once.
class Int8Builder {
 public:
  Int8Builder(const Backend& backend, const Int8Request& request)
      : backend_(backend), request_(request) {}

  absl::StatusOr<Int8Network> Build() {
    TY_RETURN_IF_ERROR(MakeWitness());
    TY_ASSIGN_OR_RETURN(Candidate best, Quantize({}));
    TY_ASSIGN_OR_RETURN(as_written_, AsWritten(best.quantized.graph));
    TY_ASSIGN_OR_RETURN(std::vector<SignalToNoise> errors, CompareSaved(best));
    if (!Agree(errors)) {
      const std::vector<SignalToNoise> wrong = errors;
      TY_ASSIGN_OR_RETURN(best, KeepWrongLayersInFp32(best, wrong));
      TY_ASSIGN_OR_RETURN(as_written_, AsWritten(best.quantized.graph));
      TY_ASSIGN_OR_RETURN(errors, CompareSaved(best));
    }
    FillReport(errors, best.quantized.report);
    TY_RETURN_IF_ERROR(Judge(best.quantized.report));
    return Int8Network{std::move(best.network), std::move(best.quantized), std::move(warnings_)};
  }

 private:
  absl::StatusOr<Candidate> Quantize(const std::vector<std::string>& in_fp32) {
    if (request_.stop.stop_requested()) return absl::CancelledError("stopped while building INT8");
    quantization::QuantizationOptions options = request_.quantization;
    options.excluded_layers.insert(options.excluded_layers.end(), in_fp32.begin(), in_fp32.end());
    TY_ASSIGN_OR_RETURN(quantization::QuantizedModel quantized,
                        quantization::InsertQdq(request_.folded, request_.table, options));
    TY_ASSIGN_OR_RETURN(CompiledNetwork network,
                        backend_.Compile(quantized.graph, request_.compile));
    return Candidate{std::move(quantized), std::move(network)};
  }

  absl::StatusOr<std::unique_ptr<EngineRunner>> InFloats(const graph::Graph& graph) {
    CompileOptions options = request_.compile;
    options.precision = Precision::kFp32;
    TY_ASSIGN_OR_RETURN(CompiledNetwork network, backend_.Compile(graph, options));
    return std::move(network.runner);
  }

  absl::Status MakeWitness() {
    TY_ASSIGN_OR_RETURN(const auto exact, InFloats(request_.folded));
    TY_RETURN_IF_ERROR(CheckBatchIsOpen(*exact));
    if (request_.images) {
      TY_ASSIGN_OR_RETURN(witness_.batches, TakeImages(request_.images()));
      for (const std::vector<Tensor>& batch : witness_.batches) {
        witness_.images += batch[0].dim(0);
      }
    } else {
      TY_ASSIGN_OR_RETURN(witness_.batches, MakeUpInputs(*exact, request_.table));
    }
    for (const std::vector<Tensor>& batch : witness_.batches) {
      TY_ASSIGN_OR_RETURN(std::vector<Tensor> outputs, exact->Run(batch));
      witness_.exact.push_back(std::move(outputs));
    }
    const std::string broken = OutputsNotFinite(exact->output_names(), witness_.exact);
    if (broken.empty()) return absl::OkStatus();
    return absl::FailedPreconditionError(absl::StrCat(
        "the network itself, in FP32, answers with values that are not finite on ",
        witness_.images > 0 ? "the calibration images" : "made-up inputs", ": ", broken,
        ". INT8 cannot be held against it",
        witness_.images > 0 ? "" : " without images (--cal_image_dir)",
        "; see what divides by 0 or takes its logarithm, or build it with -t fp32"));
  }

  absl::StatusOr<std::vector<SignalToNoise>> AsWritten(const graph::Graph& quantized) {
    TY_ASSIGN_OR_RETURN(const graph::Graph written,
                        quantization::WithRoundingWrittenOut(quantized));
    TY_ASSIGN_OR_RETURN(const auto runner, InFloats(written));
    return Compare(*runner, witness_);
  }

  /// Lets the candidate's runner be the one that its blob gives.
  absl::StatusOr<std::vector<SignalToNoise>> CompareSaved(Candidate& candidate) {
    const EngineRunner& compiled = *candidate.network.runner;
    const LoadOptions options{request_.compile.max_batch_size, compiled.input_names(),
                              compiled.output_names(), request_.compile.threads};
    TY_ASSIGN_OR_RETURN(candidate.network.runner, backend_.Load(candidate.network.blob, options));
    return Compare(*candidate.network.runner, witness_);
  }

  bool Agree(const std::vector<SignalToNoise>& errors) const {
    for (size_t i = 0; i < errors.size(); ++i) {
      if (!Agrees(errors[i], as_written_[i])) return false;
    }
    return true;
  }

  absl::StatusOr<Candidate> KeepWrongLayersInFp32(const Candidate& wrong,
                                                  const std::vector<SignalToNoise>& errors) {
    const std::vector<quantization::LayerQuantization>& layers = wrong.quantized.report.layers;
    const auto names_of = [&layers](const std::vector<size_t>& indices) {
      std::vector<std::string> names;
      for (const size_t index : indices) names.push_back(layers[index].node);
      return names;
    };
    const auto mends = [&](const std::vector<size_t>& in_fp32) -> absl::StatusOr<bool> {
      TY_ASSIGN_OR_RETURN(Candidate candidate, Quantize(names_of(in_fp32)));
      TY_ASSIGN_OR_RETURN(const std::vector<SignalToNoise> found, CompareSaved(candidate));
      return Agree(found);
    };
    std::vector<size_t> all(layers.size());
    for (size_t i = 0; i < all.size(); ++i) all[i] = i;
    TY_ASSIGN_OR_RETURN(const bool mendable, mends(all));
    if (!mendable) {
      return absl::InternalError(absl::StrCat(
          backend_.capabilities().name, " ", backend_.capabilities().version,
          " gives other answers than the graph even without INT8: ", Describe(wrong, errors)));
    }
    TY_ASSIGN_OR_RETURN(const std::vector<size_t> few,
                        SmallSubset(layers.size(), kMostSearchBuilds, mends));
    const std::vector<std::string> names = names_of(few);
    warnings_.push_back(absl::StrCat(
        backend_.capabilities().name, " ", backend_.capabilities().version,
        " computes other numbers in INT8 than the graph says (", Describe(wrong, errors),
        "); kept in FP32 for that: ", absl::StrJoin(names, ", ")));
    TY_ASSIGN_OR_RETURN(Candidate mended, Quantize(names));
    for (std::string& kept : mended.quantized.report.kept_in_fp32) {
      const std::string name = kept.substr(0, kept.rfind(": excluded"));
      if (std::find(names.begin(), names.end(), name) == names.end()) continue;
      kept = absl::StrCat(name, ": ", backend_.capabilities().name, " gets it wrong in INT8");
    }
    return mended;
  }

  /// "output 'x' is 12.0 dB from FP32; as written it is 30.1 dB".
  std::string Describe(const Candidate& candidate, const std::vector<SignalToNoise>& errors) const {
    std::vector<std::string> texts;
    for (size_t i = 0; i < errors.size(); ++i) {
      if (Agrees(errors[i], as_written_[i])) continue;
      texts.push_back(absl::StrFormat(
          "output '%s' has %.1f dB against FP32 where the graph as written has %.1f dB",
          candidate.quantized.report.outputs[i].output, errors[i].decibels(),
          as_written_[i].decibels()));
    }
    return absl::StrJoin(texts, ", ");
  }

  void FillReport(const std::vector<SignalToNoise>& errors,
                  quantization::QuantizationReport& report) const {
    report.compared_images = witness_.images;
    for (size_t i = 0; i < errors.size(); ++i) {
      report.outputs[i].error = errors[i];
      report.outputs[i].as_written = as_written_[i];
    }
  }

  /// Warns or refuses; made-up inputs say nothing about accuracy.
  absl::Status Judge(const quantization::QuantizationReport& report) {
    if (witness_.images == 0) return absl::OkStatus();
    const std::string ways = absl::StrCat(
        ". The kernels lose most at ",
        absl::StrJoin(quantization::WorstLayers(report, kWorstLayers), "; "),
        ". Calibrate on images like those that it will see, or keep such layers in FP32 "
        "(--excluded_layers)");
    const std::vector<std::string> refused = OutputsBelow(report.outputs, kRefuseBelowDecibels);
    if (!refused.empty()) {
      return absl::FailedPreconditionError(absl::StrCat(
          "the INT8 engine answers other things than FP32 on the calibration images, so it is not "
          "written: ",
          absl::StrJoin(refused, ", "), "; expected at least ", kRefuseBelowDecibels,
          " dB of signal over noise", ways, ", or build it with -t fp32"));
    }
    const std::vector<std::string> low = OutputsBelow(report.outputs, kWarnBelowDecibels);
    if (!low.empty()) {
      warnings_.push_back(absl::StrCat(
          "the INT8 engine is far from FP32 on the calibration images: ", absl::StrJoin(low, ", "),
          "; sound engines have ", kWarnBelowDecibels, " dB of signal over noise and more", ways));
    }
    return absl::OkStatus();
  }

  const Backend& backend_;
  const Int8Request& request_;
  Witness witness_;
  std::vector<SignalToNoise> as_written_;
  std::vector<std::string> warnings_;
};

}  // namespace

absl::StatusOr<Int8Network> BuildInt8(const Backend& backend, const Int8Request& request) {
  return Int8Builder(backend, request).Build();
}

}  // namespace trainyard::engine
