#include "libs/networks/ssd/ssd_spec.h"

#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "libs/base/problems.h"
#include "tests/support/status_matchers.h"

namespace trainyard::networks {

using spec::SpecUse;
namespace {

using spec::ssd::v1::Experiment;
using spec::ssd::v1::SSDConfig;
using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsOk;
using ::testing::Pair;
using testing::StatusIs;
using ::testing::UnorderedElementsAre;

constexpr char kSpec[] = R"(random_seed: 7
ssd_config {
  aspect_ratios_global: "[1.0, 2.0, 0.5]"
  scales: "[0.05, 0.1, 0.25, 0.4, 0.55, 0.7, 0.85]"
  variances: "[0.1, 0.1, 0.2, 0.2]"
  arch: "resnet"
  nlayers: 10
}
training_config {
  batch_size_per_gpu: 8
  num_epochs: 20
  learning_rate { soft_start_annealing_schedule {
    min_learning_rate: 5e-5 max_learning_rate: 2e-2 soft_start: 0.15 annealing: 0.8 } }
  regularizer { type: L1 weight: 3e-5 }
}
eval_config { validation_period_during_training: 5 batch_size: 8 }
nms_config { confidence_threshold: 0.01 clustering_iou_threshold: 0.6 top_k: 200 }
augmentation_config { output_width: 128 output_height: 128 output_channel: 3 }
dataset_config {
  data_sources { image_directory_path: "/d/images" label_directory_path: "/d/labels" }
  target_class_mapping { key: "nut" value: "nut" }
  validation_data_sources { image_directory_path: "/v/images" label_directory_path: "/v/labels" }
}
)";

absl::StatusOr<Experiment> Load(const std::vector<std::string>& overrides,
                                SpecUse use = SpecUse::kTrain,
                                std::vector<std::string>* warnings = nullptr) {
  return LoadExperiment(kSpec, "train.txt", overrides, use, warnings);
}

// "field description" of every problem that the overrides cause.
std::vector<std::string> ProblemsOf(const std::vector<std::string>& overrides,
                                    SpecUse use = SpecUse::kTrain) {
  std::vector<std::string> lines;
  for (const Problem& problem : ProblemsFrom(Load(overrides, use).status())) {
    lines.push_back(absl::StrCat(problem.field, " ", problem.description));
  }
  return lines;
}

TEST(LoadExperimentTest, TakesAGoodSpecForEveryTask) {
  for (SpecUse use :
       {SpecUse::kTrain, SpecUse::kEvaluate, SpecUse::kInference, SpecUse::kExport}) {
    std::vector<std::string> warnings;
    EXPECT_THAT(Load({}, use, &warnings), IsOk());
    EXPECT_THAT(warnings, IsEmpty());
  }
}

TEST(LoadExperimentTest, TheGuidesAugmentationHoldsForWhatIsAbsent) {
  const auto spec = Load({});
  ASSERT_THAT(spec, IsOk());
  const auto& augmentation = spec->augmentation_config();
  EXPECT_FLOAT_EQ(augmentation.random_crop_min_scale(), 0.3f);
  EXPECT_FLOAT_EQ(augmentation.random_crop_max_scale(), 1);
  EXPECT_FLOAT_EQ(augmentation.random_crop_min_ar(), 0.5f);
  EXPECT_FLOAT_EQ(augmentation.random_crop_max_ar(), 2);
  EXPECT_FLOAT_EQ(augmentation.zoom_out_min_scale(), 1);
  EXPECT_FLOAT_EQ(augmentation.zoom_out_max_scale(), 4);
  EXPECT_EQ(augmentation.brightness(), 32);
  EXPECT_FLOAT_EQ(augmentation.contrast(), 0.5f);
  EXPECT_FLOAT_EQ(augmentation.saturation(), 0.5f);
  EXPECT_EQ(augmentation.hue(), 18);
  EXPECT_FLOAT_EQ(augmentation.random_flip(), 0.5f);
  EXPECT_THAT(augmentation.image_mean(),
              UnorderedElementsAre(Pair("b", 103.939f), Pair("g", 116.779f), Pair("r", 123.68f)));
}

TEST(LoadExperimentTest, AnExplicitZeroOfAugmentationStays) {
  const auto spec = Load({"augmentation_config.hue = 0", "augmentation_config.random_flip = 0"});
  ASSERT_THAT(spec, IsOk());
  EXPECT_EQ(spec->augmentation_config().hue(), 0);
  EXPECT_EQ(spec->augmentation_config().random_flip(), 0);
}

TEST(LoadExperimentTest, ZeroCountsAsAbsentWhereTaoTakesItSo) {
  const auto spec =
      Load({"ssd_config.alpha = 0", "ssd_config.neg_pos_ratio = 0", "ssd_config.pos_iou_thresh = 0",
            "training_config.checkpoint_interval = 0", "training_config.max_queue_size = 0"});
  ASSERT_THAT(spec, IsOk());
  EXPECT_EQ(spec->ssd_config().alpha(), 1);
  EXPECT_EQ(spec->ssd_config().neg_pos_ratio(), 3);
  EXPECT_EQ(spec->ssd_config().pos_iou_thresh(), 0.5f);
  EXPECT_EQ(spec->ssd_config().neg_iou_thresh(), 0.5f);
  EXPECT_EQ(spec->training_config().checkpoint_interval(), 1);
  EXPECT_EQ(spec->training_config().max_queue_size(), 20);
}

TEST(LoadExperimentTest, AGreyInputHasOneMean) {
  const auto spec = Load({"augmentation_config.output_channel = 1"});
  ASSERT_THAT(spec, IsOk());
  EXPECT_THAT(spec->augmentation_config().image_mean(), ElementsAre(Pair("l", 117.3786f)));
}

TEST(LoadExperimentTest, DefaultsAreIdempotentAndSurviveTheCanonicalText) {
  const auto spec = Load({});
  ASSERT_THAT(spec, IsOk());
  Experiment again = *spec;
  ApplyDefaults(&again);
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(again, *spec));
  const auto reread =
      LoadExperiment(spec::PrintCanonical(*spec), "canonical", {}, SpecUse::kTrain, nullptr);
  ASSERT_THAT(reread, IsOk());
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(*reread, *spec));
}

