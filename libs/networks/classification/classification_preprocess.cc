#include "libs/networks/classification/classification_preprocess.h"

#include <string>

#include "absl/types/span.h"
#include "libs/networks/classification/classification_spec.h"
#include "libs/spec/common/image_mean.h"

namespace trainyard::networks {
namespace {

using model::v1::Preprocess;
using spec::classification::v1::Experiment;
using spec::classification::v1::ModelConfig;
using spec::classification::v1::TrainConfig;

// Pixels by which the shorter side is larger than the input's before the middle is cut out.
constexpr int kCropMargin = 32;

struct Channel {
  double mean, std;
};
// ImageNet's, on the scale of 0-1; red first.
constexpr Channel kTorchColours[] = {{0.485, 0.229}, {0.456, 0.224}, {0.406, 0.225}};
constexpr Channel kTorchGrey[] = {{0.449, 0.226}};

void SetCaffe(const TrainConfig& config, int channels, Preprocess& preprocess) {
  if (channels == 3) preprocess.set_order(Preprocess::BGR);
  preprocess.set_scale(1);
  spec::internal::ImageMean mean = config.image_mean();
  spec::internal::ApplyImageMeanDefault(channels, &mean);
  for (const std::string& key : spec::internal::ImageMeanKeys(channels))
    preprocess.add_mean(mean[key]);
}

void SetTf(int channels, Preprocess& preprocess) {
  for (int c = 0; c < channels; ++c) preprocess.add_mean(127.5f);
  preprocess.set_scale(static_cast<float>(1 / 127.5));
}

void SetTorch(int channels, Preprocess& preprocess) {
  preprocess.set_scale(static_cast<float>(1.0 / 255));
  absl::Span<const Channel> all = kTorchColours;
  if (channels == 1) all = kTorchGrey;
  for (const Channel& channel : all) {
    preprocess.add_mean(static_cast<float>(255 * channel.mean));
    preprocess.add_std(static_cast<float>(channel.std));
  }
}

}  // namespace

void SetCenterCrop(bool crop, Preprocess& preprocess) {
  preprocess.set_resize(crop ? Preprocess::CENTER_CROP : Preprocess::STRETCH);
  preprocess.set_crop_margin(crop ? kCropMargin : 0);
}

Preprocess ClassificationPreprocess(const Experiment& experiment) {
  const ModelConfig& model = experiment.model_config();
  const TrainConfig& train = experiment.train_config();
  // A checked experiment has one; without, CheckPreprocess refuses the result.
  const InputSize size = InputSizeOf(model.input_image_size()).value_or(InputSize{.channels = 3});
  Preprocess preprocess;
  preprocess.set_width(size.width);
  preprocess.set_height(size.height);
  preprocess.set_order(size.channels == 1 ? Preprocess::GRAY : Preprocess::RGB);
  const std::string& mode = train.preprocess_mode();
  if (mode == "tf") {
    SetTf(size.channels, preprocess);
  } else if (mode == "torch") {
    SetTorch(size.channels, preprocess);
  } else {
    SetCaffe(train, size.channels, preprocess);
  }
  SetCenterCrop(train.enable_center_crop(), preprocess);
  if (model.resize_interpolation_method() == ModelConfig::BICUBIC) {
    preprocess.set_interpolation(Preprocess::BICUBIC);
  }
  return preprocess;
}

}  // namespace trainyard::networks
