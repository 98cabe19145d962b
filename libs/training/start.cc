#include "libs/training/start.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/digest.h"
#include "libs/base/files.h"
#include "libs/base/log.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/data/findings.h"
#include "libs/networks/registry.h"
#include "libs/networks/transfer.h"
#include "libs/sealing/model_file.h"
#include "libs/sealing/model_store.h"
#include "libs/weights/apply_weights.h"
#include "libs/weights/weight_file.h"

namespace trainyard::training {
namespace {

using worker::v1::TrainTask;
using worker::v1::WorkerJob;

constexpr char kVersion[] = TRAINYARD_VERSION;
// Of each kind, in a note.
constexpr size_t kLayersTold = 10;

absl::Status CheckFits(const networks::Network& network, const ModelRecord& spec,
                       const ModelRecord& record) {
  if (record.network() != network.name()) {
    return absl::InvalidArgumentError(absl::StrCat("is a model of network '", record.network(),
                                                   "'; the spec is for '", network.name(), "'"));
  }
  TY_ASSIGN_OR_RETURN(const networks::NetworkFamily* family, networks::FindNetwork(network.name()));
  Problems problems;
  const std::vector<std::string> ours = network.classes(), theirs = ClassesOf(record);
  if (!ours.empty() && ours != theirs) {
    problems.Add("its classes", "are %s; the spec maps to %s", absl::StrJoin(theirs, ", "),
                 absl::StrJoin(ours, ", "));
  }
  if (!record.arch().empty() && record.arch() != spec.arch()) {
    problems.Add(family->fields().arch, "is %s in the spec; the checkpoint is a %s", spec.arch(),
                 record.arch());
  }
  if (InputText(record.preprocess()) != InputText(spec.preprocess())) {
    problems.Add(family->fields().input, "is %s; the checkpoint takes %s",
                 InputText(spec.preprocess()), InputText(record.preprocess()));
  }
  return problems.ToStatus();
}

absl::StatusOr<std::string> InitialDigest(const TrainTask& task) {
  if (task.initial_model().empty()) return std::string();
  return FileDigest(task.initial_model());
}

// A training that is about to begin with this epoch, 1-based.
TrainState StateBefore(int initial_epoch) {
  TrainState state;
  state.set_epoch(std::max(1, initial_epoch) - 1);
  state.set_judged(true);
  return state;
}

// Puts the weights of a file of another framework into the spec's model.
absl::Status TakeWeights(const TrainTask& task, const std::string& where, Start& start) {
  TY_ASSIGN_OR_RETURN(const weights::NamedWeights weights,
                      weights::LoadWeights(task.initial_model()));
  const auto match = weights::ApplyWeights(weights, start.model.record.arch(), start.model.graph);
  if (!match.ok()) return Annotate(match.status(), where);
  TY_RETURN_IF_ERROR(Annotate(weights::CheckMatched(*match, task.accept_few_weights()), where));
  // A network has hundreds of layers: the log has them all.
  LogInfo("weights", {{"file", task.initial_model()}, {"table", match->Table()}});
  start.notes.push_back(absl::StrCat(where, ": ", match->Summary()));
  for (const std::string& note : match->notes) start.notes.push_back(absl::StrCat(where, ": ", note));
  const auto tell = [&](const char* what, const std::vector<std::string>& names) {
    if (names.empty()) return;
    start.notes.push_back(absl::StrCat(where, ": ", what, ": ", data::SomeOf(names, kLayersTold)));
  };
  tell("of another shape", match->mismatched);
  tell("not in the file", match->missing);
  tell("of no layer", match->unused);
  return absl::OkStatus();
}

// Puts another model's weights, or, pruned, its graph, into the spec's model.
absl::Status TakeModel(const TrainTask& task, const std::string& where, const std::string& key,
                       Start& start) {
  TY_ASSIGN_OR_RETURN(
      const sealing::SealedModel initial,
      sealing::LoadModel(task.initial_model(), {sealing::SealedKind::kCheckpoint}, key));
  const auto report = networks::TransferWeights(initial.model, start.model);
  if (!report.ok()) return Annotate(report.status(), where);
  TY_RETURN_IF_ERROR(Annotate(networks::CheckEnough(*report, task.accept_few_weights()), where));
  start.notes.push_back(absl::StrCat(where, ": ", report->Summary()));
  for (const std::string& line : report->grown) {
    start.notes.push_back(absl::StrCat(where, ": ", line));
  }
  for (const std::string& layer : report->mismatched) {
    start.notes.push_back(absl::StrCat("keeps its fresh weights: ", layer));
  }
  for (const std::string& warning : report->warnings) {
    start.warnings.push_back(absl::StrCat(where, ": ", warning));
  }
  if (report->loaded.empty()) {
    start.warnings.push_back(
        absl::StrCat(where, ": no layer of it fits the spec; all weights are fresh"));
  }
  return absl::OkStatus();
}

// The model of the spec, with what another one gives it.
absl::StatusOr<Start> FromBeginning(const WorkerJob& job, const networks::Network& network,
                                    const std::string& key, const std::string& parent) {
  const TrainTask& task = job.train();
  TY_ASSIGN_OR_RETURN(Model model, network.Build());
  Start start{.model = std::move(model), .state = StateBefore(task.initial_epoch())};
  if (!task.initial_model().empty()) {
    const std::string where = absl::StrCat("initial model '", task.initial_model(), "'");
    // What is sealed is ours, whatever its name; a damaged one is known by its name alone.
    const bool is_ours = sealing::PeekSealed(task.initial_model()).ok() ||
                         absl::EndsWith(task.initial_model(), ".tlt");
    TY_RETURN_IF_ERROR(is_ours ? TakeModel(task, where, key, start)
                               : TakeWeights(task, where, start));
  }
  auto* step = start.model.record.add_lineage();
  step->set_stage("train");
  step->set_version(kVersion);
  step->set_spec_sha256(SpecDigest(job.spec()));
  step->set_parent_sha256(parent);
  return start;
}

absl::StatusOr<Start> FromCheckpoint(const WorkerJob& job, const networks::Network& network,
                                     const Model& fresh, FoundCheckpoint found) {
  const int initial_epoch = job.train().initial_epoch();
  const bool has_state = found.checkpoint.state.has_value();
  Start start{.model = std::move(found.checkpoint.model),
              .state = has_state ? *std::move(found.checkpoint.state) : StateBefore(initial_epoch),
              .resumed_from = found.path};
  const std::string where = absl::StrCat("checkpoint '", found.path, "'");
  const absl::Status fits = CheckFits(network, fresh.record, start.model.record);
  if (!fits.ok()) return Annotate(fits, where);
  network.ApplyInferenceSettings(start.model.record);
  for (const absl::Status& status : found.passed_over) {
    start.warnings.push_back(absl::StrCat("passed over: ", status.message()));
  }
  for (const std::string& field :
       networks::OverriddenFields(fresh.record, start.model.record, /*trains=*/true)) {
    start.warnings.push_back(absl::StrCat(
        where, " goes on as it is, so that a field of the spec has no effect: ", field));
  }
  if (!has_state) {
    start.state.set_mixed(true);
    start.warnings.push_back(
        absl::StrCat("'", found.path, "' holds no training state; momentum starts at 0 with epoch ",
                     start.state.epoch() + 1));
  } else if (initial_epoch > 1 && initial_epoch != start.state.epoch() + 1) {
    start.warnings.push_back(
        absl::StrCat("'", found.path, "' ends with epoch ", start.state.epoch(),
                     "; training goes on from there, not with initial_epoch ", initial_epoch));
  }
  return start;
}

absl::StatusOr<std::optional<FoundCheckpoint>> FindResume(const WorkerJob& job,
                                                          const ModelRecord& record,
                                                          const std::string& training_id,
                                                          const std::string& key) {
  const std::string& path = job.train().resume_model();
  if (path.empty()) return std::nullopt;
  const auto load = [&key](const std::string& file) -> absl::StatusOr<FoundCheckpoint> {
    TY_ASSIGN_OR_RETURN(Checkpoint checkpoint, LoadCheckpoint(file, key));
    return FoundCheckpoint{.path = file, .checkpoint = std::move(checkpoint)};
  };
  // The results folder need not be there yet; any other path was named for what it holds.
  const bool is_results = path == job.train().results_dir();
  if (!is_results && !FolderExists(path)) return load(path);
  std::optional<FoundCheckpoint> newest;
  if (FolderExists(path)) {
    TY_ASSIGN_OR_RETURN(newest, CheckpointStore(path, record, key).FindNewest(training_id));
  }
  if (newest || job.train().resume_fallback().empty()) return newest;
  return load(job.train().resume_fallback());
}

// Makes the state one of this training, and tells what it was before.
void Adopt(Start& start, const std::string& training_id, int epochs,
           absl::string_view epochs_field) {
  TrainState& state = start.state;
  if (!state.training_id().empty() && state.training_id() != training_id) {
    state.set_mixed(true);
    start.warnings.push_back(
        absl::StrCat("'", start.resumed_from,
                     "' was made with another spec or initial model; it goes on with this one"));
  } else if (!state.training_id().empty() && state.epochs() != epochs) {
    state.set_mixed(true);
    start.warnings.push_back(
        absl::StrCat("'", start.resumed_from, "' was made with ", epochs_field, " ", state.epochs(),
                     "; from here on the learning rate is that of ", epochs, " epochs"));
  }
  state.set_training_id(training_id);
  state.set_epochs(epochs);
  if (state.mixed()) {
    start.warnings.push_back(
        "not an exact resume: a part was trained with other settings, so the result is not bit for "
        "bit that of an undisturbed training");
  }
}

bool IsNameCharacter(char c) { return absl::ascii_isalnum(c) || c == '_'; }

// The place behind a quoted text that begins at `at`.
size_t BehindQuoted(absl::string_view text, size_t at) {
  const char quote = text[at++];
  while (at < text.size() && text[at] != quote) at += text[at] == '\\' ? 2 : 1;
  return std::min(at + 1, text.size());
}

// The place behind the value of a field whose name ends at `at`: `: 3`, `: "text"`, or `{ ... }`.
size_t BehindValue(absl::string_view text, size_t at) {
  while (at < text.size() && (absl::ascii_isspace(text[at]) || text[at] == ':')) ++at;
  if (at < text.size() && (text[at] == '"' || text[at] == '\'')) return BehindQuoted(text, at);
  if (at >= text.size() || text[at] != '{') {
    while (at < text.size() && !absl::ascii_isspace(text[at]) && text[at] != '}') ++at;
    return at;
  }
  int depth = 0;
  do {
    if (text[at] == '"' || text[at] == '\'') {
      at = BehindQuoted(text, at);
      continue;
    }
    depth += text[at] == '{' ? 1 : text[at] == '}' ? -1 : 0;
    ++at;
  } while (depth > 0 && at < text.size());
  return at;
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

std::string TrainingDigest(absl::string_view spec,
                           absl::Span<const absl::string_view> not_of_the_weights) {
  std::string kept;
  for (size_t at = 0; at < spec.size();) {
    size_t end = at + 1;
    if (spec[at] == '"' || spec[at] == '\'') {
      end = BehindQuoted(spec, at);
    } else if (IsNameCharacter(spec[at])) {
      while (end < spec.size() && IsNameCharacter(spec[end])) ++end;
      if (std::ranges::count(not_of_the_weights, spec.substr(at, end - at)) > 0) {
        at = BehindValue(spec, end);
        continue;
      }
    }
    if (!absl::ascii_isspace(spec[at])) absl::StrAppend(&kept, spec.substr(at, end - at), " ");
    at = end;
  }
  return SpecDigest(kept);
}

absl::StatusOr<Start> DecideStart(const WorkerJob& job, const networks::Network& network,
                                  const std::string& key) {
  TY_ASSIGN_OR_RETURN(const std::string parent, InitialDigest(job.train()));
  const networks::SpecFields fields = networks::FieldsOf(network.name());
  TY_ASSIGN_OR_RETURN(Start start, FromBeginning(job, network, key, parent));
  std::string identity =
      absl::StrCat(TrainingDigest(job.spec(), fields.not_of_the_weights), " ", parent);
  // Where the spec does not say the classes, the data do, whose place does not count.
  if (network.classes().empty()) {
    absl::StrAppend(&identity, " ", absl::StrJoin(start.model.record.classes(), "\n"));
  }
  const std::string training_id = Sha256Hex(identity);
  TY_ASSIGN_OR_RETURN(std::optional<FoundCheckpoint> found,
                      FindResume(job, start.model.record, training_id, key));
  std::string goes_on_from;
  if (found) {
    if (found->checkpoint.state) goes_on_from = found->path;
    TY_ASSIGN_OR_RETURN(start, FromCheckpoint(job, network, start.model, *std::move(found)));
  } else if (!job.train().resume_model().empty()) {
    start.warnings.push_back(
        absl::StrCat("'", job.train().resume_model(),
                     "/weights' holds no checkpoint of this training to resume; "
                     "it starts from the beginning"));
  }
  Adopt(start, training_id, network.training_plan().epochs, fields.epochs);
  const CheckpointStore store(job.train().results_dir(), start.model.record, key);
  TY_RETURN_IF_ERROR(
      store.CheckNothingIsLost(start.state, goes_on_from, job.train().initial_model()));
  return start;
}

}  // namespace trainyard::training
