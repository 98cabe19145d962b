#pragma once

#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/base/problems.h"
#include "libs/networks/family.h"
#include "libs/networks/prepare_spec.h"
#include "libs/sealing/model_file.h"
#include "libs/service/operations.h"
#include "libs/service/workspace.h"
#include "trainyard/v1/stage.pb.h"
#include "trainyard/worker/v1/worker.pb.h"

namespace trainyard::services {

/// Checks the part that all stage requests share and collects everything that is wrong with one, so
/// that a handler's Prepare is a row of questions and a final `Status()`.
///
///     StageRequest request(proto.stage(), workspace);
///     const std::string model = request.Input("model", kRequired);
///     const PreparedSpec spec = request.Spec(SpecUse::kTrain);
///     request.NoOtherNames();
///     TY_RETURN_IF_ERROR(request.Status());
///
/// After a problem the accessors go on and return empty values; only Status() tells. Not
/// thread-safe.
class StageRequest {
 public:
  enum Need { kRequired, kOptional };

  /// Both must outlive this object.
  StageRequest(const v1::StageInput& stage, const service::Workspace& workspace);

  /// Checks that `network` is one we know; nullptr when it is not.
  const networks::NetworkFamily* KnownNetwork();
  /// The same where the stage is of no network, or the model says of which it is: none need be named.
  void NetworkIfNamed();
  /// KnownNetwork, and it must have a stage of this kind (libs/stages).
  void NetworkWith(absl::string_view kind);

  /// The absolute path of an input, which must exist; "" when it is not given. Its digest is checked when
  /// the operation works (service::Workspace::CheckDigests).
  std::string Input(absl::string_view name, Need need);

  // Outputs: absolute paths, "" when not given; their folders are made by the work. None may be an
  // input of the request, its spec, or another output, for then one would replace the other.

  /// A folder; it may be there.
  std::string OutputFolder(absl::string_view name, Need need);
  /// A file that is replaced when it is there, or the beginning of files' names.
  std::string OutputFile(absl::string_view name, Need need);
  /// A file that must not be there yet, unless `force`.
  std::string NewFile(absl::string_view name, Need need, bool force);
  /// A file that is replaced when it is a sealed one of `kind`, so that a stage may be repeated;
  /// any other that is there is a problem.
  std::string SealedFile(absl::string_view name, Need need, sealing::SealedKind kind);
  /// A problem of `field` unless `path` is "" or a sealed file of one of `kinds`, by its header.
  /// For requests that are only checked: the work reads a model whole, and says more of it.
  void ModelFile(absl::string_view field, const std::string& path,
                 const std::vector<sealing::SealedKind>& kinds);
  /// Keeps outputs away from what the spec reads too. After the outputs were asked for.
  void KeepApart(const std::vector<networks::SpecPath>& read);

  /// Inputs and outputs whose names were never asked for are problems, with the nearest known name.
  void NoOtherNames();

  /// The spec's text, from the request or from its file. "" when there is none; a problem if
  /// required.
  struct SpecText {
    std::string text;
    std::string name;
  };
  SpecText ReadSpec(Need need);
  /// The network's spec, checked for `task`, paths resolved through the workspace. The data that
  /// the task reads must be there. Overrides without a spec are a problem.
  networks::PreparedSpec Spec(spec::SpecUse use, Need need = kRequired);
  /// A spec and overrides are problems: the stage has no use for them.
  void NoSpec();

  /// A problem unless `value` is "" or one of `allowed`; returns allowed[0] for "".
  std::string OneOf(absl::string_view field, absl::string_view value,
                    const std::vector<std::string>& allowed);
  /// OneOf for TAO's --data_type: `fp32`, `fp16`, `int8`. `bf16` is known and not offered.
  std::string Precision(absl::string_view field, absl::string_view value);
  /// A problem of `field` unless `path` is "" or ends with one of `endings`; `hint` says where the
  /// other kinds of files go.
  void Ending(absl::string_view field, absl::string_view path,
              const std::vector<std::string>& endings, absl::string_view hint);
  /// A problem unless low <= value <= high.
  void InRange(absl::string_view field, double value, double low, double high);
  /// A problem unless 0 < value < 1.
  void Fraction(absl::string_view field, double value);
  /// Something known that is not offered yet.
  void NotOffered(absl::string_view field, absl::string_view what);

  /// Takes a status that is not OK as a problem of `field`; what it lists itself is kept.
  void Add(absl::string_view field, const absl::Status& status);

  /// OK, or everything at once. The code is that of the problems when all agree, else
  /// kInvalidArgument.
  absl::Status Status() const;

  const v1::StageInput& stage() const { return stage_; }
  /// Resolves a path of the request or its spec that will be read.
  absl::StatusOr<std::string> Resolve(absl::string_view path) const;
  /// A problem of `field` when `folder`, which a spec names below `root` (resolved), leaves the
  /// workspace. Nothing when either is "", which is another check's problem.
  void Below(absl::string_view field, const std::string& root, const std::string& folder);

 private:
  const v1::Artifact* Find(const google::protobuf::RepeatedPtrField<v1::Artifact>& list,
                           absl::string_view name) const;
  void Missing(absl::string_view list, absl::string_view name, Need need);
  std::string Output(absl::string_view name, Need need);
  void NoOverrides();
  // Takes a path that the request names; a problem when it is one of another that excludes it.
  enum Role { kRead, kWritten };
  void TakePath(std::string field, std::string path, Role role);
  void KeepOut(const networks::SpecPath& data);
  // Keeps a problem; of many only their number.
  void Note(Problem problem);

  struct NamedPath {
    std::string field, path;
    Role role;
  };

  const v1::StageInput& stage_;
  const service::Workspace& workspace_;
  service::PathMap path_map_;
  Problems problems_;
  size_t left_out_ = 0;
  std::set<absl::StatusCode> codes_;
  std::set<std::string> input_names_, output_names_;
  std::vector<NamedPath> paths_;
};

/// Reports warnings of a spec to an operation.
void WarnAll(service::OperationContext& context, absl::Span<const std::string> warnings);

/// The worker programs (workers/README of each).
inline constexpr char kTrainWorker[] = "trainyard-train-worker";
inline constexpr char kEngineWorker[] = "trainyard-engine-worker";
inline constexpr char kStageWorker[] = "trainyard-stage-worker";

/// service::RunWorkerJob of `program` in `job_dir` ("" = the operation's own folder), with two things
/// more: a crash of the worker names what it worked on, and a task that has nothing to save is killed
/// soon after a stop, for a drain too.
absl::StatusOr<v1::StageResult> RunWorker(service::OperationContext& context,
                                          const std::string& program,
                                          const worker::v1::WorkerJob& job,
                                          const std::string& job_dir,
                                          const service::Workspace& workspace);

/// The work of a stage that a worker does: report the spec's warnings, then RunWorker. The workspace
/// must outlive the work.
service::StageRun WorkerStage(std::string program, worker::v1::WorkerJob job, std::string job_dir,
                              std::vector<std::string> warnings,
                              const service::Workspace& workspace);

}  // namespace trainyard::services
