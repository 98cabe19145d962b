"""Small TAO specs for tests: the sample data's three classes, ResNet-10 at 128x128."""


def artifact(name, uri):
    from trainyard.v1 import artifact_pb2

    return artifact_pb2.Artifact(name=name, uri=str(uri))


CLASSES = ("bolt", "nut", "washer")


def mapping(indent=""):
    return "".join(f'{indent}target_class_mapping {{ key: "{name}" value: "{name}" }}\n' for name in CLASSES)


def convert(root, val_split=20, shards=2):
    return (f'kitti_config {{ root_directory_path: "{root}" image_dir_name: "images" '
            f'label_dir_name: "labels" image_extension: ".jpg" partition_mode: "random" '
            f'num_partitions: 2 val_split: {val_split} num_shards: {shards} }}\n'
            f'image_directory_path: "{root}"\n' + mapping())


def train(tfrecords, validation, epochs=2, batch=8, seed=7, extra="", period=None, interval=1, size=128,
          max_rate=1e-2, regularizer="type: L1 weight: 3e-6", augment=True):
    """`validation`: a folder with images/ and labels/, or None for the converted fold 0."""
    validation_text = ("validation_fold: 0" if validation is None else
                       f'validation_data_sources {{ image_directory_path: "{validation}/images" '
                       f'label_directory_path: "{validation}/labels" }}')
    jitter = "" if augment else ("random_crop_min_scale: 1 random_crop_max_scale: 1 zoom_out_min_scale: 1 "
                                 "zoom_out_max_scale: 1 brightness: 0 contrast: 0 saturation: 0 hue: 0")
    return f"""random_seed: {seed}
ssd_config {{
  aspect_ratios_global: "[1.0, 2.0, 0.5]"
  scales: "[0.1, 0.2, 0.35, 0.5, 0.7, 0.85, 1.0]"
  two_boxes_for_ar1: true
  clip_boxes: false
  variances: "[0.1, 0.1, 0.2, 0.2]"
  arch: "resnet"
  nlayers: 10
}}
training_config {{
  batch_size_per_gpu: {batch}
  num_epochs: {epochs}
  checkpoint_interval: {interval}
  learning_rate {{ soft_start_annealing_schedule {{
    min_learning_rate: 1e-4 max_learning_rate: {max_rate} soft_start: 0.1 annealing: 0.6 }} }}
  regularizer {{ {regularizer} }}
  n_workers: 1
}}
eval_config {{ validation_period_during_training: {period or epochs} average_precision_mode: INTEGRATE
  batch_size: 8 matching_iou_threshold: 0.5 }}
nms_config {{ confidence_threshold: 0.01 clustering_iou_threshold: 0.45 top_k: 100 }}
augmentation_config {{ output_width: {size} output_height: {size} output_channel: 3 {jitter} }}
dataset_config {{
  data_sources {{ tfrecords_path: "{tfrecords}" }}
  {validation_text}
{mapping('  ')}}}
{extra}"""
