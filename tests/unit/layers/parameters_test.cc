// Parameters of every architecture, against published counts and against arithmetic on the papers'
// tables.

#include <algorithm>
#include <cmath>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/backbone_graph.h"
#include "tests/support/status_matchers.h"

namespace trainyard::layers {
namespace {

using ::trainyard::testing::BuildBackbone;
using ::trainyard::testing::IsOk;

struct Counts {
  /// Kernels, biases, scales and shifts; running means and variances.
  int64_t trained = 0, statistics = 0;
  int64_t all() const { return trained + statistics; }
};

Counts CountsOf(const BackboneOptions& options) {
  const auto built = BuildBackbone(options, 64, 64);
  EXPECT_THAT(built, IsOk());
  Counts counts;
  if (!built.ok()) return counts;
  for (const std::string& name : built->graph.InitializerNames()) {
    if (absl::StartsWith(name, "relu6/")) continue;
    const int64_t size = built->graph.Initializer(name)->size();
    (absl::StrContains(name, "/moving_") ? counts.statistics : counts.trained) += size;
  }
  return counts;
}

// What TAO's detectors have: projections on all shortcuts, stride 16 where there is a choice. With
// statistics, as Keras counts.
TEST(ParametersTest, DetectorsHaveTaosCounts) {
  const std::vector<std::pair<BackboneOptions, int64_t>> counts = {
      {{.arch = "resnet", .n_layers = 10}, 4'915'904},
      {{.arch = "resnet", .n_layers = 18}, 11'542'464},
      {{.arch = "resnet", .n_layers = 34}, 22'226'624},
      {{.arch = "resnet", .n_layers = 50}, 38'155'200},
      {{.arch = "resnet", .n_layers = 101}, 75'094'976},
      {{.arch = "vgg", .n_layers = 16}, 14'727'360},
      {{.arch = "vgg", .n_layers = 19}, 20'040'896},
      {{.arch = "darknet", .n_layers = 19}, 19'831'776},
      {{.arch = "darknet", .n_layers = 53}, 40'620'640},
      {{.arch = "mobilenet_v1", .total_stride = 16}, 1'627'840},
      {{.arch = "mobilenet_v2", .total_stride = 16}, 592'000},
      {{.arch = "squeezenet"}, 735'424},
      {{.arch = "googlenet"}, 5'995'392},
      {{.arch = "efficientnet_b0"}, 4'049'564}};
  for (const auto& [options, count] : counts) {
    EXPECT_EQ(CountsOf(options).all(), count) << BackboneName(options);
  }
}

/// A dense layer to ImageNet's classes, which published counts have in them.
constexpr int64_t Classifier(int64_t features) { return (features + 1) * 1000; }

// The papers' own networks, as torchvision has them. TAO projects in the first unit of every block,
// the papers only where the shape changes: one projection more in the first block of 18 layers.
TEST(ParametersTest, ResNetsHaveThePublishedCounts) {
  BackboneOptions options{
      .arch = "resnet", .n_layers = 18, .use_pooling = true, .all_projections = false};
  const int64_t projection = 64 * 64 + 2 * 64;
  EXPECT_EQ(CountsOf(options).trained, 11'689'512 - Classifier(512) + projection);
  options.n_layers = 50;
  EXPECT_EQ(CountsOf(options).trained, 25'557'032 - Classifier(2048));
}

TEST(ParametersTest, OthersHaveThePublishedCounts) {
  // Keras applications, include_top=False; with statistics.
  BackboneOptions vgg{.arch = "vgg", .n_layers = 16, .use_batch_norm = false, .use_bias = true};
  EXPECT_EQ(CountsOf(vgg).all(), 14'714'688);
  EXPECT_EQ(CountsOf({.arch = "mobilenet_v1"}).all(), 3'228'864);
  EXPECT_EQ(CountsOf({.arch = "mobilenet_v2", .all_projections = false}).all(), 2'257'984);
  // torchvision's squeezenet1_0: its classifier is a 1x1 convolution.
  EXPECT_EQ(CountsOf({.arch = "squeezenet"}).all(), 1'248'424 - Classifier(512));
  // Caffe's bvlc_googlenet without auxiliary classifiers; biases, no batch normalization.
  EXPECT_EQ(CountsOf({.arch = "googlenet", .use_batch_norm = false, .use_bias = true}).all(),
            6'998'552 - Classifier(1024));
  // AlexNet in one group has 62.4 million, all but these in its dense layers.
  EXPECT_EQ(CountsOf({.arch = "alexnet"}).all(),
            62'378'344 - ((6 * 6 * 256 + 1) * 4096 + (4096 + 1) * 4096 + Classifier(4096)));
  // The authors' PyTorch port.
  EXPECT_EQ(CountsOf({.arch = "efficientnet_b0"}).trained, 5'288'548 - Classifier(1280));
  EXPECT_EQ(CountsOf({.arch = "efficientnet_b1"}).trained, 7'794'184 - Classifier(1280));
}

/// A convolution without bias and its scale and shift.
int64_t ConvNorm(int64_t from, int64_t to, int64_t kernel) {
  return from * to * kernel * kernel + 2 * to;
}

/// Table 1 of the EfficientNet paper, widened and deepened, summed without building anything.
int64_t EfficientNetCount(double width, double depth, bool lite) {
  struct Row {
    int64_t kernel, units, channels, expansion;
  };
  const Row rows[] = {{3, 1, 16, 1},  {3, 2, 24, 6},  {5, 2, 40, 6}, {3, 3, 80, 6},
                      {5, 3, 112, 6}, {5, 4, 192, 6}, {3, 1, 320, 6}};
  const auto widened = [width](double channels) {
    return static_cast<int64_t>(std::floor((channels * width + 4) / 8)) * 8;
  };
  const int64_t stem = lite ? 32 : widened(32), top = lite ? 1280 : widened(1280);
  int64_t count = ConvNorm(3, stem, 3), from = stem;
  for (const Row& row : rows) {
    const bool fixed = lite && (&row == &rows[0] || &row == &rows[6]);
    const auto units = fixed ? row.units : static_cast<int64_t>(std::ceil(depth * row.units));
    for (int64_t unit = 0; unit < units; ++unit) {
      const int64_t wide = from * row.expansion, to = widened(row.channels);
      if (row.expansion > 1) count += ConvNorm(from, wide, 1);
      count += ConvNorm(1, wide, row.kernel);
      const int64_t squeezed = from / 4;
      if (!lite) count += (wide + 1) * squeezed + (squeezed + 1) * wide;
      count += ConvNorm(wide, to, 1);
      from = to;
    }
  }
  return count + ConvNorm(from, top, 1);
}

TEST(ParametersTest, EfficientNetsAreThePapersTable) {
  EXPECT_EQ(CountsOf({.arch = "efficientnet_b0"}).trained, EfficientNetCount(1.0, 1.0, false));
  EXPECT_EQ(CountsOf({.arch = "efficientnet_b1"}).trained, EfficientNetCount(1.0, 1.1, false));
  EXPECT_EQ(CountsOf({.arch = "efficientnet_lite0"}).trained, EfficientNetCount(1.0, 1.0, true));
  EXPECT_EQ(CountsOf({.arch = "efficientnet_lite1"}).trained, EfficientNetCount(1.0, 1.1, true));
  EXPECT_EQ(CountsOf({.arch = "efficientnet_lite2"}).trained, EfficientNetCount(1.1, 1.2, true));
}

// The rest of the table in docs/backbones.md.
TEST(ParametersTest, TheDocumentedCountsAreThese) {
  EXPECT_EQ(CountsOf({.arch = "mobilenet_v2"}).all(), 2'342'528);
  EXPECT_EQ(CountsOf({.arch = "efficientnet_b1"}).all(), 6'575'232);
  EXPECT_EQ(CountsOf({.arch = "efficientnet_lite0"}).all(), 3'413'024);
  EXPECT_EQ(CountsOf({.arch = "efficientnet_lite1"}).all(), 4'189'344);
  EXPECT_EQ(CountsOf({.arch = "efficientnet_lite2"}).all(), 4'869'168);
  BackboneOptions classic{.arch = "resnet", .n_layers = 18, .all_projections = false};
  EXPECT_EQ(CountsOf(classic).all(), 11'190'464);
}

TEST(ParametersTest, ABiasIsANumberAFilterAndANormalizationFour) {
  const BackboneOptions plain{.arch = "resnet", .n_layers = 10, .use_batch_norm = false};
  BackboneOptions biased = plain, normal = plain;
  biased.use_bias = true;
  normal.use_batch_norm = true;
  // conv1, and three convolutions in each of four units.
  const int64_t filters = 64 + 3 * (64 + 128 + 256 + 512);
  EXPECT_EQ(CountsOf(biased).all(), CountsOf(plain).all() + filters);
  EXPECT_EQ(CountsOf(normal).trained, CountsOf(plain).all() + 2 * filters);
  EXPECT_EQ(CountsOf(normal).statistics, 2 * filters);
}

}  // namespace
}  // namespace trainyard::layers