TEST(LoadExperimentTest, NamesWhatEachTaskMisses) {
  const auto missing = [](SpecUse use) {
    std::vector<std::string> fields;
    for (const Problem& problem :
         ProblemsFrom(LoadExperiment("random_seed: 1", "s", {}, use, nullptr).status())) {
      fields.push_back(problem.field);
    }
    return fields;
  };
  EXPECT_THAT(missing(SpecUse::kTrain),
              ElementsAre("ssd_config", "training_config", "eval_config", "nms_config",
                          "augmentation_config", "dataset_config"));
  EXPECT_THAT(missing(SpecUse::kEvaluate), ElementsAre("ssd_config", "eval_config", "nms_config",
                                                       "augmentation_config", "dataset_config"));
  EXPECT_THAT(missing(SpecUse::kExport), ElementsAre("ssd_config"));
}

TEST(LoadExperimentTest, NamesMissingPartsOfWhatIsThere) {
  EXPECT_THAT(
      ProblemsOf({"training_config = {}", "eval_config = {}", "nms_config = {}",
                  "augmentation_config = {}", "dataset_config = {}", "ssd_config = {}"}),
      ElementsAre(
          HasSubstr("ssd_config.arch is missing"),
          HasSubstr("ssd_config.aspect_ratios is missing; expected it or aspect_ratios_global"),
          HasSubstr("ssd_config.scales is missing; expected seven numbers, or min_scale"),
          HasSubstr("ssd_config.variances is missing"),
          HasSubstr("training_config.batch_size_per_gpu is missing"),
          HasSubstr("training_config.num_epochs is missing"),
          HasSubstr("training_config.learning_rate is missing"),
          HasSubstr("training_config.regularizer is missing"),
          HasSubstr("eval_config.validation_period_during_training is missing"),
          HasSubstr("eval_config.batch_size is missing"),
          HasSubstr("nms_config.confidence_threshold is missing"),
          HasSubstr("nms_config.clustering_iou_threshold is missing"),
          HasSubstr("nms_config.top_k is missing"),
          HasSubstr("augmentation_config.output_width is missing"),
          HasSubstr("augmentation_config.output_height is missing"),
          HasSubstr("augmentation_config.output_channel is missing"),
          HasSubstr("dataset_config.target_class_mapping is missing"),
          HasSubstr("dataset_config.data_sources is missing")));
}

