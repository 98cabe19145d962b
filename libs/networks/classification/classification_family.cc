#include "libs/networks/classification/classification_family.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/layers/backbone.h"
#include "libs/networks/classification/classification_builder.h"
#include "libs/networks/classification/classification_head.h"
#include "libs/networks/classification/classification_network.h"
#include "libs/networks/classification/classification_spec.h"
#include "libs/networks/deepstream_files.h"
#include "libs/networks/differences.h"
#include "libs/tasks/classification/classification_task.h"

namespace trainyard::networks {
namespace embedded {
extern const char kClassificationExample[];
}  // namespace embedded

namespace {

using model::v1::Preprocess;
using spec::classification::v1::Experiment;

constexpr absl::string_view kNotOfTheWeights[] = {"n_epochs", "n_workers", "visualizer",
                                                  "eval_config"};

constexpr SpecFields kFields = {
    .arch = "model_config.arch with n_layers",
    .input = "model_config.input_image_size",
    .epochs = "n_epochs",
    .calmer = "lower the learning_rate of lr_config",
    .no_validation = "no eval_config.eval_dataset_path",
    .not_of_the_weights = kNotOfTheWeights};

absl::StatusOr<SpecMessage> MessageOf(absl::StatusOr<Experiment> experiment) {
  if (!experiment.ok()) return experiment.status();
  return std::make_unique<Experiment>(*std::move(experiment));
}

// "resnet" of "resnet18": TAO's files are called without the depth.
std::string ArchWithoutDepth(const std::string& name) {
  for (const layers::Architecture& one : layers::Architectures()) {
    for (const int depth : one.depths) {
      if (absl::StrCat(one.arch, depth) == name) return one.arch;
    }
  }
  return name;
}


std::string PixelsText(const Preprocess& preprocess) {
  std::string text = absl::StrCat("(x - [", absl::StrJoin(preprocess.mean(), ", "), "]) * ",
                                  preprocess.scale());
  if (!preprocess.std().empty()) {
    absl::StrAppend(&text, " / [", absl::StrJoin(preprocess.std(), ", "), "]");
  }
  return text;
}

class Family final : public NetworkFamily {
 public:
  absl::string_view name() const override { return "classification"; }
  const tasks::Task& task() const override { return tasks::ClassificationTask(); }
  absl::string_view title() const override { return "image classification"; }
  // Folders of classes are read as they are.
  bool HasStage(absl::string_view kind) const override { return kind != "convert"; }
  absl::Span<const spec::NetworkMarker> markers() const override { return ClassificationMarkers(); }

  absl::StatusOr<SpecMessage> Parse(absl::string_view text, absl::string_view file_name,
                                    absl::Span<const std::string> overrides,
                                    std::vector<std::string>* warnings) const override {
    return MessageOf(ParseClassification(text, file_name, overrides, warnings));
  }
  absl::StatusOr<SpecMessage> Load(absl::string_view text, absl::string_view file_name,
                                   absl::Span<const std::string> overrides, spec::SpecUse use,
                                   std::vector<std::string>* warnings) const override {
    return MessageOf(LoadClassification(text, file_name, overrides, use, warnings));
  }

  SpecFacts Facts(const google::protobuf::Message& spec, spec::SpecUse use) const override {
    const auto& experiment = dynamic_cast<const Experiment&>(spec);
    const auto& train = experiment.train_config();
    const auto& evaluation = experiment.eval_config();
    SpecFacts facts;
    facts.initial_model = train.pretrained_model_path();
    facts.model_field = "train_config.pretrained_model_path";
    facts.judged_model = evaluation.model_path();
    facts.judged_field = "eval_config.model_path";
    const auto add = [&facts](const char* field, const std::string& path, bool is_read) {
      if (!path.empty()) facts.data.push_back({field, path, is_read, /*is_read_below=*/true});
    };
    const bool trains = use == spec::SpecUse::kTrain;
    add("train_config.train_dataset_path", train.train_dataset_path(), trains);
    add("train_config.val_dataset_path", train.val_dataset_path(), trains);
    add("eval_config.eval_dataset_path", evaluation.eval_dataset_path(),
        use == spec::SpecUse::kEvaluate);
    facts.freezes_blocks = experiment.model_config().freeze_blocks_size() > 0;
    return facts;
  }
  absl::StatusOr<std::unique_ptr<Network>> Create(SpecMessage spec) const override {
    return std::make_unique<ClassificationNetwork>(std::move(dynamic_cast<Experiment&>(*spec)));
  }
  SpecFields fields() const override { return kFields; }
  SpecMessage NewSpec() const override { return std::make_unique<Experiment>(); }
  absl::Span<const spec::CoverageRule> coverage() const override {
    return ClassificationCoverage();
  }
  void SetDefaults(google::protobuf::Message& spec) const override {
    ApplyClassificationDefaults(&dynamic_cast<Experiment&>(spec));
  }
  absl::string_view example() const override { return embedded::kClassificationExample; }

