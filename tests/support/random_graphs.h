#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/random.h"
#include "libs/graph/builder.h"
#include "libs/graph/graph.h"
#include "libs/tensor/tensor.h"

namespace trainyard::testing {

/// Writes a convolutional network that nobody thought of: five to eleven steps, each on one of the
/// latest maps, of convolutions (plain, grouped, depthwise), activations, sums, concatenations (of
/// maps that others read too, and of concatenations), slices, poolings and scales; three heads.
/// f32 "Input" [N, 3, 16, 16]; the same for the same seed.
class RandomGraphWriter {
 public:
  explicit RandomGraphWriter(uint64_t seed)
      : random_(seed, 0, 0, RandomPurpose::kSampleData), builder_("random") {}

  absl::StatusOr<graph::Graph> Write() {
    const int64_t width = Below(2) == 0 ? 8 : 16;
    const std::string input = builder_.Input("Input", {-1, 3, 16, 16});
    maps_.push_back({builder_.Relu("stem_relu", Conv(input, 3, width, 3, 1)), width});
    const int64_t steps = 5 + Below(7);
    for (int64_t i = 0; i < steps; ++i) Step();
    const size_t heads = std::min<size_t>(3, maps_.size());
    for (size_t i = maps_.size() - heads; i < maps_.size(); ++i) {
      builder_.Output(Conv(maps_[i].name, maps_[i].channels, 4, 3, 1), {-1, 4, 16, 16});
    }
    return std::move(builder_).Finish();
  }

 private:
  struct Map {
    std::string name;
    int64_t channels;
  };

  int64_t Below(int64_t bound) { return static_cast<int64_t>(random_.Below(bound)); }
  std::string Name(const char* what) { return absl::StrCat(what, "_", ++count_); }

  Tensor Normal(const Shape& shape, double scale) {
    Tensor tensor = Tensor::Zeros(DType::kFloat32, shape);
    for (float& value : tensor.data<float>()) value = static_cast<float>(scale * random_.Normal());
    return tensor;
  }

  std::string Conv(const std::string& x, int64_t in, int64_t out, int64_t side, int64_t group) {
    const double gain = std::sqrt(2.0 / static_cast<double>(in / group * side * side));
    return builder_.Conv(Name("conv"), x, Normal({out, in / group, side, side}, gain),
                         Normal({out}, 0.1), {.pad = side / 2, .group = group});
  }

  std::string Activate(const std::string& x) {
    switch (Below(5)) {
      case 0:
        return builder_.Node("LeakyRelu", Name("leaky"), {x}, {{"alpha", 0.1f}});
      case 1:
        return builder_.Node("Mul", Name("swish"),
                             {x, builder_.Node("Sigmoid", Name("sigmoid"), {x})});
      case 2:
        return x;
      default:
        return builder_.Relu(Name("relu"), x);
    }
  }

  void Step() {
    const int64_t last = static_cast<int64_t>(maps_.size());
    const Map from = maps_[std::max<int64_t>(last - 4, 0) + Below(std::min<int64_t>(last, 4))];
    const int64_t kind = Below(10);
    if (kind < 4) {
      const int64_t group = Below(5) > 0 ? 1 : Below(2) == 0 ? 2 : from.channels;
      const int64_t out = group > 1 ? from.channels : 8 + 4 * Below(3);
      maps_.push_back(
          {Activate(Conv(from.name, from.channels, out, Below(2) == 0 ? 1 : 3, group)), out});
    } else if (kind < 7) {
      Concatenate(from);
    } else if (kind == 7) {
      for (const Map& other : maps_) {
        if (other.channels != from.channels || other.name == from.name) continue;
        const std::string sum = builder_.Add(Name("sum"), from.name, other.name);
        maps_.push_back({Activate(sum), from.channels});
        break;
      }
    } else if (kind == 8) {
      const std::string pooled = builder_.MaxPool(Name("pool"), from.name, 3, {.pad = 1});
      maps_.push_back({pooled, from.channels});
    } else {
      Tensor scale = Tensor::Zeros(DType::kFloat32, {1, from.channels, 1, 1});
      const double gain = std::pow(10.0, 3 * random_.Uniform() - 1.5);
      for (float& value : scale.data<float>()) {
        value = static_cast<float>(gain * (0.5 + random_.Uniform()));
      }
      const std::string name = Name("scaled");
      maps_.push_back(
          {builder_.Node("Mul", name, {from.name, builder_.Initializer(name + "/by", scale)}),
           from.channels});
    }
  }

  void Concatenate(const Map& from) {
    std::vector<std::string> names = {from.name};
    int64_t channels = from.channels;
    for (int64_t i = Below(2) + 1; i > 0; --i) {
      const Map& other = maps_[Below(maps_.size())];
      names.push_back(other.name);
      channels += other.channels;
    }
    if (channels > 64) return;
    maps_.push_back({builder_.Concat(Name("all"), names, 1), channels});
  }

  Philox random_;
  graph::GraphBuilder builder_;
  std::vector<Map> maps_;
  int count_ = 0;
};

inline absl::StatusOr<graph::Graph> RandomGraph(uint64_t seed) {
  return RandomGraphWriter(seed).Write();
}

}  // namespace trainyard::testing
