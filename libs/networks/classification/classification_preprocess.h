#pragma once

#include "trainyard/model/v1/model_record.pb.h"
#include "trainyard/spec/classification/v1/experiment.pb.h"

namespace trainyard::networks {

/// How a checked experiment (CheckClassification) makes pictures the network's input: its
/// input_image_size, resize_interpolation_method, preprocess_mode, image_mean and
/// train_config.enable_center_crop. Defaults hold for what is absent, so for the whole
/// train_config. Pure.
///
/// `caffe` gives the order BGR, `tf` and `torch` give RGB: TAO turns the channels around in `caffe`
/// alone, whatever the configuration files of its export say. Of its two deviations for `torch` it
/// takes the ones of ImageNet (0.229, 0.224, 0.225; grey 0.226), not 0.224 for every channel.
///
/// Source: TAO's preprocessing of image classification, which is Keras' imagenet_utils with grey.
model::v1::Preprocess ClassificationPreprocess(
    const spec::classification::v1::Experiment& experiment);

/// What `enable_center_crop`, of the training or of an evaluation, makes of it.
void SetCenterCrop(bool crop, model::v1::Preprocess& preprocess);

}  // namespace trainyard::networks