struct BadValue {
  const char* override_text;
  const char* problem;
};

// One row a rule.
TEST(LoadExperimentTest, NamesValuesOutOfRange) {
  const std::string schedule = "training_config.learning_rate.soft_start_annealing_schedule.";
  const BadValue rows[] = {
      {"ssd_config.nlayers = 11", "ssd_config.nlayers is 11; expected one of 10, 18, 34, 50, 101 for resnet"},
      {"ssd_config.arch = vgg", "ssd_config.nlayers is 10; expected one of 16, 19 for vgg"},
      {"ssd_config = { arch: 'darknet' }",
       "ssd_config.nlayers is missing; expected one of 19, 53 for darknet"},
      {"ssd_config = { arch: 'vgg' nlayers: 16 freeze_blocks: 0 }",
       "ssd_config.freeze_blocks[0] is 0; expected a block of vgg, 1 to 5"},
      // MobileNets end at stride 16.
      {"ssd_config = { arch: 'mobilenet_v2' freeze_blocks: 14 }",
       "ssd_config.freeze_blocks[0] is 14; expected a block of mobilenet_v2, 0 to 13"},
      {"ssd_config.arch = alexnet", "ssd_config.arch is \"alexnet\"; expected one of resnet, vgg"},
      {"ssd_config.arch = resnet18",
       "ssd_config.arch is \"resnet18\"; expected one of resnet, vgg"},
      {"ssd_config.alpha = -1", "ssd_config.alpha is -1; expected at least 0"},
      {"ssd_config.pos_iou_thresh = 1.5", "is 1.5; expected a number in [0, 1]"},
      {"ssd_config.freeze_blocks = [0, 5]", "ssd_config.freeze_blocks[1] is 5; expected a block"},
      {"training_config.batch_size_per_gpu = 0", "is 0; expected a number in [1, 1000000]"},
      {"training_config.num_epochs = 0", "training_config.num_epochs is 0"},
      {"training_config.n_workers = 5000", "is 5000; expected a number in [0, 1024]"},
      {"training_config.regularizer.weight = 1", "is 1; expected a number in (0, 1)"},
      {"training_config.early_stopping = {}", "early_stopping.monitor is missing"},
      {"training_config.early_stopping = { monitor: 'mAP' }", "is \"mAP\"; expected one of loss,"},
      {"training_config.early_stopping = { monitor: 'loss' min_delta: -1 }", "min_delta is -1"},
      {"training_config.early_stopping = { monitor: 'val_loss' }",
       "expected eval_config.validation_period_during_training to be 1 for it"},
      {"eval_config.validation_period_during_training = 0", "during_training is 0; expected"},
      {"eval_config.batch_size = 0", "eval_config.batch_size is 0"},
      {"eval_config.matching_iou_threshold = 1", "is 1; expected a number in (0, 1)"},
      {"nms_config.confidence_threshold = 0", "is 0; expected a number in (0, 1)"},
      {"nms_config.clustering_iou_threshold = 1", "is 1; expected a number in (0, 1)"},
      {"nms_config.clustering_iou_threshold = nan", "is nan; expected a number in (0, 1)"},
      {"nms_config.top_k = 0", "nms_config.top_k is 0"},
      {"augmentation_config.output_width = 127",
       "output_width is 127; expected a number in [128, 8192]"},
      {"augmentation_config.output_height = 0", "output_height is 0"},
      {"augmentation_config.output_channel = 4", "is 4; expected 1 or 3"},
      {"augmentation_config.random_crop_min_scale = 0", "is 0; expected a number in (0, 1]"},
      {"augmentation_config.random_crop_max_scale = 0.2",
       "random_crop_min_scale is 0.3; expected at most random_crop_max_scale, which is 0.2"},
      {"augmentation_config.random_crop_max_ar = 0.4",
       "random_crop_min_ar is 0.5; expected at most"},
      {"augmentation_config.zoom_out_min_scale = 0.5", "is 0.5; expected a number in [1, 100]"},
      {"augmentation_config.zoom_out_min_scale = 5", "zoom_out_min_scale is 5; expected at most"},
      {"augmentation_config.brightness = -1", "is -1; expected a number in [0, 255]"},
      {"augmentation_config.contrast = 1", "is 1; expected a number in [0, 1)"},
      {"augmentation_config.hue = 181", "is 181; expected a number in [0, 180]"},
      {"augmentation_config.image_mean[b] = 104",
       "image_mean[\"g\"] is missing; expected all of b, g, r for output_channel 3"},
      {"dataset_config.target_class_mapping[\"NUT\"] = bolt", "differs by case alone"},
      {"dataset_config.target_class_mapping[\"screw\"] = \"Nut \"",
       "differs by blanks alone from \"nut\""},
      {"dataset_config.data_sources[0].label_directory_path =", "label_directory_path is missing"},
      {"dataset_config.data_sources[1] = {}",
       "data_sources[1].tfrecords_path is missing; expected it, or"},
      {"dataset_config.data_sources[1].tfrecords_path = /t",
       "mixes 1 with tfrecords_path and 1 with"},
      {"dataset_config.validation_fold = 0", "expected one of the two"},
  };
  for (const BadValue& row : rows) {
    EXPECT_THAT(ProblemsOf({row.override_text}), ::testing::Contains(HasSubstr(row.problem)))
        << row.override_text;
  }
  EXPECT_THAT(ProblemsOf({schedule + "soft_start = 0.9"}),
              ElementsAre(HasSubstr("soft_start is 0.9; expected below annealing, which is 0.8")));
  EXPECT_THAT(ProblemsOf({schedule + "min_learning_rate = 0.1"}),
              ElementsAre(HasSubstr("is 0.1; expected at most max_learning_rate, which is 0.02")));
  EXPECT_THAT(
      ProblemsOf({schedule + "max_learning_rate = 0", schedule + "min_learning_rate ="}),
      ElementsAre(HasSubstr("min_learning_rate is missing"), HasSubstr("max_learning_rate is 0")));
}

