// GoogLeNet with batch normalization in place of response normalization, without pooling before its
// last two inceptions and without auxiliary classifiers. Freeze blocks: 0 is the stem, 1 to 9 are
// the inceptions.

#include "absl/strings/str_cat.h"
#include "libs/layers/internal/families.h"

namespace trainyard::layers {
namespace {

/// Filters of the four branches; `reduce` are the 1x1 convolutions before the wider ones.
struct Inception {
  const char* index;
  int64_t one, three_reduce, three, five_reduce, five, pool;
};

/// Szegedy et al., arXiv:1409.4842, table 1.
constexpr Inception kInceptions[] = {
    {"3a", 64, 96, 128, 16, 32, 32},     {"3b", 128, 128, 192, 32, 96, 64},
    {"4a", 192, 96, 208, 16, 48, 64},    {"4b", 160, 112, 224, 24, 64, 64},
    {"4c", 128, 128, 256, 24, 64, 64},   {"4d", 112, 144, 288, 32, 64, 64},
    {"4e", 256, 160, 320, 32, 128, 128}, {"5a", 256, 160, 320, 32, 128, 128},
    {"5b", 384, 192, 384, 48, 128, 128}};

FeatureMap WriteInception(BackboneWriter& writer, const Inception& inception, const FeatureMap& x) {
  const std::string prefix = absl::StrCat("inception_", inception.index, "_");
  const auto conv = [&](absl::string_view name, const FeatureMap& from, int64_t channels,
                        int64_t kernel) {
    const std::string conv = absl::StrCat(prefix, name);
    return writer.ConvNormActivate({conv, absl::StrCat(conv, "_bn"), absl::StrCat(conv, "_relu")},
                                   from, channels, {.kernel = kernel});
  };
  const FeatureMap one = conv("1x1", x, inception.one, 1);
  const FeatureMap three =
      conv("3x3", conv("3x3_reduce", x, inception.three_reduce, 1), inception.three, 3);
  const FeatureMap five =
      conv("5x5", conv("5x5_reduce", x, inception.five_reduce, 1), inception.five, 5);
  const FeatureMap pool =
      conv("pool_proj", writer.MaxPool(absl::StrCat(prefix, "pool"), x, 3, 1), inception.pool, 1);
  return writer.layers().Concat(absl::StrCat(prefix, "output"), {one, three, five, pool});
}

}  // namespace

FeatureMap WriteGoogLeNet(BackboneWriter& writer, const BackboneOptions&, const FeatureMap& input) {
  writer.BeginBlock(0);
  FeatureMap x = writer.ConvNormActivate({"conv1", "bn_conv1", "conv1_relu"}, input, 64,
                                         {.kernel = 7, .stride = 2});
  x = writer.MaxPool("pool1", x, 2, 2);
  x = writer.ConvNormActivate({"conv2_reduce", "bn_conv2_reduce", "conv2_reduce_relu"}, x, 64, {});
  x = writer.ConvNormActivate({"conv2", "bn_conv2", "conv2_relu"}, x, 192, {.kernel = 3});
  x = writer.MaxPool("pool2", x, 2, 2);
  int block = 0;
  for (const Inception& inception : kInceptions) {
    writer.BeginBlock(++block);
    x = WriteInception(writer, inception, x);
    if (block == 2) x = writer.MaxPool("pool3", x, 2, 2);
  }
  return x;
}

}  // namespace trainyard::layers
