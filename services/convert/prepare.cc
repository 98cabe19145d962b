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

namespace trainyard::services {
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

std::string LabelsField(const spec::dataset::v1::DatasetExportConfig& config) {
  return config.has_coco_config() ? "coco_config" : "kitti_config";
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
                               "is '", images, "', but ", LabelsField(config),
                               ".root_directory_path is '", spec::SpecRoot(config),
                               "'; expected one root folder"))
                         : other.status());
}

// What the spec names below the root stays in the workspace.
void KeepBelowRoot(StageRequest& request, const std::string& root,
                   const spec::dataset::v1::DatasetExportConfig& config) {
  const auto& kitti = config.kitti_config();
  request.Below("kitti_config.image_dir_name", root, kitti.image_dir_name());
  request.Below("kitti_config.label_dir_name", root, kitti.label_dir_name());
  request.Below("kitti_config.kitti_sequence_to_frames_file", root,
                kitti.kitti_sequence_to_frames_file());
  for (const std::string& folder : config.coco_config().img_dir_names()) {
    request.Below("coco_config.img_dir_names", root, folder);
  }
  for (const std::string& file : config.coco_config().annotation_files()) {
    request.Below("coco_config.annotation_files", root, file);
  }
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

// What an augmented set holds beside its ledger; labels of KITTI, annotations of COCO.
constexpr absl::string_view kMade[] = {"images", "labels", "annotations.json"};

// An earlier augmented set is replaced; it is known by its ledger, which AugmentDataSet puts there
// first.
void ReplaceOnlyOwn(StageRequest& request, const std::string& output) {
  if (output.empty() || FileExists(JoinPath(output, "ledger.jsonl"))) return;
  for (const absl::string_view name : kMade) {
    const std::string path = JoinPath(output, name);
    const auto content = ListFolder(path);
    const bool is_folder = content.ok() && !content->empty();
    if (!is_folder && !FileExists(path)) continue;
    request.Add("stage.outputs[dataset]",
                absl::AlreadyExistsError(absl::StrCat(
                    "is '", output, "', which has a ", is_folder ? "folder " : "file ", name,
                    is_folder ? "/" : "", " that this stage did not make; remove it or name another "
                    "folder")));
  }
}

// The folders that the augmented data set replaces must not be those that it is made of: `source`, an
// absolute path that the spec gives in `field`.
void KeepSource(StageRequest& request, const std::string& output, absl::string_view field,
                const std::string& source) {
  if (source.empty() || output.empty()) return;
  for (const absl::string_view made : kMade) {
    const std::string target = JoinPath(output, made);
    if (!IsSamePath(target, source) && !absl::StartsWith(source, absl::StrCat(target, "/"))) continue;
    request.Add("stage.outputs[dataset]",
                absl::InvalidArgumentError(absl::StrCat(
                    "is '", output, "', whose ", made, made == kMade[2] ? " is the spec's " : "/ holds the spec's ", field, " '", source,
                    "'; name another folder, so that it is not replaced")));
  }
}

// A place that a spec of data services names: below the root, when the request gives one and the path
// is relative, else a path of its own. Replaces `path` by what it is here.
void ResolvePlace(StageRequest& request, const std::string& root, absl::string_view field,
                  std::string* path) {
  if (path->empty()) return;
  const auto resolved = request.Resolve(root.empty() ? *path : JoinPath(root, *path));
  request.Add(field, Annotate(resolved.status(), absl::StrCat("is '", *path, "'")));
  if (resolved.ok()) *path = *resolved;
}

// What the spec reads: checked, and kept from being replaced.
void CheckSources(StageRequest& request, worker::v1::AugmentTask& task) {
  if (task.config().has_data_services()) {
    auto* data = task.mutable_config()->mutable_data_services()->mutable_data();
    ResolvePlace(request, task.root(), "data.image_dir", data->mutable_image_dir());
    ResolvePlace(request, task.root(), "data.ann_path", data->mutable_ann_path());
    KeepSource(request, task.output(), "data.image_dir", data->image_dir());
    KeepSource(request, task.output(), "data.ann_path", data->ann_path());
    return;
  }
  const auto& dataset = task.config().dataset_config();
  const auto keep = [&](absl::string_view field, const std::string& path) {
    if (path.empty() || task.root().empty()) return;
    KeepSource(request, task.output(), field, JoinPath(task.root(), path));
  };
  request.Below("dataset_config.image_path", task.root(), dataset.image_path());
  request.Below("dataset_config.label_path", task.root(), dataset.label_path());
  keep("dataset_config.image_path", dataset.image_path());
  keep("dataset_config.label_path", dataset.label_path());
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
    auto loaded =
        spec::LoadDatasetExport(text.text, text.name, Overrides(proto.stage()), !given_root.empty(),
                                &warnings, networks::NetworkMarkers());
    request.Add("", loaded.status());
    if (loaded.ok()) config = *std::move(loaded);
    if (!class_file.empty() && config.target_class_mapping_size() > 0) {
      warnings.push_back("input 'class_names' has no effect: the spec has target_class_mapping");
    }
  }
  task.set_root(RootFolder(request, given_root, spec::SpecRoot(config)));
  if (given_root.empty()) ExpectOneRoot(request, task.root(), config);
  KeepBelowRoot(request, task.root(), config);
  // The resolved root stands for both of the spec's.
  if (config.has_coco_config()) config.mutable_coco_config()->clear_root_directory_path();
  if (config.has_kitti_config()) config.mutable_kitti_config()->clear_root_directory_path();
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
  task.set_strict(proto.options().strict());

  std::vector<std::string> warnings;
  const StageRequest::SpecText text = request.ReadSpec(StageRequest::kRequired);
  if (!text.name.empty()) {
    auto loaded = spec::LoadAugment(text.text, text.name, Overrides(proto.stage()), &warnings,
                                    networks::NetworkMarkers());
    request.Add("", loaded.status());
    if (loaded.ok()) *task.mutable_config() = *std::move(loaded);
  }
  // The paths of a spec of data services may be whole.
  const bool names_all = task.config().has_data_services() || spec::IsYaml(text.text);
  task.set_root(
      request.Input("root", names_all ? StageRequest::kOptional : StageRequest::kRequired));
  task.set_output(request.OutputFolder("dataset", StageRequest::kRequired));
  request.NoOtherNames();
  ReplaceOnlyOwn(request, task.output());
  CheckSources(request, task);
  TY_RETURN_IF_ERROR(request.Status());
  return WorkerStage(kStageWorker, std::move(job), "", std::move(warnings), workspace);
}

}  // namespace trainyard::services
