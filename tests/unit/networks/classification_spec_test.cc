#include "libs/networks/classification/classification_spec.h"

#include <string>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "libs/base/files.h"
#include "libs/base/problems.h"
#include "libs/networks/classification/classification_plan.h"
#include "libs/networks/ssd/ssd_spec.h"
#include "libs/spec/paths.h"
#include "tests/support/places.h"
#include "tests/support/status_matchers.h"

namespace trainyard::networks {

using spec::SpecUse;
namespace {

using spec::classification::v1::Experiment;
using spec::classification::v1::ModelConfig;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsOk;
using ::testing::Pair;
using testing::StatusIs;
using ::testing::UnorderedElementsAre;

constexpr char kSpec[] = R"(model_config {
  arch: "resnet"
  n_layers: 18
  use_batch_norm: True
  all_projections: True
  input_image_size: "3,224,160"
}
train_config {
  train_dataset_path: "/d/train"
  val_dataset_path: "/d/val"
  optimizer { sgd { momentum: 0.8 nesterov: True } }
  batch_size_per_gpu: 16
  n_epochs: 20
  reg_config { type: "L2" scope: "Conv2D,Dense" weight_decay: 0.00005 }
  lr_config { step { learning_rate: 0.006 step_size: 10 gamma: 0.1 } }
}
eval_config {
  eval_dataset_path: "/d/test"
  top_k: 3
  batch_size: 8
}
)";

absl::StatusOr<Experiment> Load(const std::vector<std::string>& overrides,
                                SpecUse use = SpecUse::kTrain,
                                std::vector<std::string>* warnings = nullptr) {
  return LoadClassification(kSpec, "train.txt", overrides, use, warnings);
}

