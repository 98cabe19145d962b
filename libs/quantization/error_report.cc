#include "libs/quantization/error_report.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "libs/base/status.h"

namespace trainyard::quantization {
namespace {

constexpr double kNoNoise = 300;

/// Results of one run by name, the input among them.
using Activations = std::map<std::string, Tensor>;

absl::StatusOr<Activations> RunByName(graph::GraphRunner& runner, const Tensor& batch) {
  TY_ASSIGN_OR_RETURN(std::vector<Tensor> outputs, runner.Run({batch}));
  Activations activations;
  activations.emplace(runner.input_names()[0], batch);
  for (size_t i = 0; i < outputs.size(); ++i) {
    activations.insert_or_assign(runner.output_names()[i], std::move(outputs[i]));
  }
  return activations;
}

absl::StatusOr<const Tensor*> FindTensor(const Activations& activations, const std::string& name) {
  const auto found = activations.find(name);
  if (found == activations.end() || found->second.dtype() != DType::kFloat32) {
    return absl::NotFoundError(absl::StrCat("tensor '", name, "' is no f32 output of the network"));
  }
  return &found->second;
}

/// Values of one tensor and how many of them lie beyond the range.
struct ClipCount {
  int64_t clipped = 0;
  int64_t values = 0;
};

void AddRounding(absl::Span<const float> values, const LayerQuantization& layer, SignalToNoise& sum,
                 ClipCount& count) {
  const float scale = layer.input_scale;
  const float low = layer.input_unsigned ? 0 : -128, high = layer.input_unsigned ? 255 : 127;
  for (const float value : values) {
    const float steps = std::nearbyint(value / scale);
    const float kept = std::clamp(steps, low, high);
    count.clipped += kept != steps;
    const double error = value - double{kept} * scale;
    sum.signal += double{value} * value;
    sum.noise += error * error;
  }
  count.values += static_cast<int64_t>(values.size());
}

std::string Quoted(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      absl::StrAppend(&quoted, "\\", std::string(1, c));
    } else if (static_cast<unsigned char>(c) < 0x20) {
      absl::StrAppendFormat(&quoted, "\\u%04x", static_cast<unsigned>(c));
    } else {
      quoted.push_back(c);
    }
  }
  return quoted + "\"";
}

std::string LayerJson(const LayerQuantization& layer) {
  std::string json = absl::StrFormat(
      R"({"node": %s, "input": %s, "type": "%s", "min": %.9g, "max": %.9g, "scale": %.9g, )"
      R"("weight_scale_min": %.9g, "weight_scale_max": %.9g, "weight_sqnr_db": %.2f)",
      Quoted(layer.node), Quoted(layer.input), layer.input_unsigned ? "u8" : "s8",
      layer.input_range.min, layer.input_range.max, layer.input_scale, layer.weight_scale_min,
      layer.weight_scale_max, layer.weight.decibels());
  if (layer.input_rounding.has_value()) {
    absl::StrAppendFormat(&json, R"(, "input_sqnr_db": %.2f, "clipped_fraction": %.3g)",
                          layer.input_rounding->decibels(), layer.clipped_fraction);
  }
  if (layer.gathered.has_value()) {
    absl::StrAppendFormat(&json, R"(, "gathered_sqnr_db": %.2f)", layer.gathered->decibels());
  }
  return json + "}";
}

/// null for an output that was zero throughout, which has no signal to compare noise with.
std::string OutputJson(const OutputError& output) {
  const auto decibels = [](const SignalToNoise& sum) {
    return sum.signal > 0 ? absl::StrFormat("%.2f", sum.decibels()) : std::string("null");
  };
  return absl::StrFormat(R"({"output": %s, "sqnr_db": %s, "as_written_sqnr_db": %s})",
                         Quoted(output.output), decibels(output.error),
                         decibels(output.as_written));
}

double Badness(const LayerQuantization& layer) {
  return layer.gathered.has_value() ? layer.gathered->decibels() : layer.weight.decibels();
}

}  // namespace

double SignalToNoise::decibels() const {
  if (noise <= 0) return kNoNoise;
  if (signal <= 0) return 0;
  return 10 * std::log10(signal / noise);
}

