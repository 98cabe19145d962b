#include "libs/quantization/quantize.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/graph/edit.h"
#include "libs/quantization/layers.h"
#include "libs/quantization/sign.h"
#include "onnx/onnx_pb.h"

namespace trainyard::quantization {

using graph::Graph;
namespace {

constexpr int kUnsignedSteps = 255;

/// A kernel as s8 with a step per output channel, which lie along `axis`.
struct QuantizedKernel {
  int64_t axis = 0;
  Tensor values;
  Tensor scales;
  SignalToNoise error;
  /// The value that layers read, once the kernel is in the graph.
  std::string dequantized;
};

/// The step of values with that range, so that the greatest becomes `steps`.
float ScaleFor(const Range& range, int steps) {
  const float largest = std::max(std::abs(range.min), std::abs(range.max));
  const float scale = largest / static_cast<float>(steps);
  // A tensor that is always zero, or so small that the step would not be a normal number.
  return std::isnormal(scale) ? scale : 1.0f / static_cast<float>(steps);
}

/// The step of each channel.
absl::StatusOr<Tensor> KernelScales(const Tensor& kernel, int64_t axis, int most_steps) {
  std::vector<Range> ranges(kernel.dim(axis));
  const absl::Span<const float> values = kernel.data<float>();
  bool finite = true;
  ForEachElement(kernel.shape(), axis, [&](int64_t i, int64_t channel) {
    Range& range = ranges[channel];
    finite &= std::isfinite(values[i]);
    range.min = std::min(range.min, values[i]);
    range.max = std::max(range.max, values[i]);
  });
  if (!finite) return absl::InvalidArgumentError("holds a value that is not finite");
  Tensor scales = Tensor::Zeros(DType::kFloat32, {kernel.dim(axis)});
  for (size_t c = 0; c < ranges.size(); ++c) {
    scales.data<float>()[c] = ScaleFor(ranges[c], most_steps);
  }
  return scales;
}

absl::StatusOr<QuantizedKernel> QuantizeKernel(const Tensor& kernel, int64_t axis, int most_steps) {
  TY_ASSIGN_OR_RETURN(Tensor scales, KernelScales(kernel, axis, most_steps));
  QuantizedKernel result{.axis = axis,
                         .values = Tensor::Zeros(DType::kInt8, kernel.shape()),
                         .scales = std::move(scales),
                         .error = {},
                         .dequantized = ""};
  const absl::Span<const float> from = kernel.data<float>();
  const absl::Span<const float> scale = std::as_const(result.scales).data<float>();
  const absl::Span<int8_t> to = result.values.data<int8_t>();
  const auto most = static_cast<float>(most_steps);
  ForEachElement(kernel.shape(), axis, [&](int64_t i, int64_t channel) {
    const float steps = std::clamp(std::nearbyint(from[i] / scale[channel]), -most, most);
    to[i] = static_cast<int8_t>(steps);
    const double error = from[i] - double{steps} * scale[channel];
    result.error.signal += double{from[i]} * from[i];
    result.error.noise += error * error;
  });
  return result;
}

int64_t DefaultOpset(const onnx::ModelProto& model) {
  for (const auto& import : model.opset_import()) {
    if (import.domain().empty() || import.domain() == "ai.onnx") return import.version();
  }
  return 1;
}

std::vector<std::string> LayerNames(const Graph& graph) {
  std::vector<std::string> names;
  for (const onnx::NodeProto* node : graph.nodes()) {
    if (HasKernel(*node)) names.push_back(node->name());
  }
  return names;
}

bool IsExcluded(const onnx::NodeProto& node, const QuantizationOptions& options) {
  return std::find(options.excluded_layers.begin(), options.excluded_layers.end(), node.name()) !=
         options.excluded_layers.end();
}

bool IsQuantized(const Graph& graph, const onnx::NodeProto& node,
                 const QuantizationOptions& options) {
  return HasKernel(node) && !IsExcluded(node, options) && WhyInFp32(graph, node).empty();
}

/// A sum of two computed tensors of which one comes from a quantized convolution.
bool IsResidualSum(const Graph& graph, const onnx::NodeProto& node,
                   const QuantizationOptions& options) {
  if (!graph::IsOp(node, "Add") || !options.quantize_residual_sums) return false;
  bool from_convolution = false;
  for (const std::string& input : node.input()) {
    if (graph.HasInitializer(input)) return false;
    const onnx::NodeProto* producer = graph.Producer(input);
    from_convolution |= producer != nullptr && graph::IsOp(*producer, "Conv") &&
                        IsQuantized(graph, *producer, options);
  }
  return from_convolution;
}

absl::Status CheckOptions(const Graph& graph, const QuantizationOptions& options) {
  const std::vector<std::string> names = LayerNames(graph);
  Problems problems;
  if (options.kernel_steps < 1 || options.kernel_steps > kInt8Steps) {
    problems.Add("kernel_steps", "is %d; expected 1 to %d", options.kernel_steps, kInt8Steps);
  }
  for (const std::string& excluded : options.excluded_layers) {
    if (std::find(names.begin(), names.end(), excluded) == names.end()) {
      problems.Add("excluded_layers",
                   "names '%s', which is no Conv, ConvTranspose, Gemm or MatMul of the graph%s",
                   excluded, DidYouMean(excluded, names));
    }
  }
  return problems.ToStatus();
}

absl::Status CheckTable(const Graph& graph, const CalibrationTable& table,
                        const QuantizationOptions& options) {
  Problems problems;
  for (const std::string& name : TensorsToCalibrate(graph, options)) {
    if (table.ranges.count(name) == 0) {
      problems.Add("calibration table", "has no range for tensor '%s'; was it made for this model?",
                   name);
    }
  }
  return problems.ToStatus(absl::StatusCode::kFailedPrecondition);
}

/// Rewrites one graph. Used once.
class QdqWriter {
 public:
  QdqWriter(const Graph& graph, const CalibrationTable& table, const QuantizationOptions& options)
      : source_(graph), table_(table), options_(options), result_(graph.Clone()) {
    if (options.unsigned_activations) never_negative_ = NeverNegative(graph);
  }