std::vector<std::string> WarningsOf(const std::vector<std::string>& overrides) {
  std::vector<std::string> warnings;
  EXPECT_THAT(Load(overrides, SpecUse::kTrain, &warnings), IsOk());
  return warnings;
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

// The specs that we ship, as they are and with nothing to warn of.
TEST(LoadClassificationTest, TakesTheExamples) {
  for (const char* name : {"train", "retrain"}) {
    const std::string path =
        absl::StrCat(SourceDir(), "/examples/classification/", name, ".txt");
    const auto text = ReadFile(path);
    ASSERT_THAT(text, IsOk());
    for (SpecUse use : {SpecUse::kTrain, SpecUse::kEvaluate, SpecUse::kInference, SpecUse::kExport}) {
      std::vector<std::string> warnings;
      const auto spec = LoadClassification(*text, path, {}, use, &warnings);
      ASSERT_THAT(spec, IsOk());
      EXPECT_THAT(warnings, IsEmpty());
      EXPECT_TRUE(spec->train_config().pretrained_model_path().empty());
      EXPECT_TRUE(spec->train_config().lr_config().has_soft_anneal());
      EXPECT_EQ(spec->model_config().n_layers(), 10u);
    }
  }
}

TEST(LoadClassificationTest, TakesAGoodSpecForEveryTask) {
  for (SpecUse use : {SpecUse::kTrain, SpecUse::kEvaluate, SpecUse::kInference, SpecUse::kExport}) {
    std::vector<std::string> warnings;
    EXPECT_THAT(Load({}, use, &warnings), IsOk());
    EXPECT_THAT(warnings, IsEmpty());
  }
}

TEST(LoadClassificationTest, WhatIsAbsentHasItsDefault) {
  const auto spec =
      Load({"model_config.n_layers =", "train_config.optimizer =", "train_config.visualizer = {}"});
  ASSERT_THAT(spec, IsOk());
  const auto& model = spec->model_config();
  EXPECT_EQ(model.n_layers(), 18u);
  EXPECT_FALSE(model.use_bias());
  EXPECT_EQ(model.resize_interpolation_method(), ModelConfig::BILINEAR);
  EXPECT_FLOAT_EQ(model.batch_norm_config().momentum(), 0.9f);
  EXPECT_FLOAT_EQ(model.batch_norm_config().epsilon(), 1e-5f);
  const auto& train = spec->train_config();
  EXPECT_FLOAT_EQ(train.optimizer().sgd().momentum(), 0.9f);
  EXPECT_FALSE(train.optimizer().sgd().nesterov());
  EXPECT_EQ(train.random_seed(), 42u);
  EXPECT_EQ(train.preprocess_mode(), "caffe");
  EXPECT_THAT(train.image_mean(),
              UnorderedElementsAre(Pair("b", 103.939f), Pair("g", 116.779f), Pair("r", 123.68f)));
  EXPECT_FALSE(train.visualizer().enabled());
  EXPECT_TRUE(spec->eval_config().has_enable_center_crop());
}

TEST(LoadClassificationTest, TheDefaultsOfABackboneAreNoReasonToWarn) {
  for (const std::string arch : {"squeezenet", "alexnet", "googlenet", "efficientnet_b0"}) {
    const auto spec = Load({"model_config = { arch: '" + arch + "' input_image_size: '3,64,64' }"});
    ASSERT_THAT(spec, IsOk());
    EXPECT_FALSE(spec->model_config().has_n_layers());
    std::vector<std::string> warnings;
    EXPECT_THAT(LoadClassification(spec::PrintCanonical(*spec), "canonical", {}, SpecUse::kTrain,
                                   &warnings),
                IsOk());
    EXPECT_THAT(warnings, IsEmpty()) << arch;
  }
}

TEST(LoadClassificationTest, EveryOptimizerAndScheduleHasItsDefaults) {
  const auto adam = Load({"train_config.optimizer = { adam { epsilon: 0 } }",
                          "train_config.lr_config = { soft_anneal { learning_rate: 0.1 } }"});
  ASSERT_THAT(adam, IsOk());
  EXPECT_FLOAT_EQ(adam->train_config().optimizer().adam().beta_1(), 0.9f);
  EXPECT_FLOAT_EQ(adam->train_config().optimizer().adam().beta_2(), 0.999f);
  EXPECT_FLOAT_EQ(adam->train_config().optimizer().adam().epsilon(), 1e-7f);
  EXPECT_FLOAT_EQ(adam->train_config().lr_config().soft_anneal().annealing_divider(), 10);
  const auto rmsprop = Load({"train_config.optimizer = { rmsprop {} }",
                             "train_config.lr_config = { cosine { learning_rate: 0.1 } }"});
  ASSERT_THAT(rmsprop, IsOk());
  EXPECT_FLOAT_EQ(rmsprop->train_config().optimizer().rmsprop().rho(), 0.9f);
  EXPECT_FLOAT_EQ(rmsprop->train_config().optimizer().rmsprop().epsilon(), 1e-7f);
  EXPECT_TRUE(rmsprop->train_config().lr_config().cosine().has_min_lr_ratio());
}

TEST(LoadClassificationTest, TheMeanIsThatOfTheInputAndTheMode) {
  const auto grey = Load({"model_config.input_image_size = \"1, 32, 32\""});
  ASSERT_THAT(grey, IsOk());
  EXPECT_THAT(grey->train_config().image_mean(), ElementsAre(Pair("l", 117.3786f)));
  const auto torch = Load({"train_config.preprocess_mode = torch"});
  ASSERT_THAT(torch, IsOk());
  EXPECT_THAT(torch->train_config().image_mean(), IsEmpty());
}

TEST(LoadClassificationTest, DefaultsAreIdempotentAndSurviveTheCanonicalText) {
  const auto spec = Load({});
  ASSERT_THAT(spec, IsOk());
  Experiment again = *spec;
  ApplyClassificationDefaults(&again);
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(again, *spec));
  const auto reread =
      LoadClassification(spec::PrintCanonical(*spec), "canonical", {}, SpecUse::kTrain, nullptr);
  ASSERT_THAT(reread, IsOk());
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(*reread, *spec));
}

TEST(LoadClassificationTest, NamesWhatEachTaskMisses) {
  const auto missing = [](SpecUse use) {
    std::vector<std::string> fields;
    for (const Problem& problem : ProblemsFrom(
             LoadClassification("# nothing\nmodel_config {}", "s", {"model_config ="}, use, nullptr)
                 .status())) {
      fields.push_back(problem.field);
    }
    return fields;
  };
  EXPECT_THAT(missing(SpecUse::kTrain), ElementsAre("model_config", "train_config"));
  EXPECT_THAT(missing(SpecUse::kEvaluate), ElementsAre("eval_config", "model_config"));
  EXPECT_THAT(missing(SpecUse::kInference), ElementsAre("model_config"));
  EXPECT_THAT(missing(SpecUse::kExport), ElementsAre("model_config"));
}

