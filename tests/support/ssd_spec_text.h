#pragma once

#include <string>

namespace trainyard::testing {

/// A small, whole SSD spec: ResNet-10 at 128 x 128, two classes. Tests append fields or replace texts.
inline std::string SmallSsdSpec() {
  return R"(
random_seed: 7
ssd_config {
  aspect_ratios_global: "[1.0, 2.0, 0.5]"
  scales: "[0.08, 0.16, 0.32, 0.48, 0.64, 0.80, 0.96]"
  two_boxes_for_ar1: true
  variances: "[0.1, 0.1, 0.2, 0.2]"
  arch: "resnet"
  nlayers: 10
}
training_config {
  batch_size_per_gpu: 4
  num_epochs: 6
  learning_rate { soft_start_annealing_schedule {
    min_learning_rate: 5e-5 max_learning_rate: 2e-2 soft_start: 0.15 annealing: 0.8 } }
  regularizer { type: L1 weight: 3e-5 }
}
eval_config {
  validation_period_during_training: 2
  average_precision_mode: INTEGRATE
  batch_size: 8
  matching_iou_threshold: 0.5
}
nms_config {
  confidence_threshold: 0.05
  clustering_iou_threshold: 0.6
  top_k: 200
}
augmentation_config {
  output_width: 128
  output_height: 128
  output_channel: 3
}
dataset_config {
  data_sources { label_directory_path: "/data/labels" image_directory_path: "/data/images" }
  target_class_mapping { key: "Car" value: "car" }
  target_class_mapping { key: "Van" value: "car" }
  target_class_mapping { key: "person" value: "Person" }
  validation_data_sources {
    label_directory_path: "/data/val_labels" image_directory_path: "/data/val_images" }
}
)";
}

}  // namespace trainyard::testing
