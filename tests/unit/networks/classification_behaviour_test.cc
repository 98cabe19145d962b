// Every field of a classification spec that docs/spec-coverage.md calls supported has a reader: a field
// whose change changes nothing of what is made of a spec is read by nobody.

#include <map>
#include <memory>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/digest.h"
#include "libs/base/random.h"
#include "libs/networks/classification/classification_network.h"
#include "libs/networks/classification/classification_spec.h"
#include "libs/networks/prepare_spec.h"
#include "libs/networks/registry.h"
#include "onnx/onnx_pb.h"
#include "tests/support/classification_data.h"
#include "tests/support/spec_leaves.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::networks {
namespace {

using ::trainyard::testing::IsOk;
using ::trainyard::testing::LeavesOf;
using ::trainyard::testing::SmallClassificationSpec;
using ::trainyard::testing::SpecChange;
using ::trainyard::testing::TemporaryFolder;
using ::trainyard::testing::WriteClassFolder;

struct ScheduleText {
  std::string operator()(const SoftStartSchedule&) const { return "soft start"; }
  std::string operator()(const StepSchedule& s) const {
    return absl::StrCat("step ", s.rate, " ", s.step_size, " ", s.gamma);
  }
  std::string operator()(const SoftAnnealSchedule& s) const {
    return absl::StrCat("anneal ", s.rate, " ", s.soft_start, " ", s.annealing_divider, " ",
                        absl::StrJoin(s.annealing_points, ","));
  }
  std::string operator()(const CosineSchedule& s) const {
    return absl::StrCat("cosine ", s.rate, " ", s.min_rate_ratio, " ", s.soft_start);
  }
};

struct OptimizerText {
  std::string operator()(const SgdPlan& p) const {
    return absl::StrCat("sgd ", p.momentum, " ", p.nesterov, " ", p.decay);
  }
  std::string operator()(const AdamPlan& p) const {
    return absl::StrCat("adam ", p.beta1, " ", p.beta2, " ", p.epsilon, " ", p.decay);
  }
  std::string operator()(const RmspropPlan& p) const {
    return absl::StrCat("rmsprop ", p.rho, " ", p.epsilon, " ", p.decay);
  }
};

std::string Text(const TrainingPlan& p) {
  return absl::StrCat(p.seed, " ", p.batch_size, " ", p.epochs, " ",
                      std::visit(ScheduleText(), p.learning_rate), " ",
                      std::visit(OptimizerText(), p.optimizer), " ", static_cast<int>(p.regularizer),
                      " ", p.regularizer_weight, " ", p.workers, " ", p.visualize, " ",
                      p.visualize_images, " ", p.backbone_rate_scale, "\n");
}

// What the network sees of the first pictures that are opened for a use.
std::string Pixels(const Network& network, const ModelRecord& record, data::DataUse use) {
  const auto opened = network.OpenData(use, record, false, 1);
  if (!opened.ok()) return std::string(opened.status().message());
  if (!opened->has_value()) return "none";
  const auto prepared = network.Prepare((**opened).source, record, use);
  if (!prepared.ok()) return std::string(prepared.status().message());
  std::string bytes = absl::StrJoin((**opened).notes, "\n");
  for (int64_t i = 0; i < std::min<int64_t>(4, (*prepared)->size()); ++i) {
    Tensor input = Tensor::Zeros(DType::kFloat32, (*prepared)->input_shape());
    Philox random(7, 0, static_cast<uint64_t>(i), RandomPurpose::kAugmentation);
    EXPECT_THAT((*prepared)->Prepare(i, random, input.data<float>()).status(), IsOk());
    bytes.append(static_cast<const char*>(input.raw()), static_cast<size_t>(input.size_bytes()));
  }
  return Sha256Hex(bytes);
}

class ClassificationBehaviourTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* part : {"train", "val", "other"}) {
      WriteClassFolder(folder_ / part, "bolt", part[0] == 'o' ? 3 : 2, 200, 30, 60, /*size=*/40);
      WriteClassFolder(folder_ / part, "nut", 2, 30, 200, 90, /*size=*/40);
    }
  }

  // `builds`: with the graph, which takes a moment.
  std::string MadeOf(const std::vector<std::string>& overrides, spec::SpecUse use, bool builds) {
    const auto prepared =
        PrepareSpec("classification", SmallClassificationSpec(folder_.path()), "spec", overrides,
                    use, [](absl::string_view path) { return std::string(path); });
    if (!prepared.ok()) return std::string(prepared.status().message());
    const auto network = CreateNetwork("classification", prepared->canonical_text, "spec");
    if (!network.ok()) return std::string(network.status().message());
    const auto& classification = dynamic_cast<const ClassificationNetwork&>(**network);
    const auto record = (*network)->Record();
    if (!record.ok()) return std::string(record.status().message());
    std::string made =
        absl::StrCat(prepared->initial_model, "|", prepared->judged_model, "|",
                     Text(classification.training_plan()), classification.evaluation_batch_size(),
                     " ", classification.label_smoothing(), " ", record->ShortDebugString(),
                     Pixels(**network, *record, data::DataUse::kTraining), " ",
                     Pixels(**network, *record, data::DataUse::kValidation), " ",
                     Pixels(**network, *record, data::DataUse::kEvaluation), " ",
                     Evaluation(**network, *record));
    if (builds) {
      const auto model = (*network)->Build();
      if (!model.ok()) return std::string(model.status().message());
      absl::StrAppend(&made, model->record.training().ShortDebugString(),
                      Sha256Hex(model->graph.proto().SerializeAsString()));
    }
    return made;
  }

  // The names of the metrics of an evaluation of nothing but a right answer.
  static std::string Evaluation(const Network& network, const ModelRecord& record) {
    const auto head = CreateHead(record);
    EXPECT_THAT(head, IsOk());
    const auto evaluator = network.MakeEvaluator(**head, record, {});
    if (!evaluator.ok()) return std::string(evaluator.status().message());
    const auto evaluation = (*evaluator)->Finish();
    if (!evaluation.ok()) return std::string(evaluation.status().message());
    std::string text;
    for (const auto& [name, value] : (*evaluation)->Json()) absl::StrAppend(&text, name, value);
    return text;
  }

  TemporaryFolder folder_;
};