TEST(LoadClassificationTest, NamesMissingPartsOfWhatIsThere) {
  const std::vector<std::string> empty = {"model_config = {}", "train_config = {}",
                                          "eval_config = {}"};
  EXPECT_THAT(ProblemsOf(empty),
              ElementsAre(HasSubstr("model_config.arch is missing"),
                          HasSubstr("model_config.input_image_size is missing"),
                          HasSubstr("train_config.train_dataset_path is missing"),
                          HasSubstr("train_config.val_dataset_path is missing"),
                          HasSubstr("train_config.batch_size_per_gpu is missing"),
                          HasSubstr("train_config.n_epochs is missing"),
                          HasSubstr("train_config.reg_config is missing"),
                          HasSubstr("train_config.lr_config is missing; expected step { ... }")));
  EXPECT_THAT(ProblemsOf({"eval_config = {}"}, SpecUse::kEvaluate),
              ElementsAre(HasSubstr("eval_config.top_k is missing"),
                          HasSubstr("eval_config.eval_dataset_path is missing"),
                          HasSubstr("eval_config.batch_size is missing")));
  EXPECT_THAT(ProblemsOf({"train_config.reg_config = { type: 'L1' }",
                          "train_config.lr_config = { step {} }"}),
              ElementsAre(HasSubstr("reg_config.weight_decay is missing"),
                          HasSubstr("reg_config.scope is missing"),
                          HasSubstr("lr_config.step.learning_rate is missing"),
                          HasSubstr("lr_config.step.step_size is missing"),
                          HasSubstr("lr_config.step.gamma is missing")));
}

struct BadValue {
  const char* override_text;
  const char* problem;
};

// One row a rule.
TEST(LoadClassificationTest, NamesValuesOutOfRange) {
  const BadValue rows[] = {
      {"model_config.arch = resnet18", "model_config.arch is \"resnet18\"; expected one of resnet"},
      {"model_config.n_layers = 19", "is 19; expected one of 10, 18, 34, 50, 101 for resnet"},
      {"model_config = { arch: 'vgg' input_image_size: '3,32,32' }",
       "model_config.n_layers is missing; expected one of 16, 19 for vgg"},
      {"model_config.input_image_size = \"3,224\"", "is \"3,224\"; expected channels (1 or 3)"},
      {"model_config.input_image_size = \"2,224,224\"", "is \"2,224,224\"; expected channels"},
      {"model_config.input_image_size = \"3,15,224\"", "height and width (16 to 8192)"},
      {"model_config.input_image_size = \"3,224,8193\"", "is \"3,224,8193\""},
      {"model_config.freeze_blocks = [0, 5]",
       "model_config.freeze_blocks[1] is 5; expected a block of resnet, 0 to 4"},
      {"model_config = { arch: 'alexnet' input_image_size: '3,64,64' freeze_blocks: 0 }",
       "model_config.freeze_blocks[0] is 0; expected a block of alexnet, 1 to 5"},
      {"model_config.dropout = 1", "model_config.dropout is 1; expected a number in [0, 1)"},
      {"model_config.batch_norm_config = { momentum: 1 }", "momentum is 1; expected"},
      {"model_config.batch_norm_config = { epsilon: -1 }", "epsilon is -1; expected at least 0"},
      {"model_config.activation = { activation_type: 'mish' }",
       "is \"mish\"; expected one of relu, relu6, leaky_relu, swish"},
      {"train_config.batch_size_per_gpu = 0", "batch_size_per_gpu is 0"},
      {"train_config.n_epochs = 0", "n_epochs is 0; expected a number in [1, 1000000]"},
      {"train_config.n_workers = 5000", "is 5000; expected a number in [0, 1024]"},
      {"train_config.optimizer.sgd.momentum = 1", "momentum is 1; expected a number in [0, 1)"},
      {"train_config.optimizer.sgd.decay = -1", "optimizer.sgd.decay is -1; expected at least 0"},
      {"train_config.optimizer = { adam { beta_1: 1 } }", "adam.beta_1 is 1"},
      {"train_config.optimizer = { adam { beta_2: -0.5 } }", "adam.beta_2 is -0.5"},
      {"train_config.optimizer = { adam { epsilon: -1 } }", "adam.epsilon is -1"},
      {"train_config.optimizer = { rmsprop { rho: 1.5 } }", "rmsprop.rho is 1.5"},
      {"train_config.optimizer = { rmsprop { epsilon: -1 } }", "rmsprop.epsilon is -1"},
      {"train_config.reg_config.type = L3", "type is \"L3\"; expected one of L1, L2, None"},
      {"train_config.reg_config.weight_decay = 0",
       "weight_decay is 0; expected a number in (0, 1)"},
      {"train_config.reg_config.scope = \"Conv2D,Pool\"",
       "scope is \"Conv2D,Pool\"; expected \"Conv2D\""},
      {"train_config.lr_config.step.learning_rate = 0", "learning_rate is 0; expected above 0"},
      {"train_config.lr_config.step.step_size = 101", "step_size is 101; expected a number in [1,"},
      {"train_config.lr_config.step.gamma = 2", "gamma is 2; expected a number in [0, 1]"},
      {"train_config.lr_config = { soft_anneal { learning_rate: 1 soft_start: 1 } }",
       "soft_start is 1; expected a number in [0, 1)"},
      {"train_config.lr_config = { soft_anneal { learning_rate: 1 annealing_divider: 0 } }",
       "annealing_divider is 0; expected above 0"},
      {"train_config.lr_config = { soft_anneal { learning_rate: 1 soft_start: 0.5 "
       "annealing_points: [0.5, 0.8] } }",
       "annealing_points[0] is 0.5; expected ascending numbers above soft_start (0.5)"},
      {"train_config.lr_config = { soft_anneal { learning_rate: 1 annealing_points: [0.8, 0.3] } }",
       "annealing_points[1] is 0.3"},
      {"train_config.lr_config = { soft_anneal { learning_rate: 1 annealing_points: 1.5 } }",
       "annealing_points[0] is 1.5"},
      {"train_config.lr_config = { cosine { learning_rate: 1 min_lr_ratio: 2 } }",
       "min_lr_ratio is 2; expected a number in [0, 1]"},
      {"train_config.lr_config = { cosine { learning_rate: 1 soft_start: -0.1 } }",
       "cosine.soft_start is -0.1"},
      {"train_config.label_smoothing = 1", "label_smoothing is 1; expected a number in [0, 1)"},
      {"train_config.mixup_alpha = -1", "mixup_alpha is -1; expected at least 0"},
      {"train_config.preprocess_mode = keras", "is \"keras\"; expected one of caffe, tf, torch"},
      {"train_config.image_mean[b] = 104",
       "image_mean[\"g\"] is missing; expected all of b, g, r for an input of 3 channels"},
      {"train_config.visualizer.num_images = 2000000", "num_images is 2"},
      {"eval_config.top_k = 0", "eval_config.top_k is 0"},
      {"eval_config.batch_size = 0", "eval_config.batch_size is 0"},
      {"eval_config.n_workers = 5000", "eval_config.n_workers is 5000"},
  };
  for (const BadValue& row : rows) {
    EXPECT_THAT(ProblemsOf({row.override_text}), Contains(HasSubstr(row.problem)))
        << row.override_text;
  }
}

