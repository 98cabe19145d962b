#include "services/stage_request/stage_request.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/files.h"
#include "libs/models/network.h"
#include "libs/service/worker_job.h"

namespace trainyard {
namespace {

// A spec is a page of text; more is a mistaken file.
constexpr int64_t kMaxSpecBytes = 4 << 20;

std::vector<std::string> ListOf(const std::set<std::string>& names) {
  return {names.begin(), names.end()};
}

}  // namespace

StageRequest::StageRequest(const v1::StageInput& stage, const service::Workspace& workspace)
    : stage_(stage),
      workspace_(workspace),
      path_map_(stage.path_map().begin(), stage.path_map().end()) {}

absl::StatusOr<std::string> StageRequest::Resolve(absl::string_view path) const {
  return workspace_.Resolve(path, path_map_);
}

void StageRequest::KnownNetwork() {
  const std::vector<std::string> names = NetworkNames();
  if (std::find(names.begin(), names.end(), stage_.network()) != names.end()) return;
  Add("stage.network", absl::InvalidArgumentError(absl::StrCat(
                           "is '", stage_.network(), "'; expected one of ",
                           absl::StrJoin(names, ", "), DidYouMean(stage_.network(), names))));
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
  if (const auto status = workspace_.CheckDigest(*artifact, *path); !status.ok())
    Add(field, status);
  return *path;
}

std::string StageRequest::Output(absl::string_view name, Need need) {
  output_names_.emplace(name);
  const v1::Artifact* artifact = Find(stage_.outputs(), name);
  if (artifact == nullptr) {
    Missing("outputs", name, need);
    return "";
  }
  const auto path = Resolve(artifact->uri());
  if (!path.ok()) Add(absl::StrCat("stage.outputs[", name, "]"), path.status());
  return path.value_or("");
}

std::string StageRequest::NewFile(absl::string_view name, Need need, bool force) {
  const std::string path = Output(name, need);
  const std::string field = absl::StrCat("stage.outputs[", name, "]");
  if (!path.empty() && FolderExists(path)) {
    Add(field, absl::InvalidArgumentError(absl::StrCat("'", path, "' is a folder; name a file")));
  } else if (!path.empty() && !force && FileExists(path)) {
    Add(field, absl::AlreadyExistsError(absl::StrCat(
                   "'", path, "' is there already; remove it, name another, or set force")));
  }
  return path;
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
  auto text = ReadFile(*path, kMaxSpecBytes);
  if (!text.ok()) Add("stage.spec_uri", text.status());
  return {std::move(text).value_or(""),
          stage_.spec_name().empty() ? stage_.spec_uri() : stage_.spec_name()};
}

PreparedSpec StageRequest::Spec(NetworkTask task, Need need) {
  const SpecText spec = ReadSpec(need);
  // An absent spec is a problem already, or was optional.
  if (spec.name.empty()) return {};
  const std::vector<std::string> overrides(stage_.overrides().begin(), stage_.overrides().end());
  auto prepared = PrepareSpec(stage_.network(), spec.text, spec.name, overrides, task,
                              [this](absl::string_view path) { return Resolve(path); });
  if (!prepared.ok()) Add("", prepared.status());
  return std::move(prepared).value_or(PreparedSpec());
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

void StageRequest::NotOffered(absl::string_view field, absl::string_view what) {
  Add(field, absl::UnimplementedError(what));
}

void StageRequest::Add(absl::string_view field, const absl::Status& status) {
  if (status.ok()) return;
  codes_.insert(status.code());
  const std::vector<Problem> inner = ProblemsFrom(status);
  for (const Problem& problem : inner) problems_.AddProblem(problem);
  if (inner.empty()) {
    problems_.AddProblem(
        {.field = std::string(field), .description = std::string(status.message())});
  }
}

absl::Status StageRequest::Status() const {
  const auto code = codes_.size() == 1 ? *codes_.begin() : absl::StatusCode::kInvalidArgument;
  return problems_.ToStatus(code);
}

void WarnAll(service::OperationContext& context, absl::Span<const std::string> warnings) {
  for (const std::string& warning : warnings) {
    context.Warn(absl::FailedPreconditionError(warning));
  }
}

service::StageRun WorkerStage(std::string program, worker::v1::WorkerJob job, std::string job_dir,
                              std::vector<std::string> warnings,
                              const service::Workspace& workspace) {
  return [program = std::move(program), job = std::move(job), job_dir = std::move(job_dir),
          warnings = std::move(warnings), &workspace](service::OperationContext& context) {
    WarnAll(context, warnings);
    return service::RunWorkerJob(context, job,
                                 {.program = program, .job_dir = job_dir, .workspace = &workspace});
  };
}

}  // namespace trainyard
