#include "services/convert/prepare.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/base/digest.h"
#include "libs/base/files.h"
#include "libs/base/paths.h"
#include "libs/base/status.h"
#include "libs/data/convert.h"
#include "libs/data/offline_augment.h"
#include "libs/spec/augment_spec.h"
#include "libs/spec/dataset_spec.h"
#include "services/stage_request/stage_request.h"

namespace trainyard {
namespace {

constexpr int64_t kMaxClassFileBytes = 1 << 20;

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

std::vector<std::string> ReadClassNames(StageRequest& request, const std::string& path) {
  std::vector<std::string> names;
  if (path.empty()) return names;
  const auto text = ReadFile(path, kMaxClassFileBytes);
  request.Add("stage.inputs[class_names]", text.status());
  for (absl::string_view line : absl::StrSplit(text.value_or(""), '\n')) {
    line = absl::StripAsciiWhitespace(line);
    if (!line.empty()) names.emplace_back(line);
  }
  return names;
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
void KeepSourceFolders(StageRequest& request, const spec::augment::v1::DatasetConfig& dataset,
                       const OfflineAugmentOptions& options) {
  const auto keep = [&](absl::string_view made, absl::string_view field, const std::string& read) {
    if (read.empty() || options.root.empty() || options.output.empty()) return;
    const std::string source = JoinPath(options.root, read);
    const std::string target = JoinPath(options.output, made);
    if (!IsSamePath(target, source) && !absl::StartsWith(source, absl::StrCat(target, "/"))) return;
    request.Add("stage.outputs[dataset]",
                absl::InvalidArgumentError(absl::StrCat(
                    "is '", options.output, "', whose ", made, "/ holds the spec's dataset_config.",
                    field, " '", source, "'; name another folder, so that it is not replaced")));
  };
  for (const absl::string_view made : {"images", "labels"}) {
    keep(made, "image_path", dataset.image_path());
    keep(made, "label_path", dataset.label_path());
  }
}

// The shards, as the prefix by which specs name them.
absl::StatusOr<v1::Artifact> ShardsArtifact(const std::string& prefix,
                                            const service::Workspace& workspace) {
  v1::Artifact artifact;
  artifact.set_name("dataset");
  artifact.set_kind("tfrecords");
  artifact.set_uri(workspace.UriOf(prefix));
  TY_ASSIGN_OR_RETURN(*artifact.mutable_sha256(), PathDigest(prefix));
  TY_ASSIGN_OR_RETURN(const int64_t size, PathSize(prefix));
  artifact.set_size_bytes(size);
  return artifact;
}

void NoteLedger(v1::StageResult& result, const Ledger& ledger) {
  *result.add_metrics() = MakeMetric("images", ledger.images - ledger.RefusedImages(), "images");
  *result.add_metrics() = MakeMetric("images_refused", ledger.RefusedImages(), "images");
  *result.add_metrics() = MakeMetric("lines_refused", ledger.RefusedLines(), "lines");
  for (const LedgerEntry& entry : ledger.entries) {
    if (result.notes_size() >= 100) break;
    result.add_notes(absl::StrCat("left out: ", entry.place, ": ", entry.text));
  }
}

absl::StatusOr<v1::StageResult> RunConvert(service::OperationContext& context,
                                           const spec::dataset::v1::DatasetExportConfig& config,
                                           ConvertOptions options,
                                           const service::Workspace& workspace) {
  options.threads = context.threads();
  TY_ASSIGN_OR_RETURN(const ConvertReport report, ConvertKitti(
                                                      config, options,
                                                      [&context](const ConvertProgress& progress) {
                                                        context.Progress(progress.done,
                                                                         progress.total, "images",
                                                                         progress.phase);
                                                      },
                                                      context.stop()));
  v1::StageResult result;
  TY_ASSIGN_OR_RETURN(*result.add_outputs(), ShardsArtifact(options.output_prefix, workspace));
  for (const std::string& note : report.notes) result.add_notes(note);
  NoteLedger(result, report.ledger);
  return result;
}

absl::StatusOr<v1::StageResult> RunAugment(service::OperationContext& context,
                                           const spec::augment::v1::AugmentConfig& config,
                                           OfflineAugmentOptions options,
                                           const service::Workspace& workspace) {
  options.threads = context.threads();
  TY_ASSIGN_OR_RETURN(
      const OfflineAugmentReport report,
      AugmentKitti(
          config, options,
          [&context](int64_t done, int64_t total) { context.Progress(done, total, "images"); },
          context.stop()));
  v1::StageResult result;
  TY_ASSIGN_OR_RETURN(*result.add_outputs(),
                      workspace.MakeArtifact("dataset", options.output, "kitti"));
  for (const std::string& note : report.notes) result.add_notes(note);
  NoteLedger(result, report.ledger);
  return result;
}

}  // namespace

absl::StatusOr<service::StageRun> PrepareConvert(const v1::ConvertRequest& proto,
                                                 const service::Workspace& workspace) {
  StageRequest request(proto.stage(), workspace);
  request.KnownNetwork();
  const std::string given_root = request.Input("root", StageRequest::kOptional);
  const std::string class_file = request.Input("class_names", StageRequest::kOptional);
  ConvertOptions options;
  options.output_prefix = request.OutputFile("dataset", StageRequest::kRequired);
  request.NoOtherNames();
  options.class_names = ReadClassNames(request, class_file);
  options.strict = proto.options().strict();
  if (proto.options().has_random_seed()) options.random_seed = proto.options().random_seed();

  std::vector<std::string> warnings;
  spec::dataset::v1::DatasetExportConfig config;
  const StageRequest::SpecText text = request.ReadSpec(StageRequest::kRequired);
  if (!text.name.empty()) {
    auto loaded = LoadDatasetExport(text.text, text.name, Overrides(proto.stage()),
                                    !given_root.empty(), &warnings);
    request.Add("", loaded.status());
    if (loaded.ok()) config = *std::move(loaded);
    if (!class_file.empty() && config.target_class_mapping_size() > 0) {
      warnings.push_back("input 'class_names' has no effect: the spec has target_class_mapping");
    }
  }
  options.root = RootFolder(request, given_root, config.kitti_config().root_directory_path());
  request.Below("kitti_config.image_dir_name", options.root,
                config.kitti_config().image_dir_name());
  request.Below("kitti_config.label_dir_name", options.root,
                config.kitti_config().label_dir_name());
  // The resolved root stands for both of the spec's.
  config.mutable_kitti_config()->clear_root_directory_path();
  config.clear_image_directory_path();
  TY_RETURN_IF_ERROR(request.Status());
  return [config, options, warnings, &workspace](service::OperationContext& context) {
    WarnAll(context, warnings);
    return RunConvert(context, config, options, workspace);
  };
}

absl::StatusOr<service::StageRun> PrepareAugment(const v1::AugmentRequest& proto,
                                                 const service::Workspace& workspace) {
  StageRequest request(proto.stage(), workspace);
  request.KnownNetwork();
  OfflineAugmentOptions options;
  options.root = request.Input("root", StageRequest::kRequired);
  options.output = request.OutputFolder("dataset", StageRequest::kRequired);
  request.NoOtherNames();
  options.strict = proto.options().strict();

  std::vector<std::string> warnings;
  spec::augment::v1::AugmentConfig config;
  const StageRequest::SpecText text = request.ReadSpec(StageRequest::kRequired);
  if (!text.name.empty()) {
    auto loaded = LoadAugment(text.text, text.name, Overrides(proto.stage()), &warnings);
    request.Add("", loaded.status());
    if (loaded.ok()) config = *std::move(loaded);
  }
  request.Below("dataset_config.image_path", options.root, config.dataset_config().image_path());
  request.Below("dataset_config.label_path", options.root, config.dataset_config().label_path());
  ReplaceOnlyOwn(request, options.output);
  KeepSourceFolders(request, config.dataset_config(), options);
  TY_RETURN_IF_ERROR(request.Status());
  return [config, options, warnings, &workspace](service::OperationContext& context) {
    WarnAll(context, warnings);
    return RunAugment(context, config, options, workspace);
  };
}

}  // namespace trainyard