TEST(LoadClassificationTest, NoRegularizationNeedsNothingElse) {
  EXPECT_THAT(Load({"train_config.reg_config = { type: 'None' }"}), IsOk());
}

TEST(LoadClassificationTest, WhatIsNotOfferedIsUnimplementedByName) {
  const std::pair<const char*, const char*> rows[] = {
      {"model_config.arch = efficientnet_b7",
       "model_config.arch is \"efficientnet_b7\", which is not offered yet; offered: resnet, vgg"},
      {"model_config.byom_model = m.tltb", "model_config.byom_model is not offered yet"},
      {"model_config = { arch: 'vgg' n_layers: 16 input_image_size: '3,32,32' retain_head: true }",
       "retain_head is true: the own head of vgg is not offered yet"},
      {"model_config.activation = { activation_parameters { key: 'a' value: 1 } }",
       "activation_parameters is not offered yet"},
      {"train_config.mixup_alpha = 0.2", "train_config.mixup_alpha is not offered yet"},
  };
  for (const auto& [override_text, words] : rows) {
    EXPECT_THAT(Load({override_text}),
                StatusIs(absl::StatusCode::kUnimplemented, HasSubstr(words)));
  }
  EXPECT_THAT(Load({"model_config.retain_head = true", "train_config.mixup_alpha = 0",
                    "model_config.byom_model = \"\""}),
              IsOk());
  EXPECT_THAT(Load({"train_config.mixup_alpha = 0.2", "train_config.n_epochs = 0"}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("mixup_alpha is not offered"), HasSubstr("n_epochs is 0"))));
}

