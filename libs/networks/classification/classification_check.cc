#include "libs/networks/classification/classification_check.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "libs/layers/backbone.h"
#include "libs/spec/common/image_mean.h"
#include "libs/spec/field_names.h"

namespace trainyard::networks {
namespace internal {

using spec::internal::FieldCheck;
using spec::internal::IndexedPath;
using spec::internal::PlacePrefix;
using spec::internal::Presence;
using spec::internal::Range;
using spec::internal::kCount;
using spec::internal::kNotNegative;
using spec::internal::kPositive;
using spec::internal::kUnit;
namespace {

using spec::classification::v1::EvalConfig;
using spec::classification::v1::Experiment;
using spec::classification::v1::LRConfig;
using spec::classification::v1::ModelConfig;
using spec::classification::v1::OptimizerConfig;
using spec::classification::v1::RegConfig;
using spec::classification::v1::SoftAnnealLrConfig;
using spec::classification::v1::TrainConfig;

constexpr Range kFraction{.least = 0, .most = 1, .open_most = true};
constexpr Range kThreads{.least = 0, .most = 1024};

struct Arch {
  absl::string_view name;
  /// Values of n_layers; empty: it has none.
  std::vector<int> depths = {};
  bool offered = false;
};

// TAO's, then ours. Which of them are offered, with what depths and blocks, libs/layers says.
const std::vector<Arch>& Archs() {
  static const auto& archs = *[] {
    auto* all = new std::vector<Arch>{
        {"resnet"},
        {"vgg"},
        {"alexnet"},
        {"googlenet"},
        {"mobilenet_v1"},
        {"mobilenet_v2"},
        {"squeezenet"},
        {"darknet"},
        {"efficientnet_b0"},
        {"efficientnet_b1"},
        {"efficientnet_b2"},
        {"efficientnet_b3"},
        {"efficientnet_b4"},
        {"efficientnet_b5"},
        {"efficientnet_b6"},
        {"efficientnet_b7"},
        {"cspdarknet", {19, 53}},
        {"cspdarknet_tiny"},
        {"efficientnet_lite0"},
        {"efficientnet_lite1"},
        {"efficientnet_lite2"},
    };
    for (Arch& arch : *all) {
      for (const layers::Architecture& one : layers::Architectures()) {
        if (one.arch != arch.name) continue;
        arch.offered = true;
        arch.depths = one.depths;
      }
    }
    return all;
  }();
  return archs;
}

std::vector<std::string> ArchNames(bool only_offered) {
  std::vector<std::string> names;
  for (const Arch& arch : Archs()) {
    if (arch.offered || !only_offered) names.emplace_back(arch.name);
  }
  return names;
}

// nullptr when there is none.
const Arch* FindArch(absl::string_view name) {
  for (const Arch& arch : Archs()) {
    if (arch.name == name) return &arch;
  }
  return nullptr;
}

// A field that some backbones alone act upon, and when it asks for what the others have not.
struct BackboneField {
  absl::string_view name;
  bool (*is_set)(const ModelConfig& config);
  bool (*acts)(absl::string_view arch);
  absl::string_view reason;
};

bool IsEfficientNet(absl::string_view arch) { return absl::StartsWith(arch, "efficientnet_"); }
bool HasNoNorm(absl::string_view arch) { return arch == "squeezenet" || arch == "alexnet"; }

const BackboneField kBackboneFields[] = {
    {"n_layers", [](const ModelConfig& config) { return config.n_layers() != 0; },
     [](absl::string_view arch) { return !FindArch(arch)->depths.empty(); },
     "resnet, vgg and darknet have several depths"},
    {"use_batch_norm", [](const ModelConfig& config) { return config.use_batch_norm(); },
     [](absl::string_view arch) { return !HasNoNorm(arch); },
     "squeezenet and alexnet have no batch normalization"},
    {"use_pooling", [](const ModelConfig& config) { return config.use_pooling(); },
     [](absl::string_view arch) { return arch == "resnet" || arch == "vgg"; },
     "resnet and vgg have it"},
    {"all_projections", [](const ModelConfig& config) { return config.all_projections(); },
     [](absl::string_view arch) { return arch == "resnet" || arch == "mobilenet_v2"; },
     "resnet and mobilenet_v2 have it"},
    {"activation", [](const ModelConfig& config) { return config.has_activation(); },
     IsEfficientNet, "EfficientNets alone have it, in TAO too"},
};

void CheckDepth(const ModelConfig& config, const Arch& arch, FieldCheck* check) {
  if (arch.depths.empty()) return;
  const std::string depths = absl::StrJoin(arch.depths, ", ");
  const uint32_t layers = config.n_layers();
  if (layers == 0 && arch.name == "resnet") return;
  if (!config.has_n_layers()) {
    check->Missing("model_config.n_layers", absl::StrCat("one of ", depths, " for ", arch.name));
  } else if (std::count(arch.depths.begin(), arch.depths.end(), static_cast<int>(layers)) == 0) {
    check->Add("model_config.n_layers", "is %d; expected one of %s for %s", layers, depths,
               arch.name);
  }
}

void CheckFrozenBlocks(const ModelConfig& config, const Arch& arch, FieldCheck* check) {
  if (!arch.offered) return;
  const layers::BlockRange blocks = layers::BlocksOf({.arch = std::string(arch.name)});
  for (int i = 0; i < config.freeze_blocks_size(); ++i) {
    const int64_t block = config.freeze_blocks(i);
    if (block >= blocks.first && block <= blocks.last) continue;
    check->Add(IndexedPath("model_config.freeze_blocks", i),
               "is %d; expected a block of %s, %d to %d", block, arch.name, blocks.first,
               blocks.last);
  }
}

void CheckBackbone(const ModelConfig& config, FieldCheck* check) {
  if (!check->Text(config, "model_config", "arch", "a backbone, such as \"resnet\"")) return;
  check->Choice(config, "model_config", "arch", ArchNames(/*only_offered=*/false));
  const Arch* const arch = FindArch(config.arch());
  if (arch == nullptr) return;
  if (!arch->offered) {
    check->NotOffered("model_config.arch",
                      absl::StrCat("is \"", arch->name, "\", which is not offered yet; offered: ",
                                   absl::StrJoin(ArchNames(/*only_offered=*/true), ", ")));
  }
  CheckDepth(config, *arch, check);
  CheckFrozenBlocks(config, *arch, check);
  if (config.retain_head() && arch->name != "resnet") {
    check->NotOffered(
        "model_config.retain_head",
        absl::StrCat("is true: the own head of ", arch->name,
                     " is not offered yet; false gives it pooling and a dense layer"));
  }
}

void CheckModel(const Experiment& experiment, FieldCheck* check) {
  if (!experiment.has_model_config()) return check->Missing("model_config", "a network");
  const ModelConfig& config = experiment.model_config();
  CheckBackbone(config, check);
  if (check->Text(config, "model_config", "input_image_size",
                  "channels, height and width, such as \"3,224,224\"") &&
      !InputSizeOf(config.input_image_size()).has_value()) {
    check->Add("model_config.input_image_size",
               "is \"%s\"; expected channels (1 or 3), height and width (16 to 8192), such as "
               "\"3,224,224\"",
               config.input_image_size());
  }
  check->Number(config, "model_config", "dropout", kFraction);
  check->Number(config.batch_norm_config(), "model_config.batch_norm_config", "momentum",
                kFraction);
  check->Number(config.batch_norm_config(), "model_config.batch_norm_config", "epsilon",
                kNotNegative);
  check->Choice(config.activation(), "model_config.activation", "activation_type",
                {"relu", "relu6", "leaky_relu", "swish"});
}

void CheckOptimizer(const OptimizerConfig& config, FieldCheck* check) {
  const auto numbers = [check](const google::protobuf::Message& message, const char* name,
                               const std::vector<const char*>& parts) {
    const std::string path = absl::StrCat("train_config.optimizer.", name);
    for (const char* part : parts) check->Number(message, path, part, kFraction);
    check->Number(message, path, "decay", kNotNegative);
    return path;
  };
  if (config.has_sgd()) numbers(config.sgd(), "sgd", {"momentum"});
  if (config.has_adam()) {
    check->Number(config.adam(), numbers(config.adam(), "adam", {"beta_1", "beta_2"}), "epsilon",
                  kNotNegative);
  }
  if (config.has_rmsprop()) {
    check->Number(config.rmsprop(), numbers(config.rmsprop(), "rmsprop", {"rho"}), "epsilon",
                  kNotNegative);
  }
}

void CheckRegularizer(const RegConfig& config, FieldCheck* check) {
  const std::string path = "train_config.reg_config";
  if (!check->Text(config, path, "type", "L1, L2 or None")) return;
  check->Choice(config, path, "type", {"L1", "L2", "None"});
  if (config.type() == "None") return;
  check->Number(config, path, "weight_decay", spec::internal::kOpenUnit, Presence::kRequired);
  if (!check->Text(config, path, "scope", "kinds of layers, such as \"Conv2D,Dense\"")) return;
  for (const absl::string_view kind : absl::StrSplit(config.scope(), ',')) {
    const std::string word = absl::AsciiStrToLower(absl::StripAsciiWhitespace(kind));
    if (word == "conv2d" || word == "dense") continue;
    check->Add(path + ".scope", "is \"%s\"; expected \"Conv2D\", \"Dense\" or \"Conv2D,Dense\"",
               config.scope());
    return;
  }
}

void CheckAnnealing(const SoftAnnealLrConfig& config, const std::string& path, FieldCheck* check) {
  check->Number(config, path, "learning_rate", kPositive, Presence::kRequired);
  check->Number(config, path, "soft_start", kFraction);
  check->Number(config, path, "annealing_divider", kPositive);
  float before = config.soft_start();
  for (int i = 0; i < config.annealing_points_size(); ++i) {
    const float point = config.annealing_points(i);
    if (!(point <= 1 && (i == 0 ? point > before : point >= before))) {
      check->Add(IndexedPath(path + ".annealing_points", i),
                 "is %g; expected ascending numbers above soft_start (%g) and at most 1", point,
                 config.soft_start());
    }
    before = point;
  }
}

void CheckSchedule(const TrainConfig& train, FieldCheck* check) {
  const std::string path = "train_config.lr_config";
  const LRConfig& config = train.lr_config();
  switch (config.lr_scheduler_case()) {
    case LRConfig::kStep:
      check->Number(config.step(), path + ".step", "learning_rate", kPositive, Presence::kRequired);
      check->Number(config.step(), path + ".step", "step_size", {.least = 1, .most = 100},
                    Presence::kRequired);
      check->Number(config.step(), path + ".step", "gamma", kUnit, Presence::kRequired);
      return;
    case LRConfig::kSoftAnneal:
      return CheckAnnealing(config.soft_anneal(), path + ".soft_anneal", check);
    case LRConfig::kCosine:
      check->Number(config.cosine(), path + ".cosine", "learning_rate", kPositive,
                    Presence::kRequired);
      check->Number(config.cosine(), path + ".cosine", "min_lr_ratio", kUnit);
      check->Number(config.cosine(), path + ".cosine", "soft_start", kFraction);
      return;
    default:
      check->Missing(path, "step { ... }, soft_anneal { ... } or cosine { ... }");
  }
}

void CheckTraining(const Experiment& experiment, spec::SpecUse use, FieldCheck* check) {
  if (!experiment.has_train_config()) {
    if (use == spec::SpecUse::kTrain) check->Missing("train_config", "it for a training");
    return;
  }
  const TrainConfig& config = experiment.train_config();
  const std::string path = "train_config";
  check->Text(config, path, "train_dataset_path", "a folder with a folder for each class");
  check->Text(config, path, "val_dataset_path", "a folder with a folder for each class");
  check->Number(config, path, "batch_size_per_gpu", kCount, Presence::kRequired);
  check->Number(config, path, "n_epochs", kCount, Presence::kRequired);
  check->Number(config, path, "n_workers", kThreads);
  CheckOptimizer(config.optimizer(), check);
  if (config.has_reg_config()) {
    CheckRegularizer(config.reg_config(), check);
  } else {
    check->Missing("train_config.reg_config", "reg_config { type: ... }; None for none");
  }
  CheckSchedule(config, check);
  check->Number(config, path, "label_smoothing", kFraction);
  check->Number(config, path, "backbone_lr_scale", kUnit);
  check->Number(config, path, "mixup_alpha", kNotNegative);
  check->Choice(config, path, "preprocess_mode", {"caffe", "tf", "torch"});
  const auto size = InputSizeOf(experiment.model_config().input_image_size());
  if (size.has_value()) {
    spec::internal::CheckImageMean(config.image_mean(), "train_config.image_mean", size->channels,
                                   absl::StrCat("an input of ", size->channels,
                                                size->channels == 1 ? " channel" : " channels"),
                                   check);
  }
  if (config.has_visualizer()) {
    check->Number(config.visualizer(), "train_config.visualizer", "num_images",
                  spec::internal::kCountOrZero);
  }
}

void CheckEvaluation(const Experiment& experiment, spec::SpecUse use, FieldCheck* check) {
  const bool evaluates = use == spec::SpecUse::kEvaluate;
  if (!experiment.has_eval_config()) {
    if (evaluates) check->Missing("eval_config", "it for this task");
    return;
  }
  const EvalConfig& config = experiment.eval_config();
  const Presence presence = evaluates ? Presence::kRequired : Presence::kOptional;
  check->Number(config, "eval_config", "top_k", kCount, presence);
  if (evaluates) {
    check->Text(config, "eval_config", "eval_dataset_path",
                "a folder with a folder for each class");
  }
  check->Number(config, "eval_config", "batch_size", kCount, presence);
  check->Number(config, "eval_config", "n_workers", kThreads);
}

}  // namespace

void CheckClassificationInto(const Experiment& experiment, spec::SpecUse use, FieldCheck* check) {
  CheckEvaluation(experiment, use, check);
  CheckModel(experiment, check);
  CheckTraining(experiment, use, check);
  check->NotOfferedIn(experiment, ClassificationCoverage());
}

void WarnOfOtherBackbones(const ModelConfig& config, const spec::FieldPlaces& places,
                          std::vector<std::string>* warnings) {
  if (warnings == nullptr || FindArch(config.arch()) == nullptr) return;
  for (const BackboneField& field : kBackboneFields) {
    if (!field.is_set(config) || field.acts(config.arch())) continue;
    const std::string path = spec::internal::JoinField("model_config", field.name);
    warnings->push_back(absl::StrCat(PlacePrefix(places, places.find(path)), path,
                                     " has no effect for ", config.arch(), ": ", field.reason));
  }
}

void WarnOfUnusedMean(const TrainConfig& config, const spec::FieldPlaces& places,
                      std::vector<std::string>* warnings) {
  const std::string& mode = config.preprocess_mode();
  if (warnings == nullptr || config.image_mean().empty() || (mode != "tf" && mode != "torch")) {
    return;
  }
  // Places of a map are those of its entries.
  auto place = places.lower_bound("train_config.image_mean");
  if (place != places.end() && !absl::StartsWith(place->first, "train_config.image_mean")) {
    place = places.end();
  }
  warnings->push_back(absl::StrCat(PlacePrefix(places, place),
                                   "train_config.image_mean has no effect: preprocess_mode \"",
                                   mode, "\" has its own"));
}

void WarnOfUnusedColors(const Experiment& experiment, const spec::FieldPlaces& places,
                        std::vector<std::string>* warnings) {
  const TrainConfig& config = experiment.train_config();
  const auto size = InputSizeOf(experiment.model_config().input_image_size());
  const bool grey = size.has_value() && size->channels == 1;
  if (warnings == nullptr || !config.enable_color_augmentation() ||
      (config.enable_random_crop() && !grey)) {
    return;
  }
  const std::string path = "train_config.enable_color_augmentation";
  warnings->push_back(absl::StrCat(PlacePrefix(places, places.find(path)), path, " has no effect: ",
                                   grey ? "the input has one channel"
                                        : "it changes random parts, and enable_random_crop is false"));
}

}  // namespace internal

absl::Status CheckClassification(const spec::classification::v1::Experiment& experiment,
                                 spec::SpecUse use, const spec::FieldPlaces* places) {
  spec::internal::FieldCheck check(places, /*partial=*/false);
  internal::CheckClassificationInto(experiment, use, &check);
  return check.ToStatus();
}

}  // namespace trainyard::networks
