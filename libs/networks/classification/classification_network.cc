#include "libs/networks/classification/classification_network.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/base/status.h"
#include "libs/data/class_folders.h"
#include "libs/data/prepared_classes.h"
#include "libs/networks/classification/classification_builder.h"
#include "libs/networks/classification/classification_plan.h"
#include "libs/networks/classification/classification_preprocess.h"
#include "libs/networks/classification/classification_spec.h"
#include "libs/networks/training_flags.h"
#include "libs/tasks/classification/class_data.h"
#include "libs/tasks/classification/classification_evaluator.h"
#include "trainyard/model/classification/v1/head.pb.h"

namespace trainyard::networks {
namespace {

using model::v1::Preprocess;
using spec::classification::v1::Experiment;
using spec::classification::v1::ModelConfig;

std::optional<layers::Activation> ActivationOf(const ModelConfig& config) {
  const std::string& type = config.activation().activation_type();
  if (type == "relu") return layers::Activation::kRelu;
  if (type == "relu6") return layers::Activation::kRelu6;
  if (type == "leaky_relu") return layers::Activation::kLeakyRelu;
  if (type == "swish") return layers::Activation::kSwish;
  return std::nullopt;
}

layers::BackboneOptions BackboneOf(const ModelConfig& config, uint64_t seed) {
  layers::BackboneOptions options{.arch = config.arch(),
                                  .n_layers = static_cast<int>(config.n_layers()),
                                  .use_batch_norm = config.use_batch_norm(),
                                  .use_bias = config.use_bias(),
                                  .use_pooling = config.use_pooling(),
                                  .all_projections = config.all_projections(),
                                  .batch_norm_epsilon = config.batch_norm_config().epsilon(),
                                  .batch_norm_momentum = config.batch_norm_config().momentum(),
                                  .seed = seed};
  // TAO's field is of EfficientNets alone; for the others a warning says so.
  if (absl::StartsWith(config.arch(), "efficientnet")) options.activation = ActivationOf(config);
  return options;
}

// The kinds of layers in reg_config.scope: "Conv2D,Dense".
std::set<std::string> RegularizedKinds(const Experiment& experiment) {
  std::set<std::string> ops;
  const auto& config = experiment.train_config().reg_config();
  for (const absl::string_view kind : absl::StrSplit(config.scope(), ',')) {
    const std::string word = absl::AsciiStrToLower(absl::StripAsciiWhitespace(kind));
    if (word == "conv2d") ops.insert("Conv");
    if (word == "dense") ops.insert("Gemm");
  }
  return ops;
}

data::ClassAugmentation AugmentationOf(const Experiment& experiment) {
  const auto& config = experiment.train_config();
  return {.horizontal_flip = !config.disable_horizontal_flip(),
          .random_crop = config.enable_random_crop(),
          .color = config.enable_color_augmentation()};
}

// Where the pictures of a use lie.
tasks::ClassDataOptions DataOf(const Experiment& experiment, data::DataUse use) {
  const auto& train = experiment.train_config();
  switch (use) {
    case data::DataUse::kTraining:
      return {.root = train.train_dataset_path(),
              .field = "train_config.train_dataset_path",
              .use = use};
    case data::DataUse::kValidation:
      return {.root = train.val_dataset_path(),
              .field = "train_config.val_dataset_path",
              .use = use};
    case data::DataUse::kEvaluation:
      return {.root = experiment.eval_config().eval_dataset_path(),
              .field = "eval_config.eval_dataset_path",
              .use = use};
  }
  return {};
}

absl::StatusOr<std::vector<std::string>> FolderNames(const Experiment& experiment) {
  const std::string& folder = experiment.train_config().train_dataset_path();
  if (folder.empty()) {
    return absl::InvalidArgumentError(
        "train_config.train_dataset_path is absent; its folders are the classes");
  }
  auto names = data::ListClassNames(folder);
  if (!names.ok()) return Annotate(names.status(), "train_config.train_dataset_path");
  return names;
}

}  // namespace

absl::StatusOr<ModelRecord> ClassificationNetwork::Record() const {
  TY_ASSIGN_OR_RETURN(const std::vector<std::string> classes, FolderNames(experiment_));
  ModelRecord record;
  record.set_network("classification");
  record.set_arch(layers::BackboneName(BackboneOf(experiment_.model_config(), 0)));
  for (const std::string& name : classes) record.add_classes(name);
  *record.mutable_preprocess() = ClassificationPreprocess(experiment_);
  model::classification::v1::ClassificationHead head;
  head.set_logits_output(kClassifierLogits);
  record.mutable_network_head()->PackFrom(head);
  ApplyInferenceSettings(record);
  return record;
}

absl::StatusOr<Model> ClassificationNetwork::Build() const {
  TY_ASSIGN_OR_RETURN(ModelRecord record, Record());
  const auto size = InputSizeOf(experiment_.model_config().input_image_size());
  if (!size.has_value()) return absl::InternalError("model_config.input_image_size was not checked");
  TY_ASSIGN_OR_RETURN(
      ClassifierGraph built,
      BuildClassifier({.backbone = BackboneOf(experiment_.model_config(), training_plan().seed),
                       .channels = size->channels,
                       .height = size->height,
                       .width = size->width,
                       .classes = record.classes_size()}));
  const ModelConfig& config = experiment_.model_config();
  AddTrainingFlags(built.graph,
                   {.regularized_ops = RegularizedKinds(experiment_),
                    .frozen_convolutions = ConvolutionsOf(built.blocks, config.freeze_blocks()),
                    .freezes_batch_norm = config.freeze_bn()},
                   *record.mutable_training());
  return Model{std::move(built.graph), std::move(record)};
}

TrainingPlan ClassificationNetwork::training_plan() const {
  return TrainingPlanOf(experiment_.train_config());
}

int ClassificationNetwork::evaluation_batch_size() const {
  const uint32_t evaluation = experiment_.eval_config().batch_size();
  const uint32_t training = experiment_.train_config().batch_size_per_gpu();
  return static_cast<int>(std::max(1u, evaluation > 0 ? evaluation : training));
}

absl::StatusOr<std::unique_ptr<tasks::Evaluator>> ClassificationNetwork::MakeEvaluator(
    const tasks::Head& head, const ModelRecord& record, const tasks::EvaluationChoices&) const {
  TY_ASSIGN_OR_RETURN(const tasks::ClassifierHead* classifier, tasks::ClassifierHeadOf(head));
  const int top_k = static_cast<int>(experiment_.eval_config().top_k());
  return tasks::MakeClassificationEvaluator(*classifier, record, std::max(1, top_k));
}

void ClassificationNetwork::ApplyInferenceSettings(ModelRecord& record) const {
  if (!experiment_.has_eval_config()) return;
  SetCenterCrop(experiment_.eval_config().enable_center_crop(), *record.mutable_preprocess());
}

absl::StatusOr<std::optional<data::OpenedData>> ClassificationNetwork::OpenData(
    data::DataUse use, const ModelRecord& record, bool strict, int threads) const {
  tasks::ClassDataOptions options = DataOf(experiment_, use);
  if (options.root.empty()) return std::nullopt;
  options.classes = ClassesOf(record);
  options.strict = strict;
  options.threads = threads;
  TY_ASSIGN_OR_RETURN(data::OpenedData data, tasks::OpenClassData(options));
  if (use != data::DataUse::kTraining) return data;
  for (std::string& warning :
       tasks::WarningsOfSharedPictures(options, DataOf(experiment_, data::DataUse::kValidation))) {
    data.notes.push_back(warning);
    data.warnings.push_back(std::move(warning));
  }
  return data;
}

absl::StatusOr<std::shared_ptr<const data::PreparedSource>> ClassificationNetwork::Prepare(
    std::shared_ptr<const data::SampleSource> source, const ModelRecord& record,
    data::DataUse use) const {
  data::ClassPreparation preparation{.preprocess = record.preprocess(),
                                     .classes = record.classes_size()};
  // What an evaluation cuts is eval_config's to say (ApplyInferenceSettings), not the training's.
  SetCenterCrop(experiment_.train_config().enable_center_crop(), preparation.preprocess);
  if (use == data::DataUse::kTraining) preparation.augmentation = AugmentationOf(experiment_);
  return data::PrepareClasses(std::move(source), std::move(preparation));
}

}  // namespace trainyard::networks