TEST(LoadClassificationTest, WarnsOfFieldsWithoutEffectWithTheirPlace) {
  std::vector<std::string> warnings;
  std::string text = kSpec;
  text +=
      "train_config { model_parallelism: 0.5 optimizer { sgd { lr: 0.01 } }\n"
      "  visualizer { weight_histograms: true wandb_config {} clearml_config {} } }\n"
      "model_config { dropout: 0.5 }\n";
  EXPECT_THAT(LoadClassification(text, "s.txt", {}, SpecUse::kTrain, &warnings), IsOk());
  EXPECT_THAT(warnings,
              UnorderedElementsAre(HasSubstr("train_config.model_parallelism has no effect"),
                                   HasSubstr("s.txt:22:57: train_config.optimizer.sgd.lr has no "
                                             "effect: lr_config gives the learning rate"),
                                   HasSubstr("weight_histograms has no effect"),
                                   HasSubstr("wandb_config has no effect"),
                                   HasSubstr("clearml_config has no effect"),
                                   HasSubstr("model_config.dropout has no effect")));
}

TEST(LoadClassificationTest, WarnsOfWhatOnlyOtherBackbonesHave) {
  EXPECT_THAT(WarningsOf({"model_config = { arch: 'squeezenet' input_image_size: '3,64,64' "
                          "n_layers: 18 use_batch_norm: true use_pooling: true "
                          "all_projections: true activation { activation_type: 'relu' } }"}),
              ElementsAre(HasSubstr("model_config.n_layers has no effect for squeezenet: resnet,"),
                          HasSubstr("model_config.use_batch_norm has no effect for squeezenet"),
                          HasSubstr("model_config.use_pooling has no effect"),
                          HasSubstr("model_config.all_projections has no effect"),
                          HasSubstr("model_config.activation has no effect for squeezenet: "
                                    "EfficientNets alone")));
  EXPECT_THAT(WarningsOf({"model_config = { arch: 'efficientnet_lite0' input_image_size: "
                          "'3,64,64' activation { activation_type: 'relu' } }"}),
              IsEmpty());
  EXPECT_THAT(WarningsOf({"train_config.preprocess_mode = tf", "train_config.image_mean[b] = 1",
                          "train_config.image_mean[g] = 1", "train_config.image_mean[r] = 1"}),
              ElementsAre(HasSubstr("train_config.image_mean has no effect: preprocess_mode \"tf\" "
                                    "has its own")));
}

TEST(LoadClassificationTest, AnotherNetworksSpecIsNamed) {
  EXPECT_THAT(LoadClassification("ssd_config { }", "s.txt", {}, SpecUse::kTrain, nullptr),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "s.txt:1:1: ssd_config is a field of an SSD experiment; expected an image "
                       "classification experiment, with train_config"));
  EXPECT_THAT(LoadClassification("yolov4_config { }", "s.txt", {}, SpecUse::kTrain, nullptr),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("a YOLOv4 experiment")));
  // Its model_config is multitask classification's too.
  EXPECT_THAT(
      LoadClassification("model_config { n_layers: 18 } dataset_config { train_csv_path: 'a' }",
                         "s.txt", {}, SpecUse::kTrain, nullptr),
      StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("multitask classification")));
}

TEST(LoadClassificationTest, ItsPathsAreKnown) {
  auto spec =
      Load({"train_config.pretrained_model_path = m.tlt", "eval_config.model_path = e.tlt"});
  ASSERT_THAT(spec, IsOk());
  ASSERT_THAT(spec::RewritePaths(&*spec,
                                 [](absl::string_view path) -> absl::StatusOr<std::string> {
                                   return absl::StrCat("/workspace/", path);
                                 }),
              IsOk());
  EXPECT_EQ(spec->train_config().train_dataset_path(), "/workspace//d/train");
  EXPECT_EQ(spec->train_config().val_dataset_path(), "/workspace//d/val");
  EXPECT_EQ(spec->train_config().pretrained_model_path(), "/workspace/m.tlt");
  EXPECT_EQ(spec->eval_config().eval_dataset_path(), "/workspace//d/test");
  EXPECT_EQ(spec->eval_config().model_path(), "/workspace/e.tlt");
}

TEST(InputSizeOfTest, ReadsChannelsHeightAndWidth) {
  EXPECT_EQ(InputSizeOf("3,224,160"), (InputSize{.channels = 3, .height = 224, .width = 160}));
  EXPECT_EQ(InputSizeOf(" 1 , 16 , 8192 "),
            (InputSize{.channels = 1, .height = 16, .width = 8192}));
  for (const char* text : {"", "3", "3,224,224,1", "3,224,x", "3,-224,224", "3,224,224.5"}) {
    EXPECT_EQ(InputSizeOf(text), std::nullopt) << text;
  }
}