TEST(LoadExperimentTest, NoRegularizationNeedsNoWeight) {
  EXPECT_THAT(Load({"training_config.regularizer = { type: NO_REG }"}), IsOk());
  EXPECT_THAT(Load({"training_config.regularizer = { type: NO_REG weight: 0 }"}), IsOk());
}

TEST(LoadExperimentTest, EarlyStoppingOnValidationLossNeedsValidationData) {
  const std::vector<std::string> overrides = {
      "training_config.early_stopping = { monitor: 'validation_loss' patience: 3 }",
      "eval_config.validation_period_during_training = 1"};
  EXPECT_THAT(Load(overrides), IsOk());
  std::vector<std::string> without = overrides;
  without.push_back("dataset_config.validation_data_sources =");
  EXPECT_THAT(ProblemsOf(without), ElementsAre(HasSubstr("expected validation data")));
}

TEST(LoadExperimentTest, ValidationDataMayBeAFoldOfAConvertedSet) {
  const std::vector<std::string> overrides = {
      "dataset_config.validation_data_sources =", "dataset_config.validation_fold = 0",
      "dataset_config.data_sources = { tfrecords_path: '/t/bccd' }"};
  EXPECT_THAT(Load(overrides), IsOk());
  EXPECT_THAT(Load(overrides, SpecUse::kEvaluate), IsOk());
  EXPECT_THAT(ProblemsOf({"dataset_config.validation_data_sources ="}, SpecUse::kEvaluate),
              ElementsAre(HasSubstr("expected at least one, or validation_fold")));
}

