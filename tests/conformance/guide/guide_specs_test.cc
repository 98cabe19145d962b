// The spec files that the public user guide of TAO's SSD shows, as facts: the same fields and
// values, some of them on one line as the guide prints them. They must read, check and mean what
// the guide says.

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/networks/ssd/ssd_spec.h"
#include "libs/spec/augment_spec.h"
#include "libs/spec/dataset_spec.h"
#include "libs/spec/migration.h"
#include "libs/spec/paths.h"
#include "tests/support/status_matchers.h"

namespace trainyard {

using spec::SpecUse;
namespace {

using spec::common::v1::RegularizerConfig;
using spec::ssd::v1::EvalConfig;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsOk;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

// The sample of a training. The comments inside data_sources need their line ends.
constexpr char kTrain[] = R"(random_seed: 42
ssd_config {
  aspect_ratios: "[[1.0, 2.0, 0.5], [1.0, 2.0, 0.5, 3.0, 1.0/3.0], [1.0, 2.0, 0.5, 3.0, 1.0/3.0], [1.0, 2.0, 0.5, 3.0, 1.0/3.0], [1.0, 2.0, 0.5], [1.0, 2.0, 0.5]]"
  scales: "[0.07, 0.15, 0.33, 0.51, 0.69, 0.87, 1.05]"
  two_boxes_for_ar1: true
  clip_boxes: false
  variances: "[0.1, 0.1, 0.2, 0.2]"
  arch: "resnet"
  nlayers: 18
  freeze_bn: false
  freeze_blocks: 0
}
training_config {
  batch_size_per_gpu: 16
  num_epochs: 80
  enable_qat: false
  learning_rate {
    soft_start_annealing_schedule {
      min_learning_rate: 5e-5
      max_learning_rate: 2e-2
      soft_start: 0.15
      annealing: 0.8
    }
  }
  regularizer { type: L1 weight: 3e-5 }
}
eval_config { validation_period_during_training: 10 average_precision_mode: SAMPLE batch_size: 16 matching_iou_threshold: 0.5 }
nms_config { confidence_threshold: 0.01 clustering_iou_threshold: 0.6 top_k: 200 }
augmentation_config { output_width: 300 output_height: 300 output_channel: 3 image_mean { key: 'b' value: 103.9 } image_mean { key: 'g' value: 116.8 } image_mean { key: 'r' value: 123.7 } }
dataset_config {
  data_sources: {
    # option 1
    tfrecords_path: "/path/to/train/tfrecord"
    # option 2
    # label_directory_path: "/path/to/train/labels"
    # image_directory_path: "/path/to/train/images"
  }
  include_difficult_in_training: true
  target_class_mapping { key: "car" value: "car" } target_class_mapping { key: "pedestrian" value: "pedestrian" } target_class_mapping { key: "cyclist" value: "cyclist" } target_class_mapping { key: "van" value: "car" } target_class_mapping { key: "person_sitting" value: "pedestrian" }
  validation_data_sources: { label_directory_path: "/path/to/val/labels" image_directory_path: "/path/to/val/images" }
}
)";

// The converter's sample: all of KITTI becomes training data. One line, as the guide has it.
constexpr char kKitti[] =
    "kitti_config { root_directory_path: \"/workspace/tao-experiments/data/\" image_dir_name: "
    "\"training/image_2\" label_dir_name: \"training/label_2\" image_extension: \".png\" "
    "partition_mode: "
    "\"random\" num_partitions: 2 val_split: 0 num_shards: 10 } image_directory_path: "
    "\"/workspace/tao-experiments/data/\" target_class_mapping { key: \"car\" value: \"car\" } "
    "target_class_mapping { key: \"pedestrian\" value: \"pedestrian\" } target_class_mapping { "
    "key: "
    "\"cyclist\" value: \"cyclist\" } target_class_mapping { key: \"van\" value: \"car\" } "
    "target_class_mapping { key: \"person_sitting\" value: \"pedestrian\" } target_class_mapping { "
    "key: "
    "\"truck\" value: \"car\" }";

// The converter's COCO sample: without a class mapping, with the guide's own field name.
constexpr char kCoco[] =
    "coco_config { root_directory_path: \"/workspace/tao-experiments/data/coco\" image_dir_names: "
    "[\"val2017\", \"train2017\"] annotation_files: [\"annotations/instances_val2017.json\", "
    "\"annotations/instances_train2017.json\"] num_partitions: 2 num_shards: [32, 256] } "
    "image_directory_path: \"/workspace/tao-experiments/data/coco\"";

TEST(GuideSpecsTest, TheTrainingSampleServesEveryTaskWithoutAWarning) {
  for (SpecUse use :
       {SpecUse::kTrain, SpecUse::kEvaluate, SpecUse::kInference, SpecUse::kExport}) {
    std::vector<std::string> warnings;
    EXPECT_THAT(networks::LoadExperiment(kTrain, "train.txt", {}, use, &warnings), IsOk());
    EXPECT_THAT(warnings, IsEmpty());
  }
}

TEST(GuideSpecsTest, TheTrainingSampleMeansWhatTheGuideSays) {
  const auto spec = networks::LoadExperiment(kTrain, "train.txt", {}, SpecUse::kTrain, nullptr);
  ASSERT_THAT(spec, IsOk());
  EXPECT_EQ(spec->random_seed(), 42);
  EXPECT_EQ(spec->ssd_config().arch(), "resnet");
  EXPECT_EQ(spec->ssd_config().nlayers(), 18);
  EXPECT_THAT(spec->ssd_config().freeze_blocks(), ElementsAre(0));
  EXPECT_TRUE(spec->ssd_config().two_boxes_for_ar1());
  EXPECT_EQ(spec->training_config().batch_size_per_gpu(), 16);
  EXPECT_EQ(spec->training_config().num_epochs(), 80);
  const auto& schedule = spec->training_config().learning_rate().soft_start_annealing_schedule();
  EXPECT_FLOAT_EQ(schedule.min_learning_rate(), 5e-5f);
  EXPECT_FLOAT_EQ(schedule.max_learning_rate(), 2e-2f);
  EXPECT_EQ(spec->training_config().regularizer().type(), RegularizerConfig::L1);
  EXPECT_EQ(spec->eval_config().average_precision_mode(), EvalConfig::SAMPLE);
  EXPECT_EQ(spec->nms_config().top_k(), 200);
  EXPECT_THAT(spec->augmentation_config().image_mean(),
              UnorderedElementsAre(Pair("b", 103.9f), Pair("g", 116.8f), Pair("r", 123.7f)));
  EXPECT_EQ(spec->dataset_config().data_sources(0).tfrecords_path(), "/path/to/train/tfrecord");
  EXPECT_THAT(spec->dataset_config().target_class_mapping(),
              UnorderedElementsAre(Pair("car", "car"), Pair("pedestrian", "pedestrian"),
                                   Pair("cyclist", "cyclist"), Pair("van", "car"),
                                   Pair("person_sitting", "pedestrian")));
  // Boxes of SSD-ResNet18: 4 or 6 a cell with the second square one.
  const auto lists = networks::ListsOf(spec->ssd_config());
  ASSERT_THAT(lists, IsOk());
  EXPECT_THAT(lists->aspect_ratios[0], ElementsAre(1, 2, 0.5));
  EXPECT_THAT(lists->aspect_ratios[1], ElementsAre(1, 2, 0.5, 3, 1.0 / 3.0));
  EXPECT_EQ(lists->scales.back(), 1.05);
}

// "Default: 32" and so on in the guide's table of augmentation_config, which the sample leaves out.
TEST(GuideSpecsTest, TheTrainingSampleAugmentsAsTheGuidesTableSays) {
  const auto spec = networks::LoadExperiment(kTrain, "train.txt", {}, SpecUse::kTrain, nullptr);
  ASSERT_THAT(spec, IsOk());
  EXPECT_EQ(spec->augmentation_config().brightness(), 32);
  EXPECT_EQ(spec->augmentation_config().hue(), 18);
  EXPECT_EQ(spec->augmentation_config().random_flip(), 0.5f);
  EXPECT_EQ(spec->augmentation_config().zoom_out_max_scale(), 4.0f);
}

TEST(GuideSpecsTest, TheSecondOptionOfTheTrainingSampleIsRawFolders) {
  const std::string raw =
      absl::StrReplaceAll(kTrain, {{"    tfrecords_path:", "    # tfrecords_path:"},
                                   {"# label_directory_path", "label_directory_path"},
                                   {"# image_directory_path", "image_directory_path"}});
  const auto spec = networks::LoadExperiment(raw, "train.txt", {}, SpecUse::kTrain, nullptr);
  ASSERT_THAT(spec, IsOk());
  EXPECT_EQ(spec->dataset_config().data_sources(0).label_directory_path(), "/path/to/train/labels");
  EXPECT_EQ(spec->dataset_config().data_sources(0).image_directory_path(), "/path/to/train/images");
}

// "You may do this by setting the regularizer type to NO_REG": the retraining of a pruned model.
TEST(GuideSpecsTest, TheRetrainingSpecDiffersByTheModelAndTheRegularizer) {
  const auto spec =
      networks::LoadExperiment(kTrain, "retrain.txt",
                               {"training_config.regularizer.type = NO_REG",
                                "training_config.pretrain_model_path = /models/pruned.tlt"},
                               SpecUse::kTrain, nullptr);
  ASSERT_THAT(spec, IsOk());
  EXPECT_EQ(spec->training_config().regularizer().type(), RegularizerConfig::NO_REG);
}

// The recommended values of the guide's tables.
TEST(GuideSpecsTest, TakesTheTypicalValuesOfTheTables) {
  const auto spec = networks::LoadExperiment(
      kTrain, "train.txt",
      {"ssd_config.aspect_ratios =", "ssd_config.aspect_ratios_global = [1.0, 2.0, 0.5, 3.0, 0.33]",
       "ssd_config.scales = [0.05, 0.1, 0.25, 0.4, 0.55, 0.7, 0.85]",
       "training_config.visualizer = { enabled: true num_images: 3 }",
       "training_config.early_stopping = { monitor: 'loss' patience: 5 min_delta: 0.01 }",
       "nms_config.clustering_iou_threshold =", "nms_config.cluster_iou_threshold = 0.6",
       "nms_config.infer_nms_score_bits = 0", "eval_config.visualize_pr_curve = True"},
      SpecUse::kTrain, nullptr);
  EXPECT_THAT(spec, IsOk());
}

TEST(GuideSpecsTest, TheKittiSampleMakesTrainingDataOnly) {
  std::vector<std::string> warnings;
  const auto config = spec::LoadDatasetExport(kKitti, "convert.txt", {}, false, &warnings);
  ASSERT_THAT(config, IsOk());
  EXPECT_THAT(warnings, IsEmpty());
  EXPECT_EQ(config->kitti_config().image_dir_name(), "training/image_2");
  EXPECT_EQ(config->kitti_config().val_split(), 0);
  EXPECT_EQ(config->kitti_config().num_shards(), 10);
  EXPECT_EQ(config->target_class_mapping().size(), 6);
  EXPECT_EQ(config->target_class_mapping().at("truck"), "car");
}

TEST(GuideSpecsTest, TheCocoSampleReads) {
  const auto config = spec::ParseDatasetExport(kCoco, "coco.txt", {}, nullptr);
  ASSERT_THAT(config, IsOk());
  EXPECT_THAT(config->coco_config().img_dir_names(), ElementsAre("val2017", "train2017"));
  EXPECT_THAT(config->coco_config().num_shards(), ElementsAre(32, 256));
  EXPECT_THAT(spec::CheckDatasetExport(*config, false), IsOk());
}

TEST(GuideSpecsTest, MigrationTakesEveryFieldOfTheTrainingSample) {
  const spec::Migration migration =
      spec::MigrateSpec(kTrain, "train.txt", spec::ssd::v1::Experiment(), networks::SsdCoverage());
  EXPECT_EQ(migration.fields.size(), 41u);
  EXPECT_EQ(migration.Count(spec::FieldFate::kTaken), 41);
  EXPECT_THAT(networks::LoadExperiment(spec::PrintCanonical(*migration.spec), "new.txt", {},
                                       SpecUse::kTrain, nullptr),
              IsOk());
}

// Every path of the samples lies where TAO's containers have it; a service moves it below its root.
TEST(GuideSpecsTest, EveryPathOfTheSamplesIsRewritten) {
  const auto moved = [](absl::string_view path) -> absl::StatusOr<std::string> {
    return absl::StrCat("/root", path);
  };
  auto spec = networks::LoadExperiment(kTrain, "train.txt", {}, SpecUse::kTrain, nullptr);
  ASSERT_THAT(spec, IsOk());
  ASSERT_THAT(spec::RewritePaths(&*spec, moved), IsOk());
  auto config = spec::LoadDatasetExport(kKitti, "convert.txt", {}, false, nullptr);
  ASSERT_THAT(config, IsOk());
  ASSERT_THAT(spec::RewritePaths(&*config, moved), IsOk());
  for (const std::string& text : {spec::PrintCanonical(*spec), spec::PrintCanonical(*config)}) {
    EXPECT_THAT(absl::StrReplaceAll(text, {{"\"/root/", ""}}), ::testing::Not(HasSubstr("\"/")));
  }
}

}  // namespace
}  // namespace trainyard
