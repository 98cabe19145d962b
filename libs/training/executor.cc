#include "libs/training/executor.h"

#include <algorithm>
#include <set>
#include <utility>

#include "ATen/autocast_mode.h"
#include "ATen/core/grad_mode.h"
#include "ATen/ops/_foreach_copy.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/training/operators/node.h"
#include "libs/training/torch_status.h"
#include "libs/training/torch_tensor.h"

namespace trainyard::training {

struct Executor::Program {
  struct Node {
    Step step;
    std::string where;
    /// Slots that nobody reads after this node.
    std::vector<int> release;
    /// The result of a convolution, before whose gradient a stop is looked for; else -1.
    int watched = -1;
  };
  std::vector<Node> nodes;
  /// Initializers and constants; they fill the first slots of every frame.
  std::vector<at::Tensor> constants;
  std::vector<int> input_slots, output_slots;
  int slot_count = 0;
};

namespace {

bool IsImageLike(const at::Tensor& tensor) { return tensor.dim() == 4; }

// A tensor of our own (never a view of the graph's bytes), where and how the executor wants it.
at::Tensor Placed(const at::Tensor& tensor, const ExecutorOptions& options, bool copy) {
  at::Tensor placed = tensor.to(options.device, tensor.scalar_type(), /*non_blocking=*/false, copy);
  if (options.channels_last && IsImageLike(placed)) {
    placed = placed.contiguous(at::MemoryFormat::ChannelsLast);
  }
  return placed;
}

// The declared shapes of the graph's inputs; -1 where a dimension is open or not told.
std::vector<Shape> DeclaredShapes(const graph::Graph& graph,
                                  const std::vector<std::string>& names) {
  std::vector<Shape> shapes;
  for (const std::string& name : names) {
    Shape shape;
    for (const auto& input : graph.proto().graph().input()) {
      if (input.name() != name) continue;
      for (const auto& dim : input.type().tensor_type().shape().dim()) {
        shape.push_back(dim.has_dim_value() ? dim.dim_value() : -1);
      }
    }
    shapes.push_back(std::move(shape));
  }
  return shapes;
}

// Lets the gradient of `value` end when a stop is requested. Backward passes are one call otherwise.
void WatchGradient(const at::Tensor& value, const std::stop_token& stop) {
  if (!stop.stop_possible() || !value.requires_grad()) return;
  value.register_hook([stop](const at::Tensor&) {
    if (stop.stop_requested()) throw StopRequested();
  });
}

// Turns autocast on for a scope and clears its cache of cast weights at the end.
class AutocastScope {
 public:
  AutocastScope(at::DeviceType device, bool enabled) : device_(device), enabled_(enabled) {
    if (!enabled_) return;
    at::autocast::set_autocast_enabled(device_, true);
    at::autocast::set_autocast_dtype(device_, at::kBFloat16);
  }
  ~AutocastScope() {
    if (!enabled_) return;
    at::autocast::set_autocast_enabled(device_, false);
    at::autocast::clear_cache();
  }
  AutocastScope(const AutocastScope&) = delete;
  AutocastScope& operator=(const AutocastScope&) = delete;

 private:
  at::DeviceType device_;
  bool enabled_;
};

}  // namespace

/// Turns a Graph into an Executor::Program.
class GraphCompiler {
 public:
  GraphCompiler(const graph::Graph& graph, Executor& executor)
      : graph_(graph), executor_(executor), program_(*executor.program_) {}

  absl::Status Compile();

 private:
  class View;

  absl::Status CheckFlags() const;
  absl::Status LoadConstants();
  absl::Status MapNode(const onnx::NodeProto& node);
  void PlanReleases();
  int SlotOf(const std::string& value);
  void MakeParameter(const std::string& initializer, int slot);
  bool IsConstant(const std::string& value) const { return host_.contains(value); }
  int64_t Opset() const;