absl::Status AddDifference(const Tensor& wanted, const Tensor& got, SignalToNoise& sum) {
  if (wanted.size() != got.size()) {
    return absl::InternalError(absl::StrCat("a tensor has ", wanted.size(),
                                            " elements in FP32 and ", got.size(), " in INT8"));
  }
  const absl::Span<const float> exact = wanted.data<float>(), rounded = got.data<float>();
  for (size_t i = 0; i < exact.size(); ++i) {
    const double error = double{exact[i]} - rounded[i];
    sum.signal += double{exact[i]} * exact[i];
    sum.noise += error * error;
  }
  return absl::OkStatus();
}

absl::Status MeasureActivations(graph::GraphRunner& reference, graph::GraphRunner& quantized,
                                const BatchSource& next, QuantizationReport& report) {
  std::vector<ClipCount> clips(report.layers.size());
  while (true) {
    TY_ASSIGN_OR_RETURN(const std::optional<Tensor> batch, next());
    if (!batch.has_value()) break;
    TY_ASSIGN_OR_RETURN(const Activations wanted, RunByName(reference, *batch));
    TY_ASSIGN_OR_RETURN(const Activations got, RunByName(quantized, *batch));
    for (size_t i = 0; i < report.layers.size(); ++i) {
      LayerQuantization& layer = report.layers[i];
      if (!layer.input_rounding.has_value()) layer.input_rounding.emplace();
      if (!layer.gathered.has_value()) layer.gathered.emplace();
      TY_ASSIGN_OR_RETURN(const Tensor* exact, FindTensor(wanted, layer.input));
      TY_ASSIGN_OR_RETURN(const Tensor* rounded, FindTensor(got, layer.input));
      AddRounding(exact->data<float>(), layer, *layer.input_rounding, clips[i]);
      TY_RETURN_IF_ERROR(Annotate(AddDifference(*exact, *rounded, *layer.gathered), layer.input));
    }
  }
  for (size_t i = 0; i < report.layers.size(); ++i) {
    if (clips[i].values == 0) continue;
    report.layers[i].clipped_fraction = static_cast<double>(clips[i].clipped) / clips[i].values;
  }
  return absl::OkStatus();
}

std::string QuantizationReportJson(const QuantizationReport& report) {
  const auto join = [](const auto& list, const auto& print) {
    return absl::StrJoin(list, ",\n    ", [&print](std::string* out, const auto& item) {
      absl::StrAppend(out, print(item));
    });
  };
  const std::vector<OutputError> outputs =
      report.compared_images > 0 ? report.outputs : std::vector<OutputError>();
  return absl::StrCat(
      "{\n  \"version\": 2,\n  \"calibration_images\": ", report.calibration_images,
      ",\n  \"compared_images\": ", report.compared_images,
      ",\n  \"outputs_are_of\": \"the saved engine\",\n  \"outputs\": [\n    ",
      join(outputs, OutputJson),
      "\n  ],\n  \"layers_are_of\": \"the same rounding in floats, not the engine\","
      "\n  \"layers\": [\n    ",
      join(report.layers, LayerJson), "\n  ],\n  \"kept_in_fp32\": [\n    ",
      join(report.kept_in_fp32, Quoted), "\n  ]\n}\n");
}

std::vector<std::string> WorstLayers(const QuantizationReport& report, size_t count) {
  std::vector<const LayerQuantization*> layers;
  for (const LayerQuantization& layer : report.layers) layers.push_back(&layer);
  std::stable_sort(layers.begin(), layers.end(),
                   [](const auto* a, const auto* b) { return Badness(*a) < Badness(*b); });
  std::vector<std::string> lines;
  for (size_t i = 0; i < std::min(count, layers.size()); ++i) {
    std::string line = layers[i]->node + ": ";
    if (layers[i]->gathered.has_value()) {
      absl::StrAppendFormat(&line, "input %.1f dB, ", layers[i]->gathered->decibels());
    }
    absl::StrAppendFormat(&line, "kernel %.1f dB", layers[i]->weight.decibels());
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace trainyard::quantization