TEST(LoadExperimentTest, WhatIsNotOfferedIsUnimplementedByName) {
  const std::pair<const char*, const char*> rows[] = {
      {"training_config.enable_qat = true", "training_config.enable_qat is not offered yet"},
      {"ssd_config.pred_num_channels = 256", "ssd_config.pred_num_channels is not offered yet"},
      {"training_config.learning_rate = { soft_start_cosine_annealing_schedule {} }",
       "soft_start_cosine_annealing_schedule is not offered yet"},
  };
  for (const auto& [override_text, words] : rows) {
    EXPECT_THAT(Load({override_text}),
                StatusIs(absl::StatusCode::kUnimplemented, HasSubstr(words)));
  }
  std::string dssd = kSpec;
  dssd = absl::StrReplaceAll(dssd, {{"ssd_config {", "dssd_config {"}});
  EXPECT_THAT(
      LoadExperiment(dssd, "s", {}, SpecUse::kTrain, nullptr),
      StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("dssd_config is not offered yet")));
  EXPECT_THAT(Load({"training_config.enable_qat = false", "ssd_config.pred_num_channels = 0"}),
              IsOk());
}

TEST(LoadExperimentTest, AWrongValueBesideAnUnofferedOneIsInvalidAndNamesBoth) {
  EXPECT_THAT(Load({"training_config.enable_qat = true", "nms_config.top_k = 0"}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("enable_qat is not offered"), HasSubstr("top_k is 0"))));
}

TEST(LoadExperimentTest, WarnsOfFieldsWithoutEffectWithTheirPlace) {
  std::vector<std::string> warnings;
  std::string text = kSpec;
  text +=
      "training_config { model_ema: true use_multiprocessing: true optimizer { sgd { momentum: 0.5 "
      "} }\n"
      "  visualizer { enabled: true wandb_config { project: 'p' } clearml_config {} } }\n"
      "nms_config { force_on_cpu: true }\nssd_config { mean_color: '0' }\n";
  EXPECT_THAT(LoadExperiment(text, "s.txt", {}, SpecUse::kTrain, &warnings), IsOk());
  EXPECT_THAT(warnings, UnorderedElementsAre(
                            HasSubstr("s.txt:24:19: training_config.model_ema has no effect"),
                            HasSubstr("training_config.use_multiprocessing has no effect"),
                            HasSubstr("training_config.optimizer has no effect"),
                            HasSubstr("wandb_config has no effect"),
                            HasSubstr("clearml_config has no effect"),
                            HasSubstr("s.txt:26:14: nms_config.force_on_cpu has no effect"),
                            HasSubstr("ssd_config.mean_color has no effect")));
}

TEST(LoadExperimentTest, WarnsOfADepthThatTheBackboneHasNot) {
  std::vector<std::string> warnings;
  EXPECT_THAT(Load({"ssd_config.arch = googlenet"}, SpecUse::kTrain, &warnings), IsOk());
  EXPECT_THAT(warnings, ElementsAre(HasSubstr("ssd_config.nlayers has no effect for googlenet")));
  warnings.clear();
  EXPECT_THAT(Load({"ssd_config.arch = googlenet", "ssd_config.nlayers ="}, SpecUse::kTrain,
                   &warnings),
              IsOk());
  EXPECT_THAT(warnings, IsEmpty());
}