  absl::StatusOr<QuantizedModel> Write() {
    report_.calibration_images = table_.images;
    onnx::GraphProto& graph = *result_.mutable_proto().mutable_graph();
    graph.clear_node();
    for (const onnx::NodeProto* node : source_.nodes()) {
      TY_RETURN_IF_ERROR(Annotate(WriteNode(*node), absl::StrCat("node '", node->name(), "'")));
    }
    for (const std::string& name : source_.OutputNames()) report_.outputs.push_back({name, {}, {}});
    // The float form of a kernel goes, unless somebody else reads it.
    graph::RemoveUnusedInitializers(result_);
    TY_RETURN_IF_ERROR(Annotate(result_.Check(), "the quantized graph is wrong"));
    return QuantizedModel{std::move(result_), std::move(report_)};
  }

 private:
  onnx::GraphProto& graph() { return *result_.mutable_proto().mutable_graph(); }

  absl::Status WriteNode(const onnx::NodeProto& node) {
    onnx::NodeProto copy = node;
    if (IsQuantized(source_, node, options_)) {
      TY_RETURN_IF_ERROR(QuantizeLayer(node, copy));
    } else if (IsResidualSum(source_, node, options_)) {
      copy.set_input(1, QuantizeActivation(node.input(1)));
    } else if (HasKernel(node)) {
      report_.kept_in_fp32.push_back(absl::StrCat(
          node.name(), ": ", IsExcluded(node, options_) ? "excluded" : WhyInFp32(source_, node)));
    }
    *graph().add_node() = std::move(copy);
    return absl::OkStatus();
  }

  absl::Status QuantizeLayer(const onnx::NodeProto& node, onnx::NodeProto& copy) {
    const std::string& kernel_name = node.input(1);
    const std::pair key(kernel_name, KernelAxis(node));
    copy.set_input(0, QuantizeActivation(node.input(0)));
    auto kernel = kernels_.find(key);
    if (kernel == kernels_.end()) {
      TY_ASSIGN_OR_RETURN(const Tensor values, source_.Initializer(kernel_name));
      if (values.dtype() != DType::kFloat32 || values.rank() < 1) {
        return absl::UnimplementedError(
            absl::StrCat("kernel '", kernel_name, "' is ", NameOf(values.dtype()), " ",
                         ShapeText(values.shape()), "; only f32 kernels can be quantized"));
      }
      auto quantized = QuantizeKernel(values, key.second, options_.kernel_steps);
      TY_RETURN_IF_ERROR(Annotate(quantized.status(), absl::StrCat("kernel '", kernel_name, "'")));
      quantized->dequantized = AddKernel(kernel_name, *quantized);
      kernel = kernels_.emplace(key, *std::move(quantized)).first;
    }
    copy.set_input(1, kernel->second.dequantized);
    Report(node, kernel->second);
    return absl::OkStatus();
  }

  /// The table is asked too: one of another model may say otherwise.
  bool IsUnsigned(const std::string& tensor) const {
    return never_negative_.contains(tensor) && table_.ranges.at(tensor).min >= 0;
  }

  /// `stem`, or the first like it that neither the graph nor this writer has for something else.
  std::string Unused(const std::string& stem) {
    std::string name = graph::UnusedName(source_, stem);
    for (int n = 1; !given_.insert(name).second; ++n) {
      name = graph::UnusedName(source_, absl::StrCat(stem, "_", n));
    }
    return name;
  }

  std::string AddConstant(const std::string& stem, const Tensor& tensor) {
    const std::string name = Unused(stem);
    *graph().add_initializer() = graph::TensorToProto(name, tensor);
    return name;
  }

