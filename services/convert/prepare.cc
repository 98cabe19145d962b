#include "services/convert/prepare.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/files.h"
#include "libs/base/paths.h"
#include "libs/base/status.h"
#include "libs/base/text_file.h"
#include "libs/networks/prepare_spec.h"
#include "libs/spec/augment_spec.h"
#include "libs/spec/dataset_spec.h"
#include "services/stage_request/stage_request.h"

namespace trainyard {
namespace {

constexpr int64_t kMaxClassFileBytes = 1 << 20;
// Of the partition, when the request has none; TAO's.
constexpr uint64_t kRandomSeed = 42;

std::vector<std::string> Overrides(const v1::StageInput& stage) {
  return {stage.overrides().begin(), stage.overrides().end()};
}

// The root that the request names, or the spec's, resolved in the workspace.
std::string RootFolder(StageRequest& request, const std::string& given, absl::string_view in_spec) {
  if (!given.empty() || in_spec.empty()) return given;
  const auto root = request.Resolve(in_spec);
  request.Add("root_directory_path", root.status());
  if (root.ok() && !FolderExists(*root)) {
    request.Add("root_directory_path",
                absl::NotFoundError(absl::StrCat("is '", in_spec, "'; there is no such folder")));
  }
  return root.value_or("");
}

// Both names of the spec's root mean one folder; the spec's own check knows only spellings.
void ExpectOneRoot(StageRequest& request, const std::string& root,
                   const spec::dataset::v1::DatasetExportConfig& config) {
  const std::string& images = config.image_directory_path();
  if (root.empty() || images.empty()) return;
  const auto other = request.Resolve(images);
  if (other.ok() && IsSamePath(root, *other)) return;
  request.Add("image_directory_path",
              other.ok() ? absl::InvalidArgumentError(absl::StrCat(
                               "is '", images, "', but kitti_config.root_directory_path is '",
                               config.kitti_config().root_directory_path(),
                               "'; expected one root folder"))
                         : other.status());
}

std::vector<std::string> ReadClassNames(StageRequest& request, const std::string& path) {
  if (path.empty()) return {};
  const auto text = ReadFile(path, kMaxClassFileBytes);
  request.Add("stage.inputs[class_names]", text.status());
  const auto names = ParseNameList(text.value_or(""));
  request.Add("stage.inputs[class_names]", Annotate(names.status(), absl::StrCat("'", path, "'")));
  if (text.ok() && names.ok() && names->empty()) {
    request.Add("stage.inputs[class_names]",
                absl::InvalidArgumentError(
                    absl::StrCat("is '", path, "', which names no class; expected one a line")));
  }
  return names.value_or(std::vector<std::string>());
}

// An earlier augmented set is replaced; it is known by its ledger, which AugmentKitti puts there
// first.
void ReplaceOnlyOwn(StageRequest& request, const std::string& output) {
  if (output.empty() || FileExists(JoinPath(output, "ledger.jsonl"))) return;
  for (const char* name : {"images", "labels"}) {
    const auto content = ListFolder(JoinPath(output, name));
    if (!content.ok() || content->empty()) continue;
    request.Add("stage.outputs[dataset]",
                absl::AlreadyExistsError(absl::StrCat(
                    "is '", output, "', which has a folder ", name,
                    "/ that this stage did not make; remove it or name another folder")));
  }
}

// The folders that the augmented data set replaces must not be those that it is made of.
void KeepSourceFolders(StageRequest& request, const worker::v1::AugmentTask& task) {
  const spec::augment::v1::DatasetConfig& dataset = task.config().dataset_config();
  const auto keep = [&](absl::string_view made, absl::string_view field, const std::string& read) {
    if (read.empty() || task.root().empty() || task.output().empty()) return;
    const std::string source = JoinPath(task.root(), read);
    const std::string target = JoinPath(task.output(), made);
    if (!IsSamePath(target, source) && !absl::StartsWith(source, absl::StrCat(target, "/"))) return;
    request.Add("stage.outputs[dataset]",
                absl::InvalidArgumentError(absl::StrCat(
                    "is '", task.output(), "', whose ", made, "/ holds the spec's dataset_config.",
                    field, " '", source, "'; name another folder, so that it is not replaced")));
  };
  for (const absl::string_view made : {"images", "labels"}) {
    keep(made, "image_path", dataset.image_path());
    keep(made, "label_path", dataset.label_path());
  }
}

}  // namespace

absl::StatusOr<service::StageRun> PrepareConvert(const v1::ConvertRequest& proto,
                                                 const service::Workspace& workspace) {
  StageRequest request(proto.stage(), workspace);
  request.NetworkWith("convert");
  const std::string given_root = request.Input("root", StageRequest::kOptional);
  const std::string class_file = request.Input("class_names", StageRequest::kOptional);
  worker::v1::WorkerJob job;
  worker::v1::ConvertTask& task = *job.mutable_convert();
  task.set_output_prefix(request.OutputFile("dataset", StageRequest::kRequired));
  request.NoOtherNames();
  for (const std::string& name : ReadClassNames(request, class_file)) task.add_class_names(name);
  task.set_strict(proto.options().strict());
  task.set_random_seed(proto.options().has_random_seed() ? proto.options().random_seed()
                                                         : kRandomSeed);

  std::vector<std::string> warnings;
  spec::dataset::v1::DatasetExportConfig& config = *task.mutable_config();
  const StageRequest::SpecText text = request.ReadSpec(StageRequest::kRequired);
  if (!text.name.empty()) {
    auto loaded = LoadDatasetExport(text.text, text.name, Overrides(proto.stage()),
                                    !given_root.empty(), &warnings, NetworkMarkers());
    request.Add("", loaded.status());
    if (loaded.ok()) config = *std::move(loaded);
    if (!class_file.empty() && config.target_class_mapping_size() > 0) {
      warnings.push_back("input 'class_names' has no effect: the spec has target_class_mapping");
    }
  }
  task.set_root(RootFolder(request, given_root, config.kitti_config().root_directory_path()));
  if (given_root.empty()) ExpectOneRoot(request, task.root(), config);
  request.Below("kitti_config.image_dir_name", task.root(), config.kitti_config().image_dir_name());
  request.Below("kitti_config.label_dir_name", task.root(), config.kitti_config().label_dir_name());
  request.Below("kitti_config.kitti_sequence_to_frames_file", task.root(),
                config.kitti_config().kitti_sequence_to_frames_file());
  // The resolved root stands for both of the spec's.
  config.mutable_kitti_config()->clear_root_directory_path();
  config.clear_image_directory_path();
  TY_RETURN_IF_ERROR(request.Status());
  return WorkerStage(kStageWorker, std::move(job), "", std::move(warnings), workspace);
}

absl::StatusOr<service::StageRun> PrepareAugment(const v1::AugmentRequest& proto,
                                                 const service::Workspace& workspace) {
  StageRequest request(proto.stage(), workspace);
  request.NetworkIfNamed();
  worker::v1::WorkerJob job;
  worker::v1::AugmentTask& task = *job.mutable_augment();
  task.set_root(request.Input("root", StageRequest::kRequired));
  task.set_output(request.OutputFolder("dataset", StageRequest::kRequired));
  request.NoOtherNames();
  task.set_strict(proto.options().strict());

  std::vector<std::string> warnings;
  const StageRequest::SpecText text = request.ReadSpec(StageRequest::kRequired);
  if (!text.name.empty()) {
    auto loaded =
        LoadAugment(text.text, text.name, Overrides(proto.stage()), &warnings, NetworkMarkers());
    request.Add("", loaded.status());
    if (loaded.ok()) *task.mutable_config() = *std::move(loaded);
  }
  const auto& dataset = task.config().dataset_config();
  request.Below("dataset_config.image_path", task.root(), dataset.image_path());
  request.Below("dataset_config.label_path", task.root(), dataset.label_path());
  ReplaceOnlyOwn(request, task.output());
  KeepSourceFolders(request, task);
  TY_RETURN_IF_ERROR(request.Status());
  return WorkerStage(kStageWorker, std::move(job), "", std::move(warnings), workspace);
}

}  // namespace trainyard
