#include "services/stage_request/stage_request.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/digest.h"
#include "libs/base/files.h"
#include "libs/base/paths.h"
#include "libs/base/status.h"
#include "libs/networks/registry.h"
#include "libs/service/worker_job.h"
#include "libs/worker/rpc_status.h"

namespace trainyard::services {
namespace {

// A spec is a page of text; more is a mistaken file.
constexpr int64_t kMaxSpecBytes = 4 << 20;
// Nobody reads more; the rest is counted.
constexpr size_t kMaxProblems = 1000;

std::vector<std::string> ListOf(const std::set<std::string>& names) {
  return {names.begin(), names.end()};
}

std::string OutputField(absl::string_view name) {
  return absl::StrCat("stage.outputs[", name, "]");
}

// The file that lies where a folder of `path` has to be; "" when there is none.
std::string FileInTheWay(const std::string& path) {
  for (std::string part = DirName(path); part.size() > 1; part = DirName(part)) {
    if (FolderExists(part)) return "";
    if (FileExists(part)) return part;
  }
  return "";
}

// As a tfrecords_path is looked for: a file, a folder, a pattern, the beginning of files' names.
bool IsThere(const std::string& path) {
  return FileExists(path) || FolderExists(path) || PathSize(path).ok() || !Glob(path).empty();
}

// What a crash of the job's worker is blamed on.
std::string InputOf(const worker::v1::WorkerJob& job) {
  using Job = worker::v1::WorkerJob;
  switch (job.task_case()) {
    case Job::kTrain:
      return job.train().results_dir();
    case Job::kEvaluate:
      return job.evaluate().model();
    case Job::kInfer:
      return job.infer().model();
    case Job::kBuildEngine:
      return job.build_engine().model();
    case Job::kCalibrate:
      return job.calibrate().images();
    case Job::kConvert:
      return JoinPath(job.convert().root(), job.convert().config().kitti_config().image_dir_name());
    case Job::kAugment:
      return JoinPath(job.augment().root(), job.augment().config().dataset_config().image_path());
    case Job::kPrune:
      return job.prune().model();
    case Job::kExportModel:
      return job.export_model().model();
    default:
      return "";
  }
}

}  // namespace

StageRequest::StageRequest(const v1::StageInput& stage, const service::Workspace& workspace)
    : stage_(stage),
      workspace_(workspace),
      path_map_(stage.path_map().begin(), stage.path_map().end()) {}

absl::StatusOr<std::string> StageRequest::Resolve(absl::string_view path) const {
  return workspace_.ResolveToRead(path, path_map_);
}

void StageRequest::Below(absl::string_view field, const std::string& root,
                         const std::string& folder) {
  if (root.empty() || folder.empty()) return;
  const auto path = workspace_.Resolve(JoinPath(root, folder));
  if (!path.ok()) Add(field, Annotate(path.status(), absl::StrCat("is '", folder, "'")));
}

const networks::NetworkFamily* StageRequest::KnownNetwork() {
  if (const auto family = networks::FindNetwork(stage_.network()); family.ok()) return *family;
  const std::vector<std::string> names = networks::NetworkNames();
  Add("stage.network", absl::InvalidArgumentError(absl::StrCat(
                           "is '", stage_.network(), "'; expected one of ",
                           absl::StrJoin(names, ", "), DidYouMean(stage_.network(), names))));
  return nullptr;
}

void StageRequest::NetworkIfNamed() {
  if (!stage_.network().empty()) KnownNetwork();
}

void StageRequest::NetworkWith(absl::string_view kind) {
  const networks::NetworkFamily* const network = KnownNetwork();
  if (network == nullptr || network->HasStage(kind)) return;
  Add("stage.network", absl::InvalidArgumentError(absl::StrCat(
                           "is '", stage_.network(), "', which has no stage '", kind,
                           "': it takes its data as they are")));
}

const v1::Artifact* StageRequest::Find(const google::protobuf::RepeatedPtrField<v1::Artifact>& list,
                                       absl::string_view name) const {
  for (const v1::Artifact& artifact : list) {
    if (artifact.name() == name) return &artifact;
  }
  return nullptr;
}

void StageRequest::Missing(absl::string_view list, absl::string_view name, Need need) {
  if (need == kOptional) return;
  Add(absl::StrCat("stage.", list),
      absl::InvalidArgumentError(absl::StrCat("has no '", name, "', which this stage needs")));
}

std::string StageRequest::Input(absl::string_view name, Need need) {
  input_names_.emplace(name);
  const v1::Artifact* artifact = Find(stage_.inputs(), name);
  if (artifact == nullptr) {
    Missing("inputs", name, need);
    return "";
  }
  const std::string field = absl::StrCat("stage.inputs[", name, "]");
  const auto path = workspace_.ResolveExisting(artifact->uri(), path_map_);
  if (!path.ok()) {
    Add(field, path.status());
    return "";
  }
  TakePath(field, *path, kRead);
  return *path;
}

void StageRequest::TakePath(std::string field, std::string path, Role role) {
  for (const NamedPath& other : paths_) {
    if ((role == kRead && other.role == kRead) || !IsSamePath(path, other.path)) continue;
    const bool both_written = role == kWritten && other.role == kWritten;
    const std::string& output = role == kWritten ? field : other.field;
    Add(output, absl::InvalidArgumentError(absl::StrCat(
                    "is '", role == kWritten ? path : other.path, "', which ",
                    role == kWritten ? other.field : field, " is too; ",
                    both_written ? "give each output a path of its own"
                                 : "name another path, so that no input is replaced")));
  }
  paths_.push_back({std::move(field), std::move(path), role});
}

void StageRequest::KeepApart(const std::vector<networks::SpecPath>& read) {
  for (const networks::SpecPath& path : read) {
    if (path.is_read_below) KeepOut(path);
    TakePath(path.field, path.path, kRead);
  }
}

// Outputs would be taken for data the next time.
void StageRequest::KeepOut(const networks::SpecPath& data) {
  const std::string folder = CanonicalPath(data.path) + "/";
  for (const NamedPath& output : paths_) {
    if (output.role != kWritten || !absl::StartsWith(CanonicalPath(output.path), folder)) continue;
    Add(output.field, absl::InvalidArgumentError(absl::StrCat(
                          "is '", output.path, "', inside ", data.field, " ('", data.path,
                          "'), whose folders are read at any depth; name one outside of it")));
  }
}

std::string StageRequest::Output(absl::string_view name, Need need) {
  output_names_.emplace(name);
  const v1::Artifact* artifact = Find(stage_.outputs(), name);
  if (artifact == nullptr) {
    Missing("outputs", name, need);
    return "";
  }
  const auto path = workspace_.Resolve(artifact->uri(), path_map_);
  if (!path.ok()) {
    Add(OutputField(name), path.status());
    return "";
  }
  if (const std::string file = FileInTheWay(*path); !file.empty()) {
    Add(OutputField(name), absl::InvalidArgumentError(absl::StrCat("is '", *path, "', but '", file,
                                                                   "' is a file, not a folder")));
  }
  TakePath(OutputField(name), *path, kWritten);
  return *path;
}

std::string StageRequest::OutputFolder(absl::string_view name, Need need) {
  const std::string path = Output(name, need);
  if (FileExists(path)) {
    Add(OutputField(name),
        absl::InvalidArgumentError(absl::StrCat("'", path, "' is a file; name a folder")));
  }
  return path;
}

std::string StageRequest::OutputFile(absl::string_view name, Need need) {
  const std::string path = Output(name, need);
  if (FolderExists(path)) {
    Add(OutputField(name),
        absl::InvalidArgumentError(absl::StrCat("'", path, "' is a folder; name a file")));
  }
  return path;
}

std::string StageRequest::NewFile(absl::string_view name, Need need, bool force) {
  const std::string path = OutputFile(name, need);
  if (!force && FileExists(path)) {
    Add(OutputField(name),
        absl::AlreadyExistsError(
            absl::StrCat("'", path, "' is there already; remove it, name another, or set force")));
  }
  return path;
}

std::string StageRequest::SealedFile(absl::string_view name, Need need, sealing::SealedKind kind) {
  const std::string path = OutputFile(name, need);
  if (!FileExists(path)) return path;
  const auto found = sealing::PeekSealed(path);
  if (found.ok() && *found == kind) return path;
  Add(OutputField(name),
      absl::AlreadyExistsError(absl::StrCat(
          "'", path, "' is there already, and only an earlier ", NameOf(kind), " is replaced; ",
          found.ok() ? absl::StrCat("this is of kind ", NameOf(*found))
                     : std::string("this is no model of ours"),
          "; remove it or name another")));
  return path;
}

void StageRequest::ModelFile(absl::string_view field, const std::string& path,
                             const std::vector<sealing::SealedKind>& kinds) {
  if (path.empty()) return;
  const auto found = sealing::PeekSealed(path);
  if (!found.ok()) return Add(field, found.status());
  if (std::find(kinds.begin(), kinds.end(), *found) != kinds.end()) return;
  const auto add_name = [](std::string* text, sealing::SealedKind kind) {
    absl::StrAppend(text, NameOf(kind));
  };
  Add(field, absl::InvalidArgumentError(
                 absl::StrCat("is '", path, "', of kind ", NameOf(*found), "; expected ",
                              absl::StrJoin(kinds, " or ", add_name))));
}

void StageRequest::NoOtherNames() {
  const auto check = [this](const auto& list, absl::string_view which,
                            const std::set<std::string>& known) {
    std::set<std::string> seen;
    for (const v1::Artifact& artifact : list) {
      const std::string field = absl::StrCat("stage.", which);
      if (!seen.insert(artifact.name()).second) {
        Add(field, absl::InvalidArgumentError(absl::StrCat("names '", artifact.name(), "' twice")));
      }
      if (known.contains(artifact.name())) continue;
      Add(field, absl::InvalidArgumentError(
                     absl::StrCat("has '", artifact.name(), "'; this stage knows ",
                                  known.empty() ? "none" : absl::StrJoin(known, ", "),
                                  DidYouMean(artifact.name(), ListOf(known)))));
    }
  };
  check(stage_.inputs(), "inputs", input_names_);
  check(stage_.outputs(), "outputs", output_names_);
}

StageRequest::SpecText StageRequest::ReadSpec(Need need) {
  if (stage_.spec_case() == v1::StageInput::kSpecText) {
    return {stage_.spec_text(), stage_.spec_name().empty() ? "spec" : stage_.spec_name()};
  }
  if (stage_.spec_case() != v1::StageInput::kSpecUri) {
    if (need == kRequired) {
      Add("stage.spec_text", absl::InvalidArgumentError("is absent; this stage needs a spec"));
    }
    return {};
  }
  const auto path = workspace_.ResolveExisting(stage_.spec_uri(), path_map_);
  if (!path.ok()) {
    Add("stage.spec_uri", path.status());
    return {};
  }
  TakePath("stage.spec_uri", *path, kRead);
  auto text = ReadFile(*path, kMaxSpecBytes);
  if (!text.ok()) Add("stage.spec_uri", text.status());
  return {std::move(text).value_or(""),
          stage_.spec_name().empty() ? stage_.spec_uri() : stage_.spec_name()};
}

networks::PreparedSpec StageRequest::Spec(spec::SpecUse use, Need need) {
  const SpecText spec = ReadSpec(need);
  if (spec.name.empty()) {
    // An absent spec is a problem already, or was optional.
    if (need == kOptional && stage_.spec_case() == v1::StageInput::SPEC_NOT_SET) NoOverrides();
    return {};
  }
  // Asked for by KnownNetwork, which says so.
  if (!networks::FindNetwork(stage_.network()).ok()) return {};
  const std::vector<std::string> overrides(stage_.overrides().begin(), stage_.overrides().end());
  auto prepared = networks::PrepareSpec(stage_.network(), spec.text, spec.name, overrides, use,
                                        [this](absl::string_view path) { return Resolve(path); });
  if (!prepared.ok()) {
    Add("", prepared.status());
    return {};
  }
  for (const networks::SpecPath& data : prepared->data) {
    if (!data.is_read || IsThere(data.path)) continue;
    Add(data.field, absl::NotFoundError(absl::StrCat("is '", data.path, "', which is not there")));
  }
  return *std::move(prepared);
}

void StageRequest::NoOverrides() {
  if (stage_.overrides().empty()) return;
  Add("stage.overrides",
      absl::InvalidArgumentError(absl::StrCat("has ", stage_.overrides_size(),
                                              " entries, and there is no spec that they change")));
}

void StageRequest::NoSpec() {
  if (stage_.spec_case() != v1::StageInput::SPEC_NOT_SET) {
    Add(stage_.spec_case() == v1::StageInput::kSpecUri ? "stage.spec_uri" : "stage.spec_text",
        absl::InvalidArgumentError("is given; this stage has no use for a spec"));
  }
  NoOverrides();
}

std::string StageRequest::OneOf(absl::string_view field, absl::string_view value,
                                const std::vector<std::string>& allowed) {
  if (value.empty()) return allowed.front();
  if (std::find(allowed.begin(), allowed.end(), value) == allowed.end()) {
    Add(field, absl::InvalidArgumentError(absl::StrCat("is '", value, "'; expected one of ",
                                                       absl::StrJoin(allowed, ", "),
                                                       DidYouMean(value, allowed))));
  }
  return std::string(value);
}

std::string StageRequest::Precision(absl::string_view field, absl::string_view value) {
  if (value == "bf16") {
    NotOffered(field, "is 'bf16', which is not offered yet; fp32, fp16 and int8 are");
    return "";
  }
  return OneOf(field, value, {"fp32", "fp16", "int8"});
}

void StageRequest::Ending(absl::string_view field, absl::string_view path,
                          const std::vector<std::string>& endings, absl::string_view hint) {
  const auto fits = [path](const std::string& ending) { return absl::EndsWith(path, ending); };
  if (path.empty() || std::any_of(endings.begin(), endings.end(), fits)) return;
  Add(field, absl::InvalidArgumentError(absl::StrCat(
                 "is '", path, "'; expected a ", absl::StrJoin(endings, " or "), " (", hint, ")")));
}

void StageRequest::InRange(absl::string_view field, double value, double low, double high) {
  if (value >= low && value <= high) return;
  Add(field,
      absl::InvalidArgumentError(absl::StrCat("is ", value, "; expected ", low, " to ", high)));
}

void StageRequest::Fraction(absl::string_view field, double value) {
  if (value > 0 && value < 1) return;
  Add(field,
      absl::InvalidArgumentError(absl::StrCat("is ", value, "; expected above 0 and below 1")));
}

void StageRequest::NotOffered(absl::string_view field, absl::string_view what) {
  Add(field, absl::UnimplementedError(what));
}

void StageRequest::Add(absl::string_view field, const absl::Status& status) {
  if (status.ok()) return;
  codes_.insert(status.code());
  const std::vector<Problem> inner = ProblemsFrom(status);
  for (const Problem& problem : inner) Note(problem);
  if (inner.empty()) {
    Note({.field = std::string(field), .description = std::string(status.message())});
  }
}

void StageRequest::Note(Problem problem) {
  if (problems_.size() < kMaxProblems) {
    problems_.AddProblem(std::move(problem));
  } else {
    ++left_out_;
  }
}

absl::Status StageRequest::Status() const {
  const auto code = codes_.size() == 1 ? *codes_.begin() : absl::StatusCode::kInvalidArgument;
  if (left_out_ == 0) return problems_.ToStatus(code);
  Problems all = problems_;
  all.AddProblem({.description = absl::StrCat("and ", left_out_, " more problems")});
  return all.ToStatus(code);
}

void WarnAll(service::OperationContext& context, absl::Span<const std::string> warnings) {
  for (const std::string& warning : warnings) {
    context.Warn(absl::FailedPreconditionError(warning));
  }
}

absl::StatusOr<v1::StageResult> RunWorker(service::OperationContext& context,
                                          const std::string& program,
                                          const worker::v1::WorkerJob& job,
                                          const std::string& job_dir,
                                          const service::Workspace& workspace) {
  // Only a training has something to save; whatever else is written has its name when it is whole.
  const auto result = service::RunWorkerJob(context, job,
                                            {.program = program,
                                             .job_dir = job_dir,
                                             .is_disposable = !job.has_train(),
                                             .workspace = &workspace,
                                             .memory_bytes = context.memory(),
                                             .bounds_data = program != kTrainWorker});
  const std::string reason = worker::ReasonOf(result.status());
  if (reason != "WORKER_CRASHED" && reason != "OUT_OF_MEMORY") return result;
  return Annotate(result.status(),
                  absl::StrCat("while working on '", workspace.UriOf(InputOf(job)), "'"));
}

service::StageRun WorkerStage(std::string program, worker::v1::WorkerJob job, std::string job_dir,
                              std::vector<std::string> warnings,
                              const service::Workspace& workspace) {
  return [program = std::move(program), job = std::move(job), job_dir = std::move(job_dir),
          warnings = std::move(warnings), &workspace](service::OperationContext& context) {
    WarnAll(context, warnings);
    return RunWorker(context, program, job, job_dir, workspace);
  };
}

}  // namespace trainyard::services
