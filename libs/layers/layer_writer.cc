#include "libs/layers/layer_writer.h"

#include <array>
#include <optional>

#include "absl/strings/str_cat.h"

namespace trainyard::layers {
namespace {

constexpr float kLeakySlope = 0.1f;

/// Pixels before and after one axis.
struct Side {
  int64_t before = 0, after = 0;
};

Side SideOf(const ConvOptions& options, int64_t size) {
  const int64_t half = options.kernel / 2;
  const bool uneven = options.padding == Padding::kSame && options.stride == 2 && size % 2 == 0;
  return {half - (uneven && half > 0 ? 1 : 0), half};
}

int64_t SizeAfter(int64_t size, Side side, int64_t kernel, int64_t stride) {
  const int64_t room = size + side.before + side.after - kernel;
  return room < 0 ? 0 : room / stride + 1;
}

/// Keras counts the fan-out of a depthwise kernel for one channel, which is the fan-in of its shape
/// [channels, 1, kernel, kernel] here; Glorot's sum of both is the same either way.
KernelInit InitOf(const ConvOptions& options) {
  const bool swapped = options.depthwise && options.init == KernelInit::kHeNormalFanOut;
  return swapped ? KernelInit::kHeNormal : options.init;
}

}  // namespace

FeatureMap LayerWriter::Conv(const std::string& name, const FeatureMap& x, int64_t channels,
                             const ConvOptions& options) {
  const Shape shape = {channels, options.depthwise ? 1 : x.channels, options.kernel,
                       options.kernel};
  const Tensor kernel = InitialKernel(InitOf(options), shape, seed_, absl::StrCat(name, "/kernel"));
  std::optional<Tensor> bias;
  if (options.bias) bias = Tensor::Zeros(DType::kFloat32, {channels});
  const Side rows = SideOf(options, x.height), columns = SideOf(options, x.width);
  const std::array<int64_t, 4> pads = {rows.before, columns.before, rows.after, columns.after};
  return {.value = builder_.Conv(
              name, x.value, kernel, bias,
              {.stride = options.stride, .group = options.depthwise ? channels : 1, .pads = pads}),
          .channels = channels,
          .height = SizeAfter(x.height, rows, options.kernel, options.stride),
          .width = SizeAfter(x.width, columns, options.kernel, options.stride),
          .stride = x.stride * options.stride};
}

FeatureMap LayerWriter::BatchNorm(const std::string& name, const FeatureMap& x,
                                  const NormOptions& options) {
  const std::vector<float> ones(x.channels, 1.0f);
  FeatureMap y = x;
  y.value = builder_.BatchNorm(name, x.value,
                               {.gamma = Tensor::Of<float>({x.channels}, ones),
                                .beta = Tensor::Zeros(DType::kFloat32, {x.channels}),
                                .mean = Tensor::Zeros(DType::kFloat32, {x.channels}),
                                .variance = Tensor::Of<float>({x.channels}, ones),
                                .epsilon = options.epsilon,
                                .momentum = options.momentum});
  return y;
}

FeatureMap LayerWriter::Activate(const std::string& name, const FeatureMap& x,
                                 Activation activation) {
  FeatureMap y = x;
  switch (activation) {
    case Activation::kRelu:
      y.value = builder_.Relu(name, x.value);
      break;
    case Activation::kRelu6:
      y.value = Relu6(name, x.value);
      break;
    case Activation::kLeakyRelu:
      y.value = builder_.LeakyRelu(name, x.value, kLeakySlope);
      break;
    case Activation::kSwish:
      y.value =
          builder_.Mul(name, x.value, builder_.Sigmoid(absl::StrCat(name, "_sigmoid"), x.value));
      break;
  }
  return y;
}

std::string LayerWriter::Relu6(const std::string& name, const std::string& x) {
  const std::string low = "relu6/min", high = "relu6/max";
  // All of a graph share them, whichever writer adds them first.
  if (!builder_.HasInitializer(low)) {
    builder_.Initializer(low, Tensor::Of<float>({}, std::vector<float>{0}));
    builder_.Initializer(high, Tensor::Of<float>({}, std::vector<float>{6}));
  }
  return builder_.Clip(name, x, low, high);
}

FeatureMap LayerWriter::MaxPool(const std::string& name, const FeatureMap& x, int64_t kernel,
                                int64_t stride) {
  const int64_t pad = (kernel - 1) / 2;
  return {.value = builder_.MaxPool(name, x.value, kernel, {.stride = stride, .pad = pad}),
          .channels = x.channels,
          .height = SizeAfter(x.height, {pad, pad}, kernel, stride),
          .width = SizeAfter(x.width, {pad, pad}, kernel, stride),
          .stride = x.stride * stride};
}

FeatureMap LayerWriter::GlobalAveragePool(const std::string& name, const FeatureMap& x) {
  FeatureMap y = x;
  y.value = builder_.GlobalAveragePool(name, x.value);
  y.height = y.width = 1;
  return y;
}

FeatureMap LayerWriter::Sigmoid(const std::string& name, const FeatureMap& x) {
  FeatureMap y = x;
  y.value = builder_.Sigmoid(name, x.value);
  return y;
}

FeatureMap LayerWriter::Add(const std::string& name, const FeatureMap& a, const FeatureMap& b) {
  FeatureMap y = a;
  y.value = builder_.Add(name, a.value, b.value);
  return y;
}

FeatureMap LayerWriter::Mul(const std::string& name, const FeatureMap& a, const FeatureMap& b) {
  FeatureMap y = a;
  y.value = builder_.Mul(name, a.value, b.value);
  return y;
}

FeatureMap LayerWriter::Concat(const std::string& name, const std::vector<FeatureMap>& maps) {
  FeatureMap y = maps[0];
  y.channels = 0;
  std::vector<std::string> values;
  for (const FeatureMap& map : maps) {
    values.push_back(map.value);
    y.channels += map.channels;
  }
  y.value = builder_.Concat(name, values, 1);
  return y;
}

}  // namespace trainyard::layers