TEST(LoadExperimentTest, WarnsOfLabelFilesBesideRecords) {
  std::vector<std::string> warnings;
  EXPECT_THAT(
      Load({"dataset_config.data_sources[0].tfrecords_path = /t"}, SpecUse::kTrain, &warnings),
      IsOk());
  EXPECT_THAT(warnings, ElementsAre(HasSubstr("data_sources[0] has tfrecords_path and label_directory_path")));
}

TEST(LoadExperimentTest, ProblemsOfTextOverridesAndValuesComeTogetherWithTheirPlaces) {
  std::string text = kSpec;
  text += "bogus: 1\nnms_config { top_k: 0 }\n";
  const auto result = LoadExperiment(text, "s.txt", {"training_config.num_epochs = 0", "nms = 1"},
                                     SpecUse::kTrain, nullptr);
  std::vector<std::string> places;
  for (const Problem& problem : ProblemsFrom(result.status())) places.push_back(problem.place);
  EXPECT_THAT(places, ElementsAre("s.txt:24:1", "override 'nms'",
                                  "override 'training_config.num_epochs'", "s.txt:25:14"));
}

TEST(LoadExperimentTest, AMissingFieldHasThePlaceOfItsMessage) {
  const auto result = Load({"nms_config.top_k ="});
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kInvalidArgument,
                               HasSubstr("train.txt:17:1: nms_config.top_k is missing")));
}

SSDConfig GoodLists() {
  SSDConfig config;
  config.set_aspect_ratios_global("[1, 2, 1/2]");
  config.set_scales("[0.07, 0.15, 0.33, 0.51, 0.69, 0.87, 1.05]");
  config.set_variances("[0.1, 0.1, 0.2, 0.2]");
  return config;
}

TEST(ListsOfTest, TheGlobalRatiosServeEveryMap) {
  const auto lists = ListsOf(GoodLists());
  ASSERT_THAT(lists, IsOk());
  EXPECT_THAT(lists->aspect_ratios, Each(ElementsAre(1, 2, 0.5)));
  EXPECT_THAT(lists->scales, ElementsAre(0.07, 0.15, 0.33, 0.51, 0.69, 0.87, 1.05));
  EXPECT_THAT(lists->variances, ElementsAre(0.1, 0.1, 0.2, 0.2));
  EXPECT_FALSE(lists->steps.has_value());
  EXPECT_FALSE(lists->offsets.has_value());
}

TEST(ListsOfTest, RatiosOfEachMapWinOverTheGlobalOnes) {
  SSDConfig config = GoodLists();
  config.set_aspect_ratios("[[1.0], [1.0, 2.0], (3, 1.0/3.0), [4], [5], [6]]");
  const auto lists = ListsOf(config);
  ASSERT_THAT(lists, IsOk());
  EXPECT_THAT(lists->aspect_ratios[1], ElementsAre(1, 2));
  EXPECT_THAT(lists->aspect_ratios[2], ElementsAre(3, 1.0 / 3.0));
}

TEST(ListsOfTest, ScalesAreSpacedEvenlyBetweenTheFloats) {
  SSDConfig config = GoodLists();
  config.clear_scales();
  config.set_min_scale(0.1f);
  config.set_max_scale(0.7f);
  const auto lists = ListsOf(config);
  ASSERT_THAT(lists, IsOk());
  // 0.1f is 0.10000000149011612 and 0.7f 0.699999988079071, as IEEE 754 has them.
  EXPECT_DOUBLE_EQ(lists->scales[0], 0.10000000149011612);
  EXPECT_DOUBLE_EQ(lists->scales[3], (0.10000000149011612 + 0.699999988079071) / 2);
  EXPECT_DOUBLE_EQ(lists->scales[6], 0.699999988079071);
}