  const graph::Graph& graph_;
  Executor& executor_;
  Executor::Program& program_;
  absl::flat_hash_map<std::string, int> slots_;
  /// Initializers and values of Constant nodes, in host memory.
  absl::flat_hash_map<std::string, Tensor> host_;
  absl::flat_hash_set<std::string> trainable_;
  absl::flat_hash_set<std::string> frozen_;
  Problems unknown_;
};

class GraphCompiler::View : public NodeView {
 public:
  View(GraphCompiler& compiler, const onnx::NodeProto& node) : compiler_(compiler), node_(node) {}

  const onnx::NodeProto& node() const override { return node_; }
  int64_t opset() const override { return compiler_.Opset(); }
  int Input(int i) const override { return compiler_.SlotOf(node_.input(i)); }
  int Output(int i) const override { return compiler_.SlotOf(node_.output(i)); }

  int Weight(int i) override {
    const int slot = Input(i);
    if (BatchNormIsFrozen()) compiler_.frozen_.insert(node_.input(i));
    compiler_.MakeParameter(node_.input(i), slot);
    return slot;
  }

  absl::StatusOr<int> Statistic(int i) override {
    const std::string& name = node_.input(i);
    if (!compiler_.IsConstant(name)) return Unimplemented("statistics that the graph computes");
    const int slot = Input(i);
    auto& statistics = compiler_.executor_.statistics_;
    const bool known = std::any_of(statistics.begin(), statistics.end(),
                                   [&name](const auto& entry) { return entry.first == name; });
    if (!known) statistics.emplace_back(name, compiler_.program_.constants[slot]);
    return slot;
  }

  bool MayOverwrite(int i) const override {
    static const auto* const kFree = new absl::flat_hash_set<absl::string_view>{
        "Conv", "BatchNormalization", "Add", "Concat"};
    const std::string& value = node_.input(i);
    const onnx::NodeProto* producer = compiler_.graph_.Producer(value);
    if (producer == nullptr || !kFree->contains(producer->op_type())) return false;
    const auto readers = std::count(node_.input().begin(), node_.input().end(), value);
    return readers == 1 && compiler_.graph_.Consumers(value).size() == 1 &&
           !compiler_.graph_.IsOutput(value);
  }

  bool BatchNormIsFrozen() const override {
    const auto& names = compiler_.executor_.options_.flags.frozen_batch_norm();
    return std::find(names.begin(), names.end(), node_.name()) != names.end();
  }

  absl::StatusOr<std::vector<int64_t>> ConstantInts(int i) const override {
    TY_ASSIGN_OR_RETURN(const Tensor tensor, Constant(i));
    if (tensor.dtype() != DType::kInt64) {
      return Invalid(absl::StrCat("input '", node_.input(i), "' must hold 64-bit integers"));
    }
    const auto values = tensor.data<int64_t>();
    return std::vector<int64_t>(values.begin(), values.end());
  }

  absl::StatusOr<std::vector<float>> ConstantFloats(int i) const override {
    TY_ASSIGN_OR_RETURN(const Tensor tensor, Constant(i));
    if (tensor.dtype() != DType::kFloat32) {
      return Invalid(absl::StrCat("input '", node_.input(i), "' must hold 32-bit floats"));
    }
    const auto values = tensor.data<float>();
    return std::vector<float>(values.begin(), values.end());
  }

 private:
  absl::StatusOr<Tensor> Constant(int i) const {
    const auto found = compiler_.host_.find(node_.input(i));
    if (found == compiler_.host_.end()) {
      return Unimplemented(absl::StrCat("input '", node_.input(i),
                                        "' is computed by the graph; only constants are offered"));
    }
    return found->second;
  }

