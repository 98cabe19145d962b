// Every field of a spec that docs/spec-coverage.md calls supported has a reader. Of an experiment,
// the stages see a spec only through what is made of it here (plans, record, graph, targets, where
// the training starts): a field whose change changes nothing of that is read by nobody. Conversion
// and augmentation act on their messages themselves; for those the tests are named that change the
// field.

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/digest.h"
#include "libs/base/files.h"
#include "libs/networks/prepare_spec.h"
#include "libs/networks/ssd/ssd_network.h"
#include "libs/spec/coverage.h"
#include "libs/spec/augment_spec.h"
#include "libs/spec/dataset_spec.h"
#include "tests/support/places.h"
#include "tests/support/spec_leaves.h"
#include "tests/support/ssd_spec_text.h"
#include "tests/support/status_matchers.h"
#include "trainyard/spec/augment/v1/augment_config.pb.h"
#include "trainyard/spec/dataset/v1/dataset_export_config.pb.h"

namespace trainyard::networks {
namespace {

using ::trainyard::testing::IsOk;
using ::trainyard::testing::LeavesOf;
using ::trainyard::testing::SpecChange;
using ::trainyard::testing::SmallSsdSpec;

absl::StatusOr<std::string> AsItIs(absl::string_view path) { return std::string(path); }

std::string Text(const std::vector<data::DataSource>& sources) {
  std::string text;
  for (const data::DataSource& source : sources) {
    absl::StrAppend(&text, source.image_dir, "|", source.label_dir, "|", source.tfrecords, "\n");
  }
  return text;
}

std::string Text(const data::AugmentationOptions& o) {
  return absl::StrCat(o.crop_min_scale, " ", o.crop_max_scale, " ", o.crop_min_ar, " ",
                      o.crop_max_ar, " ", o.zoom_out_min_scale, " ", o.zoom_out_max_scale, " ",
                      o.brightness, " ", o.contrast, " ", o.saturation, " ", o.hue, " ",
                      o.random_flip, "\n");
}

std::string Text(const TrainingPlan& p) {
  const auto& rate = std::get<SoftStartSchedule>(p.learning_rate);
  std::string text = absl::StrCat(
      p.seed, " ", p.batch_size, " ", p.epochs, " ", rate.min_rate, " ", rate.max_rate, " ",
      rate.soft_start, " ", rate.annealing, " ", static_cast<int>(p.regularizer), " ", p.regularizer_weight, " ",
      p.checkpoint_interval, " ", p.workers, " ", p.max_queue_size);
  absl::StrAppend(&text, " ", p.validation_period, " ", p.visualize, " ", p.visualize_images, "\n");
  if (p.early_stopping) {
    absl::StrAppend(&text, p.early_stopping->on_validation_loss, " ", p.early_stopping->min_delta,
                    " ", p.early_stopping->patience);
  }
  return text;
}

std::string Text(const tasks::BoxDataPlan& p) {
  std::string text = absl::StrCat(p.validation_fold, " ", p.include_difficult, "\n",
                                  Text(p.data_sources), "validation:\n", Text(p.validation_sources));
  for (const auto& [label, target] : p.class_mapping)
    absl::StrAppend(&text, label, "=", target, "\n");
  return text;
}

std::string Text(const tasks::EvaluationPlan& p) {
  return absl::StrCat(static_cast<int>(p.ap_mode), " ", p.iou_threshold, " ", p.pr_curve, "\n");
}

// Targets of a box that several anchors overlap to several degrees.
std::string TargetsText(const SsdNetwork& network, const ModelRecord& record) {
  const auto encode = network.MakeTargetEncoder(record);
  if (!encode.ok()) return std::string(encode.status().message());
  const std::vector<data::LabelledBox> boxes = {{.box = {20, 24, 75, 70}, .class_id = 1},
                                                {.box = {60, 64, 100, 120}, .class_id = 1}};
  const auto targets = (*encode)(boxes);
  EXPECT_THAT(targets, IsOk());
  std::string bytes;
  for (const Tensor& target : *targets) {
    bytes.append(static_cast<const char*>(target.raw()), static_cast<size_t>(target.size_bytes()));
  }
  return Sha256Hex(bytes);
}

// What is made of a spec; `weights` with its graph, which takes a moment.
std::string MadeOf(const std::vector<std::string>& overrides, bool weights) {
  const auto prepared =
      PrepareSpec("ssd", SmallSsdSpec(), "spec", overrides, spec::SpecUse::kTrain, AsItIs);
  if (!prepared.ok()) return std::string(prepared.status().message());
  const auto experiment =
      LoadExperiment(prepared->canonical_text, "spec", {}, spec::SpecUse::kTrain, nullptr);
  EXPECT_THAT(experiment, IsOk());
  const auto network = SsdNetwork::Create(*experiment);
  EXPECT_THAT(network, IsOk());
  const auto record = (*network)->Record();
  if (!record.ok()) return std::string(record.status().message());
  const SsdLossOptions loss = (*network)->loss_options();
  std::string made = absl::StrCat(
      prepared->initial_model, "|", prepared->resume_model, "|", Text((*network)->training_plan()), Text((*network)->data_plan()),
      Text((*network)->augmentation()),
      Text((*network)->evaluation_plan()), (*network)->evaluation_batch_size(), record->ShortDebugString(), loss.alpha, " ",
      loss.neg_pos_ratio, " ", TargetsText(**network, *record));
  if (weights) {
    const auto model = (*network)->Build();
    EXPECT_THAT(model, IsOk());
    absl::StrAppend(&made, model->record.training().ShortDebugString());
  }
  return made;
}

std::map<std::string, SpecChange> ExperimentChanges() {
  const std::string ssd = "ssd_config.", training = "training_config.", data = "dataset_config.",
                    augmentation = "augmentation_config.",
                    rate = "training_config.learning_rate.soft_start_annealing_schedule.";
  const std::vector<std::string> even = {ssd + "scales =", ssd + "min_scale = 0.1",
                                         ssd + "max_scale = 0.9"};
  const std::vector<std::string> stops = {training + "early_stopping.monitor = \"loss\"",
                                          training + "early_stopping.patience = 2"};
  const std::vector<std::string> means = {augmentation + "image_mean[b] = 104",
                                          augmentation + "image_mean[g] = 117",
                                          augmentation + "image_mean[r] = 124"};
  return {
      {"ssd.v1.Experiment.random_seed", {"random_seed = 8"}},
      {"ssd.v1.SSDConfig.aspect_ratios",
       {ssd + "aspect_ratios = \"[[1.0],[1.0],[1.0],[1.0],[1.0],[2.0]]\""}},
      {"ssd.v1.SSDConfig.aspect_ratios_global", {ssd + "aspect_ratios_global = \"[1.0, 3.0]\""}},
      {"ssd.v1.SSDConfig.scales",
       {ssd + "scales = \"[0.07, 0.16, 0.32, 0.48, 0.64, 0.80, 0.96]\""}},
      {"ssd.v1.SSDConfig.min_scale", {ssd + "min_scale = 0.2", even}},
      {"ssd.v1.SSDConfig.max_scale", {ssd + "max_scale = 0.8", even}},
      {"ssd.v1.SSDConfig.two_boxes_for_ar1", {ssd + "two_boxes_for_ar1 = false"}},
      {"ssd.v1.SSDConfig.steps", {ssd + "steps = \"[9, 16, 32, 64, 100, 128]\""}},
      {"ssd.v1.SSDConfig.clip_boxes", {ssd + "clip_boxes = true"}},
      {"ssd.v1.SSDConfig.variances", {ssd + "variances = \"[0.2, 0.1, 0.2, 0.2]\""}},
      {"ssd.v1.SSDConfig.offsets", {ssd + "offsets = \"[0.4, 0.5, 0.5, 0.5, 0.5, 0.5]\""}},
      {"ssd.v1.SSDConfig.arch", {ssd + "arch = \"squeezenet\""}},
      {"ssd.v1.SSDConfig.nlayers", {ssd + "nlayers = 18"}},
      {"ssd.v1.SSDConfig.alpha", {ssd + "alpha = 2"}},
      {"ssd.v1.SSDConfig.neg_pos_ratio", {ssd + "neg_pos_ratio = 2"}},
      {"ssd.v1.SSDConfig.pos_iou_thresh", {ssd + "pos_iou_thresh = 0.3"}},
      {"ssd.v1.SSDConfig.freeze_blocks", {ssd + "freeze_blocks = [0]"}},
      {"ssd.v1.SSDConfig.freeze_bn", {ssd + "freeze_bn = true"}},
      {"ssd.v1.SSDConfig.neg_iou_thresh", {ssd + "neg_iou_thresh = 0.2"}},
      {"ssd.v1.EvalConfig.validation_period_during_training",
       {"eval_config.validation_period_during_training = 3"}},
      {"ssd.v1.EvalConfig.average_precision_mode", {"eval_config.average_precision_mode = SAMPLE"}},
      {"ssd.v1.EvalConfig.batch_size", {"eval_config.batch_size = 4"}},
      {"ssd.v1.EvalConfig.matching_iou_threshold", {"eval_config.matching_iou_threshold = 0.6"}},
      {"ssd.v1.EvalConfig.visualize_pr_curve", {"eval_config.visualize_pr_curve = true"}},
      {"ssd.v1.AugmentationConfig.output_width", {augmentation + "output_width = 160"}},
      {"ssd.v1.AugmentationConfig.output_height", {augmentation + "output_height = 160"}},
      {"ssd.v1.AugmentationConfig.output_channel", {augmentation + "output_channel = 1"}},
      {"ssd.v1.AugmentationConfig.random_crop_min_scale",
       {augmentation + "random_crop_min_scale = 0.4"}},
      {"ssd.v1.AugmentationConfig.random_crop_max_scale",
       {augmentation + "random_crop_max_scale = 0.9"}},
      {"ssd.v1.AugmentationConfig.random_crop_min_ar", {augmentation + "random_crop_min_ar = 0.6"}},
      {"ssd.v1.AugmentationConfig.random_crop_max_ar", {augmentation + "random_crop_max_ar = 1.9"}},
      {"ssd.v1.AugmentationConfig.zoom_out_min_scale", {augmentation + "zoom_out_min_scale = 2"}},
      {"ssd.v1.AugmentationConfig.zoom_out_max_scale", {augmentation + "zoom_out_max_scale = 3"}},
      {"ssd.v1.AugmentationConfig.brightness", {augmentation + "brightness = 0"}},
      {"ssd.v1.AugmentationConfig.contrast", {augmentation + "contrast = 0"}},
      {"ssd.v1.AugmentationConfig.saturation", {augmentation + "saturation = 0"}},
      {"ssd.v1.AugmentationConfig.hue", {augmentation + "hue = 0"}},
      {"ssd.v1.AugmentationConfig.random_flip", {augmentation + "random_flip = 0"}},
      {"ssd.v1.AugmentationConfig.image_mean", {augmentation + "image_mean[b] = 100", means}},
      {"common.v1.DatasetConfig.target_class_mapping", {data + "target_class_mapping[van] = bus"}},
      {"common.v1.DatasetConfig.include_difficult_in_training",
       {data + "include_difficult_in_training = false"}},
      {"common.v1.DatasetConfig.validation_fold", {data + "validation_fold = 0"}},
      {"common.v1.DataSource.label_directory_path",
       {data + "data_sources[0].label_directory_path = \"/data/b\""}},
      {"common.v1.DataSource.image_directory_path",
       {data + "validation_data_sources[0].image_directory_path = \"/data/b\""}},
      {"common.v1.DataSource.tfrecords_path",
       {data + "validation_data_sources[0].tfrecords_path = \"/data/t\""}},
      {"common.v1.NMSConfig.confidence_threshold", {"nms_config.confidence_threshold = 0.1"}},
      {"common.v1.NMSConfig.clustering_iou_threshold",
       {"nms_config.clustering_iou_threshold = 0.5"}},
      {"common.v1.NMSConfig.top_k", {"nms_config.top_k = 100"}},
      {"common.v1.TrainingConfig.batch_size_per_gpu", {training + "batch_size_per_gpu = 3"}},
      {"common.v1.TrainingConfig.num_epochs", {training + "num_epochs = 7"}},
      {"common.v1.TrainingConfig.checkpoint_interval", {training + "checkpoint_interval = 2"}},
      {"common.v1.TrainingConfig.resume_model_path",
       {training + "resume_model_path = \"/models/a.tlt\""}},
      {"common.v1.TrainingConfig.pretrain_model_path",
       {training + "pretrain_model_path = \"/models/a.tlt\""}},
      {"common.v1.TrainingConfig.pruned_model_path",
       {training + "pruned_model_path = \"/models/a.tlt\""}},
      {"common.v1.TrainingConfig.max_queue_size", {training + "max_queue_size = 3"}},
      {"common.v1.TrainingConfig.n_workers", {training + "n_workers = 3"}},
      {"common.v1.EarlyStopping.monitor",
       {training + "early_stopping.monitor = \"validation_loss\"", stops}},
      {"common.v1.EarlyStopping.min_delta", {training + "early_stopping.min_delta = 0.5", stops}},
      {"common.v1.EarlyStopping.patience", {training + "early_stopping.patience = 3", stops}},
      {"common.v1.VisualizerConfig.enabled", {training + "visualizer.enabled = true"}},
      {"common.v1.VisualizerConfig.num_images",
       {training + "visualizer.num_images = 2", {training + "visualizer.enabled = true"}}},
      {"common.v1.SoftStartAnnealingScheduleConfig.min_learning_rate",
       {rate + "min_learning_rate = 6e-5"}},
      {"common.v1.SoftStartAnnealingScheduleConfig.max_learning_rate",
       {rate + "max_learning_rate = 3e-2"}},
      {"common.v1.SoftStartAnnealingScheduleConfig.soft_start", {rate + "soft_start = 0.2"}},
      {"common.v1.SoftStartAnnealingScheduleConfig.annealing", {rate + "annealing = 0.7"}},
      {"common.v1.RegularizerConfig.type", {training + "regularizer.type = L2"}},
      {"common.v1.RegularizerConfig.weight", {training + "regularizer.weight = 4e-5"}},
  };
}

TEST(SpecBehaviourTest, EverySupportedFieldOfAnExperimentChangesWhatTheStagesSee) {
  const std::map<std::string, SpecChange> changes = ExperimentChanges();
  std::set<std::string> changed;
  for (const auto& [field, change] : changes) changed.insert(field);
  EXPECT_EQ(changed, LeavesOf(spec::ssd::v1::Experiment::descriptor(), SsdCoverage()))
      << "a supported field needs a row in this test, and only those do";
  for (const auto& [field, change] : changes) {
    std::vector<std::string> after = change.before;
    after.push_back(change.change);
    const bool weights = absl::StrContains(field, "freeze");
    EXPECT_NE(MadeOf(after, weights), MadeOf(change.before, weights))
        << field << " is read by nobody";
  }
}

// Field -> the test that changes it and looks at the result: "file: Suite.Name".
const std::map<std::string, std::string>& TestsOfOtherSpecs() {
  static const std::map<std::string, std::string> kTests = {
      {"dataset.v1.DatasetExportConfig.image_directory_path",
       "spec/dataset_spec_test.cc: LoadDatasetExportTest, EitherRootServesButTheyMustAgree"},
      {"dataset.v1.DatasetExportConfig.target_class_mapping",
       "data/convert_test.cc: ConvertKittiTest, RecordsHoldTheImageFileAndNormalisedBoxes"},
      {"dataset.v1.KITTIConfig.root_directory_path",
       "spec/dataset_spec_test.cc: LoadDatasetExportTest, EitherRootServesButTheyMustAgree"},
      {"dataset.v1.KITTIConfig.image_dir_name",
       "data/convert_test.cc: ConvertKittiTest, WritesTheFilesOfTheLayout"},
      {"dataset.v1.KITTIConfig.label_dir_name",
       "data/convert_test.cc: ConvertKittiTest, WritesTheFilesOfTheLayout"},
      {"dataset.v1.KITTIConfig.image_extension",
       "data/convert_test.cc: ConvertKittiTest, WritesTheFilesOfTheLayout"},
      {"dataset.v1.KITTIConfig.num_partitions",
       "data/partition_test.cc: SequenceModeTest, TheManifestTellsTheFoldsOfTheSequences"},
      {"dataset.v1.KITTIConfig.kitti_sequence_to_frames_file",
       "data/partition_test.cc: SequenceModeTest, FramesMayLieInFoldersBelow"},
      {"dataset.v1.KITTIConfig.num_shards",
       "data/convert_test.cc: ConvertKittiTest, "
       "TheLastShardTakesTheRestAndSmallFoldsHaveEmptyOnes"},
      {"dataset.v1.KITTIConfig.partition_mode",
       "data/partition_test.cc: SequenceModeTest, "
       "SequencesStayWholeAndFoldsAreShuffledAsPythonDoes"},
      {"dataset.v1.KITTIConfig.val_split",
       "data/convert_test.cc: ConvertKittiTest, AnEmptyFoldKeepsItsNumber"},
      {"dataset.v1.COCOConfig.root_directory_path",
       "data/convert_coco_test.cc: ConvertCocoTest, "
       "EachFileIsAFoldInTheOrderOfItsImagesWithItsOwnShards"},
      {"dataset.v1.COCOConfig.img_dir_names",
       "data/convert_coco_test.cc: ConvertCocoTest, "
       "EachFileIsAFoldInTheOrderOfItsImagesWithItsOwnShards"},
      {"dataset.v1.COCOConfig.annotation_files",
       "data/convert_coco_test.cc: ConvertCocoTest, "
       "EachFileIsAFoldInTheOrderOfItsImagesWithItsOwnShards"},
      {"dataset.v1.COCOConfig.num_shards",
       "data/convert_coco_test.cc: ConvertCocoTest, "
       "EachFileIsAFoldInTheOrderOfItsImagesWithItsOwnShards"},
      {"dataset.v1.COCOConfig.num_partitions",
       "spec/dataset_spec_test.cc: LoadDatasetExportTest, ListsOfCocoFitEachOther"},
      {"dataset.v1.SampleModifierConfig.max_training_samples",
       "data/convert_test.cc: ConvertKittiTest, KeepsTheFirstOfEachFoldWhenAskedTo"},
      {"augment.v1.AugmentConfig.output_image_width",
       "data/offline_augment_test.cc: AugmentSampleTest, ResizesAtTheEnd"},
      {"augment.v1.AugmentConfig.output_image_height",
       "data/offline_augment_test.cc: AugmentSampleTest, ResizesAtTheEnd"},
      {"augment.v1.AugmentConfig.output_image_channel",
       "data/offline_augment_test.cc: AugmentSampleTest, BlursAndMakesOneChannel"},
      {"augment.v1.AugmentConfig.image_extension",
       "data/offline_augment_test.cc: AugmentKittiTest, ReadsImagesOfTheExtensionThatIsAskedFor"},
      {"augment.v1.DatasetConfig.image_path",
       "data/offline_augment_test.cc: AugmentKittiTest, WritesEveryImageWithItsLabels"},
      {"augment.v1.DatasetConfig.label_path",
       "data/offline_augment_test.cc: AugmentKittiTest, WritesEveryImageWithItsLabels"},
      {"augment.v1.RotationConfig.angle",
       "data/offline_augment_test.cc: AugmentSampleTest, TurnsCounterClockwiseAboutTheCentre"},
      {"augment.v1.RotationConfig.units",
       "data/offline_augment_test.cc: AugmentSampleTest, TurnsCounterClockwiseAboutTheCentre"},
      {"augment.v1.FlipConfig.flip_horizontal",
       "data/offline_augment_test.cc: AugmentSampleTest, MirrorsOverEitherAxis"},
      {"augment.v1.FlipConfig.flip_vertical",
       "data/offline_augment_test.cc: AugmentSampleTest, MirrorsOverEitherAxis"},
      {"augment.v1.ShearConfig.shear_ratio_x",
       "data/offline_augment_test.cc: AugmentSampleTest, ShearsAboutTheCentreAndShifts"},
      {"augment.v1.ShearConfig.shear_ratio_y",
       "data/offline_augment_test.cc: AugmentSampleTest, ShearsAboutTheCentreAndShifts"},
      {"augment.v1.TranslationConfig.translate_x",
       "data/offline_augment_test.cc: AugmentSampleTest, ShearsAboutTheCentreAndShifts"},
      {"augment.v1.TranslationConfig.translate_y",
       "data/offline_augment_test.cc: AugmentSampleTest, ShearsAboutTheCentreAndShifts"},
      {"augment.v1.HueSaturationConfig.hue_rotation_angle",
       "data/offline_augment_test.cc: AugmentSampleTest, "
       "AHueTurnKeepsBrightnessAndAFullOneKeepsAll"},
      {"augment.v1.HueSaturationConfig.saturation_shift",
       "data/offline_augment_test.cc: AugmentSampleTest, SaturationZeroIsGreyOfTheSameBrightness"},
      {"augment.v1.ContrastConfig.contrast",
       "data/offline_augment_test.cc: AugmentSampleTest, "
       "ContrastTurnsAroundItsCentreAndBrightnessIsAdded"},
      {"augment.v1.ContrastConfig.center",
       "data/offline_augment_test.cc: AugmentSampleTest, "
       "ContrastTurnsAroundItsCentreAndBrightnessIsAdded"},
      {"augment.v1.BrightnessConfig.offset",
       "data/offline_augment_test.cc: AugmentSampleTest, "
       "ContrastTurnsAroundItsCentreAndBrightnessIsAdded"},
      {"augment.v1.BlurConfig.size",
       "data/offline_augment_test.cc: AugmentSampleTest, BlursAndMakesOneChannel"},
      {"augment.v1.BlurConfig.std",
       "data/offline_augment_test.cc: AugmentSampleTest, BlursAndMakesOneChannel"},
      {"augment.v1.Rotation.angle",
       "data/augment_draw_test.cc: DrawAugmentationTest, EveryFieldGoesWhereItBelongs"},
      {"augment.v1.Rotation.units",
       "data/augment_draw_test.cc: DrawAugmentationTest, EveryFieldGoesWhereItBelongs"},
      {"augment.v1.Flip.flip_horizontal",
       "data/augment_draw_test.cc: DrawAugmentationTest, EveryFieldGoesWhereItBelongs"},
      {"augment.v1.Flip.flip_vertical",
       "data/augment_draw_test.cc: DrawAugmentationTest, EveryFieldGoesWhereItBelongs"},
      {"augment.v1.Shear.shear_ratio_x",
       "data/augment_draw_test.cc: DrawAugmentationTest, EveryFieldGoesWhereItBelongs"},
      {"augment.v1.Shear.shear_ratio_y",
       "data/augment_draw_test.cc: DrawAugmentationTest, EveryFieldGoesWhereItBelongs"},
      {"augment.v1.Translation.translate_x",
       "data/augment_draw_test.cc: DrawAugmentationTest, EveryFieldGoesWhereItBelongs"},
      {"augment.v1.Translation.translate_y",
       "data/augment_draw_test.cc: DrawAugmentationTest, EveryFieldGoesWhereItBelongs"},
      {"augment.v1.Hue.hue_rotation_angle",
       "data/augment_draw_test.cc: DrawAugmentationTest, EveryFieldGoesWhereItBelongs"},
      {"augment.v1.Saturation.saturation_shift",
       "data/augment_draw_test.cc: DrawAugmentationTest, EveryFieldGoesWhereItBelongs"},
      {"augment.v1.Contrast.contrast",
       "data/augment_draw_test.cc: DrawAugmentationTest, EveryFieldGoesWhereItBelongs"},
      {"augment.v1.Contrast.center",
       "data/augment_draw_test.cc: DrawAugmentationTest, EveryFieldGoesWhereItBelongs"},
      {"augment.v1.Brightness.offset",
       "data/augment_draw_test.cc: DrawAugmentationTest, EveryFieldGoesWhereItBelongs"},
      {"augment.v1.BlurAug.size",
       "data/augment_draw_test.cc: DrawAugmentationTest, EveryFieldGoesWhereItBelongs"},
      {"augment.v1.BlurAug.std",
       "data/augment_draw_test.cc: DrawAugmentationTest, EveryFieldGoesWhereItBelongs"},
      {"augment.v1.DataServicesConfig.random_seed",
       "data/augment_draw_test.cc: DrawAugmentationTest, TheSeedTellsWhatIsDrawn"},
      {"augment.v1.Data.dataset_type",
       "data/offline_augment_test.cc: AugmentDataSetTest, ACocoSetBecomesACocoSet"},
      {"augment.v1.Data.image_dir",
       "data/offline_augment_test.cc: AugmentDataSetTest, ACocoSetBecomesACocoSet"},
      {"augment.v1.Data.ann_path",
       "data/offline_augment_test.cc: AugmentDataSetTest, ACocoSetBecomesACocoSet"},
      {"augment.v1.Data.output_image_width",
       "data/offline_augment_test.cc: AugmentDataSetTest, WritesTheSizeThatIsAskedFor"},
      {"augment.v1.Data.output_image_height",
       "data/offline_augment_test.cc: AugmentDataSetTest, WritesTheSizeThatIsAskedFor"},
  };
  return kTests;
}

TEST(SpecBehaviourTest, EverySupportedFieldOfTheOtherSpecsHasATestThatIsThere) {
  std::set<std::string> fields =
      LeavesOf(spec::dataset::v1::DatasetExportConfig::descriptor(), spec::DatasetExportCoverage());
  fields.merge(LeavesOf(spec::augment::v1::AugmentConfig::descriptor(), spec::AugmentCoverage()));
  std::set<std::string> named;
  for (const auto& [field, test] : TestsOfOtherSpecs()) {
    named.insert(field);
    const size_t colon = test.find(": ");
    const auto text =
        ReadFile(absl::StrCat(SourceDir(), "/tests/unit/", test.substr(0, colon)));
    ASSERT_THAT(text, IsOk()) << test;
    EXPECT_TRUE(absl::StrContains(*text, absl::StrCat("(", test.substr(colon + 2), ")"))) << test;
    // Some line of that file sets the field, by the message's setter or in text.
    const std::string name = field.substr(field.rfind('.') + 1);
    EXPECT_TRUE(absl::StrContains(*text, name)) << field << " is never set in " << test;
  }
  EXPECT_EQ(named, fields);
}

}  // namespace
}  // namespace trainyard::networks