  /// Adds the pair for `tensor` once; returns the name of what the pair makes.
  std::string QuantizeActivation(const std::string& tensor) {
    const auto [pair, added] = pairs_.emplace(tensor, "");
    if (!added) return pair->second;
    const float scale = ActivationScale(table_.ranges.at(tensor), IsUnsigned(tensor));
    const DType type = IsUnsigned(tensor) ? DType::kUInt8 : DType::kInt8;
    const std::string scale_name =
        AddConstant(absl::StrCat(tensor, "/scale"), Tensor::Of<float>({}, {scale}));
    const std::string zero_name =
        AddConstant(absl::StrCat(tensor, "/zero_point"), Tensor::Zeros(type, {}));
    const std::string quantized = Unused(absl::StrCat(tensor, "/quantized"));
    pair->second = Unused(absl::StrCat(tensor, "/dequantized"));
    AddNode("QuantizeLinear", absl::StrCat(tensor, "/quantize"), {tensor, scale_name, zero_name},
            quantized);
    AddNode("DequantizeLinear", absl::StrCat(tensor, "/dequantize"),
            {quantized, scale_name, zero_name}, pair->second);
    return pair->second;
  }

  /// Returns the name of the kernel's values in f32.
  std::string AddKernel(const std::string& name, const QuantizedKernel& kernel) {
    const std::string values = AddConstant(absl::StrCat(name, "/int8"), kernel.values);
    const std::string scales = AddConstant(absl::StrCat(name, "/scale"), kernel.scales);
    const std::string zeros = AddConstant(absl::StrCat(name, "/zero_point"),
                                          Tensor::Zeros(DType::kInt8, kernel.scales.shape()));
    std::string dequantized = Unused(absl::StrCat(name, "/dequantized"));
    onnx::NodeProto& node = AddNode("DequantizeLinear", absl::StrCat(name, "/dequantize"),
                                    {values, scales, zeros}, dequantized);
    onnx::AttributeProto* axis = node.add_attribute();
    axis->set_name("axis");
    axis->set_type(onnx::AttributeProto::INT);
    axis->set_i(kernel.axis);
    return dequantized;
  }

  /// Adds a node called `stem`, or like it.
  onnx::NodeProto& AddNode(const std::string& type, const std::string& stem,
                           const std::vector<std::string>& inputs, const std::string& output) {
    onnx::NodeProto& node = *graph().add_node();
    node.set_op_type(type);
    node.set_name(Unused(stem));
    for (const std::string& input : inputs) node.add_input(input);
    node.add_output(output);
    return node;
  }

  void Report(const onnx::NodeProto& node, const QuantizedKernel& kernel) {
    LayerQuantization layer;
    layer.node = node.name();
    layer.input = node.input(0);
    layer.input_range = table_.ranges.at(layer.input);
    layer.input_unsigned = IsUnsigned(layer.input);
    layer.input_scale = ActivationScale(layer.input_range, layer.input_unsigned);
    const absl::Span<const float> scales = kernel.scales.data<float>();
    if (!scales.empty()) {
      layer.weight_scale_min = *std::min_element(scales.begin(), scales.end());
      layer.weight_scale_max = *std::max_element(scales.begin(), scales.end());
    }
    layer.weight = kernel.error;
    report_.layers.push_back(std::move(layer));
  }

  const Graph& source_;
  const CalibrationTable& table_;
  const QuantizationOptions& options_;
  Graph result_;
  QuantizationReport report_;
  std::set<std::string> never_negative_, given_;
  /// What was quantized, and the value that its readers take.
  std::map<std::string, std::string> pairs_;
  /// By name and axis: two layers may read one kernel, and one of them the other way round.
  std::map<std::pair<std::string, int64_t>, QuantizedKernel> kernels_;
};

}  // namespace

float ActivationScale(const Range& range, bool is_unsigned) {
  return ScaleFor(range, is_unsigned ? kUnsignedSteps : kInt8Steps);
}

std::vector<std::string> TensorsToCalibrate(const Graph& graph,
                                            const QuantizationOptions& options) {
  std::vector<std::string> names;
  const auto add = [&names](const std::string& name) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  };
  for (const onnx::NodeProto* node : graph.nodes()) {
    if (IsQuantized(graph, *node, options)) add(node->input(0));
    if (IsResidualSum(graph, *node, options)) add(node->input(1));
  }
  return names;
}

absl::StatusOr<QuantizedModel> InsertQdq(const Graph& folded, const CalibrationTable& table,
                                         const QuantizationOptions& options) {
  const int64_t opset = DefaultOpset(folded.proto());
  if (opset < 13) {
    return absl::UnimplementedError(absl::StrCat(
        "the graph has opset ", opset,
        "; INT8 needs at least 13, which has steps per channel: convert the model first, for "
        "example with onnx.version_converter.convert_version(model, 17)"));
  }
  TY_RETURN_IF_ERROR(CheckOptions(folded, options));
  TY_RETURN_IF_ERROR(CheckTable(folded, table, options));
  return QdqWriter(folded, table, options).Write();
}

}  // namespace trainyard::quantization