std::map<std::string, SpecChange> Changes(const std::string& other) {
  const std::string model = "model_config.", train = "train_config.", evaluation = "eval_config.",
                    sgd = train + "optimizer.sgd.", adam = train + "optimizer.adam.",
                    rmsprop = train + "optimizer.rmsprop.", step = train + "lr_config.step.",
                    anneal = train + "lr_config.soft_anneal.", cosine = train + "lr_config.cosine.";
  const std::vector<std::string> by_adam = {train + "optimizer =", adam + "beta_1 = 0.9"};
  const std::vector<std::string> by_rmsprop = {train + "optimizer =", rmsprop + "rho = 0.9"};
  const std::vector<std::string> annealed = {
      train + "lr_config =", anneal + "learning_rate = 0.1", anneal + "soft_start = 0.1",
      anneal + "annealing_points = [0.5]"};
  const std::vector<std::string> on_cosine = {train + "lr_config =",
                                              cosine + "learning_rate = 0.1"};
  const std::vector<std::string> means = {train + "image_mean[b] = 104", train + "image_mean[g] = 117",
                                          train + "image_mean[r] = 124"};
  const auto quoted = [&other](const std::string& field) { return field + " = \"" + other + "\""; };
  return {
      {"classification.v1.EvalConfig.top_k", {evaluation + "top_k = 1"}},
      {"classification.v1.EvalConfig.eval_dataset_path", {quoted(evaluation + "eval_dataset_path")}},
      {"classification.v1.EvalConfig.model_path", {evaluation + "model_path = \"/m/a.tlt\""}},
      {"classification.v1.EvalConfig.batch_size", {evaluation + "batch_size = 3"}},
      {"classification.v1.EvalConfig.enable_center_crop", {evaluation + "enable_center_crop = true"}},
      {"classification.v1.ModelConfig.arch", {model + "arch = \"squeezenet\""}},
      {"classification.v1.ModelConfig.input_image_size", {model + "input_image_size = \"1,24,24\""}},
      {"classification.v1.ModelConfig.n_layers", {model + "n_layers = 18"}},
      {"classification.v1.ModelConfig.use_batch_norm", {model + "use_batch_norm = false"}},
      {"classification.v1.ModelConfig.use_bias", {model + "use_bias = true"}},
      {"classification.v1.ModelConfig.use_pooling", {model + "use_pooling = true"}},
      {"classification.v1.ModelConfig.all_projections", {model + "all_projections = true", {model + "n_layers = 18"}}},
      {"classification.v1.ModelConfig.freeze_bn", {model + "freeze_bn = true"}},
      {"classification.v1.ModelConfig.freeze_blocks", {model + "freeze_blocks = [0]"}},
      {"classification.v1.ModelConfig.resize_interpolation_method",
       {model + "resize_interpolation_method = BICUBIC"}},
      {"classification.v1.BatchNormConfig.momentum", {model + "batch_norm_config.momentum = 0.8"}},
      {"classification.v1.BatchNormConfig.epsilon", {model + "batch_norm_config.epsilon = 0.1"}},
      {"classification.v1.Activation.activation_type",
       {model + "activation.activation_type = \"relu\"",
        {model + "arch = \"efficientnet_lite0\"", model + "n_layers ="}}},
      {"classification.v1.TrainConfig.train_dataset_path", {quoted(train + "train_dataset_path")}},
      {"classification.v1.TrainConfig.val_dataset_path", {quoted(train + "val_dataset_path")}},
      {"classification.v1.TrainConfig.pretrained_model_path",
       {train + "pretrained_model_path = \"/m/a.tlt\""}},
      {"classification.v1.TrainConfig.batch_size_per_gpu", {train + "batch_size_per_gpu = 3"}},
      {"classification.v1.TrainConfig.n_epochs", {train + "n_epochs = 7"}},
      {"classification.v1.TrainConfig.n_workers", {train + "n_workers = 3"}},
      {"classification.v1.TrainConfig.random_seed", {train + "random_seed = 8"}},
      {"classification.v1.TrainConfig.enable_random_crop", {train + "enable_random_crop = true"}},
      {"classification.v1.TrainConfig.label_smoothing", {train + "label_smoothing = 0.1"}},
      {"classification.v1.TrainConfig.preprocess_mode", {train + "preprocess_mode = \"tf\""}},
      {"classification.v1.TrainConfig.enable_center_crop", {train + "enable_center_crop = true"}},
      {"classification.v1.TrainConfig.enable_color_augmentation",
       {train + "enable_color_augmentation = true", {train + "enable_random_crop = true"}}},
      {"classification.v1.TrainConfig.image_mean", {train + "image_mean[b] = 90", means}},
      {"classification.v1.TrainConfig.disable_horizontal_flip",
       {train + "disable_horizontal_flip = true"}},
      {"classification.v1.TrainConfig.backbone_lr_scale", {train + "backbone_lr_scale = 0.1"}},
      {"classification.v1.SgdOptimizerConfig.decay", {sgd + "decay = 0.1"}},
      {"classification.v1.SgdOptimizerConfig.momentum", {sgd + "momentum = 0.5"}},
      {"classification.v1.SgdOptimizerConfig.nesterov", {sgd + "nesterov = true"}},
      {"classification.v1.AdamOptimizerConfig.beta_1", {adam + "beta_1 = 0.8", by_adam}},
      {"classification.v1.AdamOptimizerConfig.beta_2", {adam + "beta_2 = 0.8", by_adam}},
      {"classification.v1.AdamOptimizerConfig.epsilon", {adam + "epsilon = 0.1", by_adam}},
      {"classification.v1.AdamOptimizerConfig.decay", {adam + "decay = 0.1", by_adam}},
      {"classification.v1.RmspropOptimizerConfig.rho", {rmsprop + "rho = 0.8", by_rmsprop}},
      {"classification.v1.RmspropOptimizerConfig.epsilon", {rmsprop + "epsilon = 0.1", by_rmsprop}},
      {"classification.v1.RmspropOptimizerConfig.decay", {rmsprop + "decay = 0.1", by_rmsprop}},
      {"classification.v1.RegConfig.type", {train + "reg_config.type = \"L1\""}},
      {"classification.v1.RegConfig.scope", {train + "reg_config.scope = \"Dense\""}},
      {"classification.v1.RegConfig.weight_decay", {train + "reg_config.weight_decay = 0.1"}},
      {"classification.v1.StepLrConfig.learning_rate", {step + "learning_rate = 0.2"}},
      {"classification.v1.StepLrConfig.step_size", {step + "step_size = 10"}},
      {"classification.v1.StepLrConfig.gamma", {step + "gamma = 0.2"}},
      {"classification.v1.SoftAnnealLrConfig.learning_rate", {anneal + "learning_rate = 0.2", annealed}},
      {"classification.v1.SoftAnnealLrConfig.soft_start", {anneal + "soft_start = 0.2", annealed}},
      {"classification.v1.SoftAnnealLrConfig.annealing_divider",
       {anneal + "annealing_divider = 2", annealed}},
      {"classification.v1.SoftAnnealLrConfig.annealing_points",
       {anneal + "annealing_points = [0.6]", annealed}},
      {"classification.v1.CosineLrConfig.learning_rate", {cosine + "learning_rate = 0.2", on_cosine}},
      {"classification.v1.CosineLrConfig.min_lr_ratio", {cosine + "min_lr_ratio = 0.2", on_cosine}},
      {"classification.v1.CosineLrConfig.soft_start", {cosine + "soft_start = 0.2", on_cosine}},
      {"common.v1.VisualizerConfig.enabled", {train + "visualizer.enabled = true"}},
      {"common.v1.VisualizerConfig.num_images",
       {train + "visualizer.num_images = 2", {train + "visualizer.enabled = true"}}},
  };
}

