#include "libs/training/start.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/digest.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/models/transfer.h"
#include "libs/sealing/model_store.h"

namespace trainyard::training {
namespace {

using worker::v1::TrainTask;
using worker::v1::WorkerJob;

constexpr char kVersion[] = TRAINYARD_VERSION;

std::vector<std::string> ClassesOf(const ModelRecord& record) {
  return {record.classes().begin(), record.classes().end()};
}

absl::Status CheckFits(const Network& network, const ModelRecord& record) {
  if (record.network() != network.name()) {
    return absl::InvalidArgumentError(absl::StrCat("is a model of network '", record.network(),
                                                   "'; the spec is for '", network.name(), "'"));
  }
  const std::vector<std::string> ours = network.classes(), theirs = ClassesOf(record);
  if (!ours.empty() && ours != theirs) {
    return absl::InvalidArgumentError(
        absl::StrCat("its classes are ", absl::StrJoin(theirs, ", "), "; the spec maps to ",
                     absl::StrJoin(ours, ", ")));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> InitialDigest(const TrainTask& task) {
  if (task.initial_model().empty()) return std::string();
  return FileDigest(task.initial_model());
}

// The model of the spec, with what another one gives it.
absl::StatusOr<Start> FromBeginning(const WorkerJob& job, const Network& network,
                                    const std::string& key, const std::string& parent) {
  const TrainTask& task = job.train();
  TY_ASSIGN_OR_RETURN(Model model, network.Build());
  Start start{.model = std::move(model)};
  start.first_epoch = std::max(1, task.initial_epoch()) - 1;
  if (!task.initial_model().empty()) {
    const std::string where = absl::StrCat("initial model '", task.initial_model(), "'");
    TY_ASSIGN_OR_RETURN(const SealedModel initial, LoadModel(task.initial_model(), {}, key));
    const auto report = TransferWeights(initial.model, start.model);
    if (!report.ok()) return Annotate(report.status(), where);
    start.notes.push_back(absl::StrCat(where, ": ", report->Summary()));
    for (const std::string& layer : report->mismatched) {
      start.notes.push_back(absl::StrCat("keeps its fresh weights: ", layer));
    }
  }
  auto* step = start.model.record.add_lineage();
  step->set_stage("train");
  step->set_version(kVersion);
  step->set_spec_sha256(SpecDigest(job.spec()));
  step->set_parent_sha256(parent);
  return start;
}

absl::StatusOr<Start> FromCheckpoint(const WorkerJob& job, const Network& network,
                                     FoundCheckpoint found) {
  Start start{.model = std::move(found.checkpoint.model),
              .state = std::move(found.checkpoint.state),
              .resumed_from = found.path};
  const absl::Status fits = CheckFits(network, start.model.record);
  if (!fits.ok()) return Annotate(fits, absl::StrCat("checkpoint '", found.path, "'"));
  network.ApplyInferenceSettings(start.model.record);
  start.first_epoch = std::max(1, job.train().initial_epoch()) - 1;
  for (const absl::Status& status : found.passed_over) {
    start.notes.push_back(absl::StrCat("passed over: ", status.message()));
  }
  if (!start.state) {
    start.notes.push_back(absl::StrCat("'", found.path,
                                       "' holds no training state; momentum starts at 0 with epoch ",
                                       start.first_epoch + 1));
  } else if (start.first_epoch > 0 && start.first_epoch != start.state->epoch()) {
    start.notes.push_back(absl::StrCat("'", found.path, "' ends with epoch ", start.state->epoch(),
                                       "; training goes on from there, not with initial_epoch ",
                                       start.first_epoch + 1));
  }
  return start;
}

absl::StatusOr<std::optional<FoundCheckpoint>> FindResume(const WorkerJob& job,
                                                          const ModelRecord& record,
                                                          const std::string& training_id,
                                                          const std::string& key) {
  const std::string& path = job.train().resume_model();
  if (path.empty()) return std::nullopt;
  if (!FolderExists(path)) {
    TY_ASSIGN_OR_RETURN(Checkpoint checkpoint, LoadCheckpoint(path, key));
    return FoundCheckpoint{.path = path, .checkpoint = std::move(checkpoint)};
  }
  TY_ASSIGN_OR_RETURN(const CheckpointStore store, CheckpointStore::Create(path, record, key));
  return store.FindNewest(training_id);
}

}  // namespace

std::string SpecDigest(absl::string_view spec) {
  std::string without_paths;
  for (size_t i = 0; i < spec.size(); ++i) {
    without_paths.push_back(spec[i]);
    if (spec[i] != '"' || i + 1 == spec.size() || spec[i + 1] != '/') continue;
    without_paths.push_back('/');
    while (i + 1 < spec.size() && spec[i + 1] != '"') {
      i += spec[i + 1] == '\\' && i + 2 < spec.size() ? 2 : 1;
    }
  }
  return Sha256Hex(without_paths);
}

absl::StatusOr<Start> DecideStart(const WorkerJob& job, const Network& network,
                                  const std::string& key) {
  TY_ASSIGN_OR_RETURN(const std::string parent, InitialDigest(job.train()));
  const std::string training_id = Sha256Hex(absl::StrCat(SpecDigest(job.spec()), " ", parent));
  TY_ASSIGN_OR_RETURN(Start start, FromBeginning(job, network, key, parent));
  TY_ASSIGN_OR_RETURN(std::optional<FoundCheckpoint> found,
                      FindResume(job, start.model.record, training_id, key));
  if (found) {
    const std::vector<std::string> notes = std::move(start.notes);
    TY_ASSIGN_OR_RETURN(start, FromCheckpoint(job, network, *std::move(found)));
    if (start.state && start.state->training_id() != training_id) {
      start.notes.push_back(
          absl::StrCat("'", start.resumed_from,
                       "' was made with another spec or initial model; it goes on with this one"));
      start.state->set_training_id(training_id);
    }
  }
  start.training_id = training_id;
  return start;
}

}  // namespace trainyard::training