  GraphCompiler& compiler_;
  const onnx::NodeProto& node_;
};

int64_t GraphCompiler::Opset() const {
  for (const auto& import : graph_.proto().opset_import()) {
    if (import.domain().empty() || import.domain() == "ai.onnx") return import.version();
  }
  return 17;
}

int GraphCompiler::SlotOf(const std::string& value) {
  const auto [found, added] = slots_.try_emplace(value, program_.slot_count);
  if (added) ++program_.slot_count;
  return found->second;
}

absl::Status GraphCompiler::CheckFlags() const {
  Problems problems;
  const auto check_initializers = [&](absl::string_view flag, const auto& names) {
    for (const std::string& name : names) {
      if (!graph_.HasInitializer(name)) {
        problems.Add(std::string(flag), "names '%s', which is no initializer of the graph", name);
      }
    }
  };
  check_initializers("training.frozen", executor_.options_.flags.frozen());
  check_initializers("training.regularized", executor_.options_.flags.regularized());
  for (const std::string& name : executor_.options_.flags.frozen_batch_norm()) {
    const onnx::NodeProto* node = graph_.FindNode(name);
    if (node == nullptr || node->op_type() != "BatchNormalization") {
      problems.Add("training.frozen_batch_norm",
                   "names '%s', which is no BatchNormalization of the graph", name);
    }
  }
  return problems.ToStatus();
}

absl::Status GraphCompiler::LoadConstants() {
  for (const std::string& name : graph_.InitializerNames()) {
    TY_ASSIGN_OR_RETURN(host_[name], graph_.Initializer(name));
  }
  for (const onnx::NodeProto* node : graph_.nodes()) {
    if (node->op_type() != "Constant") continue;
    const bool plain = node->attribute_size() == 1 && node->attribute(0).name() == "value";
    if (!plain) {
      unknown_.Add("", "node '%s' (Constant): only a tensor in 'value' is offered", node->name());
      continue;
    }
    TY_ASSIGN_OR_RETURN(host_[node->output(0)], graph::TensorFromProto(node->attribute(0).t()));
  }
  // Slots in the order of names, so that the layout does not follow a hash.
  std::set<std::string> names;
  for (const auto& entry : host_) names.insert(entry.first);
  for (const std::string& name : names) {
    SlotOf(name);
    program_.constants.push_back(Placed(ToTorch(host_.at(name)), executor_.options_, /*copy=*/true));
  }
  return absl::OkStatus();
}

void GraphCompiler::MakeParameter(const std::string& initializer, int slot) {
  if (!graph_.HasInitializer(initializer)) return;
  at::Tensor& value = program_.constants[slot];
  if (!value.is_floating_point() || !trainable_.insert(initializer).second) return;
  executor_.parameters_.push_back({.name = initializer, .value = value});
}

absl::Status GraphCompiler::MapNode(const onnx::NodeProto& node) {
  if (node.op_type() == "Constant") return absl::OkStatus();
  const Mapper mapper = FindMapper(node.op_type());
  const std::string where = absl::StrCat("node '", node.name(), "' (", node.op_type(), ")");
  if (mapper == nullptr || (!node.domain().empty() && node.domain() != "ai.onnx")) {
    unknown_.Add("", "%s: the operator is not offered", where);
    return absl::OkStatus();
  }
  View view(*this, node);
  absl::StatusOr<Step> step = mapper(view);
  if (absl::IsUnimplemented(step.status())) {
    unknown_.Add("", "%s", std::string(step.status().message()));
    return absl::OkStatus();
  }
  TY_RETURN_IF_ERROR(step);
  program_.nodes.push_back({.step = *std::move(step), .where = where});
  if (node.op_type() == "Conv") program_.nodes.back().watched = SlotOf(node.output(0));
  return absl::OkStatus();
}

void GraphCompiler::PlanReleases() {
  const int first_value = static_cast<int>(program_.constants.size());
  std::vector<int> last_reader(program_.slot_count, -1);
  int index = 0;
  for (const onnx::NodeProto* node : graph_.nodes()) {
    if (node->op_type() == "Constant") continue;
    for (const std::string& value : node->input()) {
      if (!value.empty()) last_reader[SlotOf(value)] = index;
    }
    for (const std::string& value : node->output()) {
      if (value.empty()) continue;
      int& last = last_reader[SlotOf(value)];
      last = std::max(last, index);
    }
    ++index;
  }
  const std::set<int> outputs(program_.output_slots.begin(), program_.output_slots.end());
  for (int slot = first_value; slot < program_.slot_count; ++slot) {
    if (last_reader[slot] < 0 || outputs.contains(slot)) continue;
    program_.nodes[last_reader[slot]].release.push_back(slot);
  }
}

absl::Status GraphCompiler::Compile() {
  TY_RETURN_IF_ERROR(CheckFlags());
  TY_RETURN_IF_ERROR(LoadConstants());
  for (const std::string& name : executor_.input_names_) {
    program_.input_slots.push_back(SlotOf(name));
  }
  for (const onnx::NodeProto* node : graph_.nodes()) TY_RETURN_IF_ERROR(MapNode(*node));
  TY_RETURN_IF_ERROR(unknown_.ToStatus(absl::StatusCode::kUnimplemented));
  for (const std::string& name : executor_.output_names_) {
    program_.output_slots.push_back(SlotOf(name));
  }
  // Every name has its slot before the releases are planned: outputs that no node asked for too.
  for (const onnx::NodeProto* node : graph_.nodes()) {
    for (const std::string& value : node->output()) {
      if (!value.empty()) SlotOf(value);
    }
  }
  PlanReleases();

  const model::v1::TrainingFlags& flags = executor_.options_.flags;
  frozen_.insert(flags.frozen().begin(), flags.frozen().end());
  const absl::flat_hash_set<std::string> regularized(flags.regularized().begin(),
                                                     flags.regularized().end());
  for (Parameter& parameter : executor_.parameters_) {
    parameter.frozen = frozen_.contains(parameter.name);
    parameter.regularized = regularized.contains(parameter.name) && !parameter.frozen;
    parameter.value.requires_grad_(!parameter.frozen);
  }
  return absl::OkStatus();
}

Executor::Executor(ExecutorOptions options)
    : options_(std::move(options)), program_(std::make_unique<Program>()) {}

Executor::~Executor() = default;

absl::StatusOr<std::unique_ptr<Executor>> Executor::Create(const graph::Graph& graph,
                                                           ExecutorOptions options) {
  std::unique_ptr<Executor> executor(new Executor(std::move(options)));
  executor->input_names_ = graph.InputNames();
  executor->input_shapes_ = DeclaredShapes(graph, executor->input_names_);
  executor->output_names_ = graph.OutputNames();
  try {
    GraphCompiler compiler(graph, *executor);
    TY_RETURN_IF_ERROR(compiler.Compile());
  } catch (const std::exception& error) {
    return TorchStatus("placing the graph's weights", error);
  }
  return executor;
}

absl::Status Executor::CheckInputs(absl::Span<const at::Tensor> inputs) const {
  if (inputs.size() != input_names_.size()) {
    return absl::InvalidArgumentError(absl::StrFormat("the graph has %d inputs; %d were given",
                                                      input_names_.size(), inputs.size()));
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Shape& declared = input_shapes_[i];
    bool fits = inputs[i].dim() == static_cast<int64_t>(declared.size());
    for (size_t axis = 0; fits && axis < declared.size(); ++axis) {
      fits = declared[axis] < 0 || declared[axis] == inputs[i].size(static_cast<int64_t>(axis));
    }
    if (!fits) {
      return absl::InvalidArgumentError(
          absl::StrCat("input '", input_names_[i], "' has shape ",
                       ShapeText(inputs[i].sizes().vec()), "; expected ", ShapeText(declared)));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<at::Tensor>> Executor::Forward(absl::Span<const at::Tensor> inputs,
                                                          Mode mode) {
  TY_RETURN_IF_ERROR(CheckInputs(inputs));
  Frame frame;
  frame.training = mode == Mode::kTraining;
  frame.values = program_->constants;
  frame.values.resize(program_->slot_count);
  std::string where = "placing the inputs";
  try {
    const AutocastScope autocast(options_.device.type(), options_.autocast);
    for (size_t i = 0; i < inputs.size(); ++i) {
      frame.values[program_->input_slots[i]] = Placed(inputs[i], options_, /*copy=*/false);
    }
    for (const Program::Node& node : program_->nodes) {
      where = node.where;
      if (options_.stop.stop_requested()) throw StopRequested();
      node.step(frame);
      if (node.watched >= 0) WatchGradient(frame.values[node.watched], options_.stop);
      for (const int slot : node.release) frame.values[slot].reset();
    }
    std::vector<at::Tensor> outputs;
    for (const int slot : program_->output_slots) {
      outputs.push_back(frame.values[slot].scalar_type() == at::kBFloat16
                            ? frame.values[slot].to(at::kFloat)
                            : frame.values[slot]);
    }
    return outputs;
  } catch (const std::exception& error) {
    return TorchStatus(where, error);
  }
}

absl::StatusOr<std::vector<Tensor>> Executor::Run(absl::Span<const Tensor> inputs) {
  const at::NoGradGuard no_gradients;
  std::vector<at::Tensor> batch;
  for (const Tensor& input : inputs) {
    if (input.dtype() != DType::kFloat32) {
      return absl::InvalidArgumentError(
          absl::StrCat("input of type ", NameOf(input.dtype()), "; expected f32"));
    }
    batch.push_back(ToTorch(input));
  }
  TY_ASSIGN_OR_RETURN(const std::vector<at::Tensor> outputs, Forward(batch, Mode::kInference));
  std::vector<Tensor> results;
  for (const at::Tensor& output : outputs) {
    TY_ASSIGN_OR_RETURN(results.emplace_back(), FromTorch(output));
  }
  return results;
}

void Executor::CopyStatistics(std::vector<at::Tensor>& copies) const {
  const at::NoGradGuard no_gradients;
  std::vector<at::Tensor> values;
  for (const auto& [name, value] : statistics_) values.push_back(value);
  if (copies.empty()) {
    for (const at::Tensor& value : values) copies.push_back(value.clone());
  } else {
    at::_foreach_copy_(copies, values);
  }
}

absl::Status Executor::WriteBack(graph::Graph& graph) const {
  std::vector<at::Tensor> statistics;
  for (const auto& [name, value] : statistics_) statistics.push_back(value);
  return WriteBack(graph, statistics);
}

absl::Status Executor::WriteBack(graph::Graph& graph,
                                 absl::Span<const at::Tensor> statistics) const {
  const auto store = [&graph](const std::string& name, const at::Tensor& value) -> absl::Status {
    if (!graph.HasInitializer(name)) {
      return absl::InvalidArgumentError(absl::StrCat("the graph has no initializer '", name, "'"));
    }
    TY_ASSIGN_OR_RETURN(const Tensor host, FromTorch(value));
    return graph.SetInitializer(name, host);
  };
  for (const Parameter& parameter : parameters_) {
    TY_RETURN_IF_ERROR(store(parameter.name, parameter.value));
  }
  for (size_t i = 0; i < statistics_.size(); ++i) {
    TY_RETURN_IF_ERROR(store(statistics_[i].first, statistics[i]));
  }
  return absl::OkStatus();
}

absl::Status Executor::ReadFrom(const graph::Graph& graph) {
  const at::NoGradGuard no_gradients;
  const auto take = [&graph](const std::string& name, at::Tensor value) -> absl::Status {
    TY_ASSIGN_OR_RETURN(const Tensor host, graph.Initializer(name));
    const at::Tensor source = ToTorch(host);
    if (source.sizes() != value.sizes()) {
      return absl::InvalidArgumentError(absl::StrCat("initializer '", name, "' has shape ",
                                                     ShapeText(host.shape()), "; expected ",
                                                     ShapeText(value.sizes().vec())));
    }
    value.copy_(source);
    return absl::OkStatus();
  };
  for (const Parameter& parameter : parameters_) {
    TY_RETURN_IF_ERROR(take(parameter.name, parameter.value));
  }
  for (const auto& [name, value] : statistics_) TY_RETURN_IF_ERROR(take(name, value));
  return absl::OkStatus();
}

}  // namespace trainyard::training