  TrainingFiles Files(const ModelRecord& record) const override {
    return {.checkpoint_prefix = ArchWithoutDepth(record.arch()),
            .epoch_infix = "_",
            .log = "training.csv",
            .more = {{"classmap.json", tasks::ClassMapJson(ClassesOf(record))}}};
  }

  absl::StatusOr<std::unique_ptr<tasks::Head>> CreateHead(
      const ModelRecord& record) const override {
    return CreateClassificationHead(record);
  }
  absl::StatusOr<graph::Graph> LowerHead(const Model& model) const override {
    return LowerClassificationHead(model);
  }
  std::string Labels(const ModelRecord& record) const override {
    return ClassificationLabels(record);
  }
  std::map<std::string, std::string> DeepStreamFiles(const ModelRecord& record,
                                                     const std::string& folder,
                                                     const std::string& onnx) const override {
    return ClassificationDeepStreamFiles(record, folder, onnx);
  }
  absl::Status CheckDeepStreamFolder(const std::string& folder) const override {
    return networks::CheckDeepStreamFolder(folder, /*labels_mark=*/"");
  }
  absl::Status CheckOutputName(absl::string_view name) const override {
    if (name == kClassifierProbabilities || name == kClassifierLogits) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat("has '", name, "'; the classifier's output is ",
                                                   kClassifierProbabilities));
  }

  std::vector<std::string> OverriddenFields(const ModelRecord& spec, const ModelRecord& model,
                                            bool trains) const override {
    Differences differences;
    const Preprocess &ours = spec.preprocess(), &theirs = model.preprocess();
    differences.Compare(kFields.arch, spec.arch(), model.arch());
    differences.Compare(kFields.input, InputText(ours), InputText(theirs));
    differences.Compare("train_config.preprocess_mode with image_mean", PixelsText(ours),
                        PixelsText(theirs));
    differences.Compare("model_config.resize_interpolation_method",
                        Preprocess::Interpolation_Name(ours.interpolation()),
                        Preprocess::Interpolation_Name(theirs.interpolation()));
    if (trains) {
      differences.CompareQuietly("model_config.freeze_blocks", FrozenKernels(spec.training()),
                                 FrozenKernels(model.training()));
      differences.CompareQuietly("model_config.freeze_bn", FrozenNorms(spec.training()),
                                 FrozenNorms(model.training()));
    }
    return std::move(differences).texts();
  }
  void CheckHeadFits(const ModelRecord& from, const ModelRecord& to,
                     Problems& problems) const override {
    if (from.arch().empty() || from.arch() == to.arch()) return;
    problems.Add(kFields.arch, "is %s in the spec and %s in the pruned model", to.arch(),
                 from.arch());
  }
  std::vector<ClassRows> HeadRows(const ModelRecord&) const override {
    return {{.layer = kClassifierLogits}};
  }
  void TakeHead(const ModelRecord& model, ModelRecord& record) const override {
    if (model.has_network_head()) *record.mutable_network_head() = model.network_head();
  }
};

}  // namespace

const NetworkFamily& ClassificationFamily() {
  static const Family kFamily;
  return kFamily;
}

}  // namespace trainyard::networks