TEST(TrainingPlanOfTest, SaysWhatTheSpecSays) {
  const auto spec = Load({"train_config.n_workers = 3", "train_config.random_seed = 7",
                          "train_config.visualizer = { enabled: true num_images: 2 }"});
  ASSERT_THAT(spec, IsOk());
  const TrainingPlan plan = TrainingPlanOf(spec->train_config());
  EXPECT_EQ(plan.seed, 7u);
  EXPECT_EQ(plan.batch_size, 16);
  EXPECT_EQ(plan.epochs, 20);
  EXPECT_EQ(plan.workers, 3);
  EXPECT_EQ(plan.checkpoint_interval, 1);
  EXPECT_EQ(plan.validation_period, 1);
  EXPECT_EQ(plan.regularizer, Regularizer::kL2);
  EXPECT_FLOAT_EQ(plan.regularizer_weight, 0.00005f);
  EXPECT_TRUE(plan.visualize);
  EXPECT_EQ(plan.visualize_images, 2);
  const auto& sgd = std::get<SgdPlan>(plan.optimizer);
  EXPECT_FLOAT_EQ(sgd.momentum, 0.8f);
  EXPECT_TRUE(sgd.nesterov);
  EXPECT_EQ(sgd.decay, 0);
  const auto& step = std::get<StepSchedule>(plan.learning_rate);
  EXPECT_FLOAT_EQ(step.rate, 0.006f);
  EXPECT_EQ(step.step_size, 10);
  EXPECT_FLOAT_EQ(step.gamma, 0.1f);
}

TEST(TrainingPlanOfTest, HasEveryOptimizerAndSchedule) {
  const auto first = Load(
      {"train_config.optimizer = { adam { beta_1: 0.8 beta_2: 0.99 epsilon: 1e-4 decay: 0.5 } }",
       "train_config.lr_config = { soft_anneal { learning_rate: 0.5 soft_start: 0.25 "
       "annealing_points: [0.5, 0.75] annealing_divider: 4 } }",
       "train_config.reg_config = { type: 'None' }"});
  ASSERT_THAT(first, IsOk());
  const TrainingPlan plan = TrainingPlanOf(first->train_config());
  const auto& adam = std::get<AdamPlan>(plan.optimizer);
  EXPECT_FLOAT_EQ(adam.beta1, 0.8f);
  EXPECT_FLOAT_EQ(adam.beta2, 0.99f);
  EXPECT_FLOAT_EQ(adam.epsilon, 1e-4f);
  EXPECT_EQ(adam.decay, 0.5);
  const auto& anneal = std::get<SoftAnnealSchedule>(plan.learning_rate);
  EXPECT_EQ(anneal.rate, 0.5);
  EXPECT_EQ(anneal.soft_start, 0.25);
  EXPECT_THAT(anneal.annealing_points, ElementsAre(0.5, 0.75));
  EXPECT_EQ(anneal.annealing_divider, 4);
  EXPECT_EQ(plan.regularizer, Regularizer::kNone);

  const auto second =
      Load({"train_config.optimizer = { rmsprop { rho: 0.5 epsilon: 0.25 decay: 0.125 } }",
            "train_config.lr_config = { cosine { learning_rate: 0.5 min_lr_ratio: 0.25 soft_start: "
            "0.125 } }",
            "train_config.reg_config.type = L1"});
  ASSERT_THAT(second, IsOk());
  const TrainingPlan other = TrainingPlanOf(second->train_config());
  const auto& rmsprop = std::get<RmspropPlan>(other.optimizer);
  EXPECT_EQ(rmsprop.rho, 0.5);
  EXPECT_EQ(rmsprop.momentum, 0);
  EXPECT_EQ(rmsprop.epsilon, 0.25);
  EXPECT_EQ(rmsprop.decay, 0.125);
  const auto& cosine = std::get<CosineSchedule>(other.learning_rate);
  EXPECT_EQ(cosine.rate, 0.5);
  EXPECT_EQ(cosine.min_rate_ratio, 0.25);
  EXPECT_EQ(cosine.soft_start, 0.125);
  EXPECT_EQ(other.regularizer, Regularizer::kL1);
}

}  // namespace
}  // namespace trainyard::networks