TEST_F(ClassificationBehaviourTest, EverySupportedFieldChangesWhatTheStagesSee) {
  const std::map<std::string, SpecChange> changes = Changes(folder_ / "other");
  std::set<std::string> changed;
  for (const auto& [field, change] : changes) changed.insert(field);
  std::set<std::string> leaves =
      LeavesOf(spec::classification::v1::Experiment::descriptor(), ClassificationCoverage());
  // The same for every backbone that is offered with it: a retained head is a resnet's own.
  leaves.erase("classification.v1.ModelConfig.retain_head");
  EXPECT_EQ(changed, leaves) << "a supported field needs a row in this test, and only those do";
  std::map<std::vector<std::string>, std::string> made_before;
  for (const auto& [field, change] : changes) {
    const bool evaluates = absl::StrContains(field, "EvalConfig.model_path");
    const spec::SpecUse use = evaluates ? spec::SpecUse::kEvaluate : spec::SpecUse::kTrain;
    const bool builds = !absl::StrContains(field, "OptimizerConfig") &&
                        !absl::StrContains(field, "LrConfig") && !evaluates;
    std::vector<std::string> after = change.before;
    std::string& before = made_before[after];
    if (before.empty() || evaluates) before = MadeOf(after, use, builds);
    after.push_back(change.change);
    EXPECT_NE(MadeOf(after, use, builds), before) << field << " is read by nobody";
    if (!builds) made_before.erase(change.before);
  }
}

}  // namespace
}  // namespace trainyard::networks