TEST(ListsOfTest, StepsAndOffsetsTakeNumbersAndPairs) {
  SSDConfig config = GoodLists();
  config.set_steps("[8, [16, 17], (32, 33), 64, 100, 300]");
  config.set_offsets("[0.5, [0.4, 0.6], 0.5, 0.5, 0.5, 0.5]");
  const auto lists = ListsOf(config);
  ASSERT_THAT(lists, IsOk());
  EXPECT_EQ((*lists->steps)[0], (SsdLists::YX{8, 8}));
  EXPECT_EQ((*lists->steps)[1], (SsdLists::YX{16, 17}));
  EXPECT_EQ((*lists->steps)[2], (SsdLists::YX{32, 33}));
  EXPECT_EQ((*lists->offsets)[1], (SsdLists::YX{0.4, 0.6}));
}

TEST(ListsOfTest, NamesWhatIsWrongWithEachList) {
  const auto fails = [](const char* field, const std::string& text, const std::string& words) {
    EXPECT_THAT(ProblemsOf({absl::StrCat("ssd_config.", field, " = '", text, "'")}),
                ElementsAre(AllOf(HasSubstr(absl::StrCat("ssd_config.", field)), HasSubstr(words))))
        << text;
  };
  fails("scales", "[0.1, 0.2]", "has 2 elements; expected 7");
  fails("scales", "[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0]", "has 0 as element 7; expected above 0");
  fails("scales", "[0.1, 0.2, 0.3, 0.4, 0.5, 1.2, 1.3]",
        "makes the scale of map 6 1.2; expected at most 1");
  fails("scales", "0.5", "is the number 0.5; expected a list");
  fails("scales", "[0.1, ", "column 7: the text ends");
  fails("aspect_ratios", "[1, 2, 3, 4, 5]", "has 5 elements; expected 6");
  fails("aspect_ratios", "[[1], [1], [1], [1], [1], 2]", "has the number 2 as element 6");
  fails("aspect_ratios", "[[1], [1, -2], [1], [1], [1], [2]]", "has -2 as element 2 of list 2");
  fails("aspect_ratios_global", "[]", "has 0 elements; expected at least 1");
  fails("variances", "[0.1, 0.1, 0.2]", "has 3 elements; expected 4");
  fails("variances", "[0.1, 0.1, 0.2, [1]]", "has a list as element 4; expected a number");
  fails("steps", "[8, [16], 32, 64, 100, 300]",
        "has a list of 1 as element 2; expected a number or [y, x]");
  fails("steps", "[8, 16, 32, 64, 100, 0]", "has 0 as element 6; expected above 0");
  fails("offsets", "[0.5, 0.5, 0.5, 0.5, 0.5, [0.5, 1]]", "has 1 as element 2 of pair 6");
}

TEST(ListsOfTest, ScalesNeedBothEnds) {
  EXPECT_THAT(ProblemsOf({"ssd_config.scales =", "ssd_config.min_scale = 0.1"}),
              ElementsAre(HasSubstr("ssd_config.scales is missing")));
  EXPECT_THAT(ProblemsOf({"ssd_config.scales =", "ssd_config.min_scale = 0.5",
                          "ssd_config.max_scale = 0.1"}),
              ElementsAre(HasSubstr("is 0.5 and max_scale 0.1; expected 0 < min <= max")));
}

TEST(CheckExperimentTest, WorksWithoutPlaces) {
  Experiment spec;
  EXPECT_THAT(CheckExperiment(spec, SpecUse::kTrain), StatusIs(absl::StatusCode::kInvalidArgument));
  const auto parsed = ParseExperiment(kSpec, "s", {}, nullptr);
  ASSERT_THAT(parsed, IsOk());
  EXPECT_THAT(CheckExperiment(*parsed, SpecUse::kTrain), IsOk());
  EXPECT_FALSE(parsed->augmentation_config().has_hue());
}

}  // namespace
}  // namespace trainyard::networks
