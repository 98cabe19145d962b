#include "libs/training/checkpoints.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "libs/base/files.h"
#include "libs/base/paths.h"
#include "libs/base/status.h"
#include "libs/base/writes.h"
#include "libs/networks/registry.h"
#include "libs/sealing/model_store.h"

namespace trainyard::training {
namespace {

constexpr char kStateSection[] = "train_state";

sealing::Sections StateSection(const TrainState& state) {
  return {{kStateSection, state.SerializeAsString()}};
}

// The order in which checkpoints were made.
std::tuple<int, int64_t, bool> Age(const TrainState& state) {
  return {state.epoch(), state.step_in_epoch(), state.judged()};
}

// Whether `a` stands where `b` does or before; judging changes no weights.
bool IsPast(const TrainState& a, const TrainState& b) {
  return std::pair(a.epoch(), a.step_in_epoch()) <= std::pair(b.epoch(), b.step_in_epoch());
}

// "3 checkpoints (epochs 1 to 2)" of files in the order of their epochs.
std::string DescribeFiles(const std::vector<std::string>& files) {
  std::vector<int> epochs;
  for (const std::string& path : files) {
    const std::string stem = Stem(path);
    int epoch = 0;
    if (absl::SimpleAtoi(stem.substr(stem.rfind('_') + 1), &epoch)) epochs.push_back(epoch);
  }
  std::string text = absl::StrCat(files.size(), files.size() == 1 ? " checkpoint" : " checkpoints");
  if (epochs.size() == 1) absl::StrAppend(&text, " (epoch ", epochs.front(), ")");
  if (epochs.size() > 1) {
    absl::StrAppend(&text, " (epochs ", epochs.front(), " to ", epochs.back(), ")");
  }
  return text;
}

}  // namespace

absl::StatusOr<Checkpoint> LoadCheckpoint(const std::string& path, const std::string& key) {
  TY_ASSIGN_OR_RETURN(sealing::SealedModel sealed,
                      sealing::LoadModel(path, {sealing::SealedKind::kCheckpoint}, key));
  Checkpoint checkpoint{.model = std::move(sealed.model)};
  const auto section = sealed.extra.find(kStateSection);
  if (section == sealed.extra.end()) return checkpoint;
  if (!checkpoint.state.emplace().ParseFromString(section->second)) {
    return absl::DataLossError(
        absl::StrCat("checkpoint '", path, "': its training state cannot be read"));
  }
  return checkpoint;
}

CheckpointStore::CheckpointStore(const std::string& results_dir, const ModelRecord& record,
                                 std::string key)
    : folder_(JoinPath(results_dir, "weights")),
      prefix_(networks::FilesOf(record).checkpoint_prefix),
      epoch_infix_(networks::FilesOf(record).epoch_infix),
      epochs_field_(networks::FieldsOf(record.network()).epochs),
      key_(std::move(key)) {}

absl::Status CheckpointStore::CheckNothingIsLost(const TrainState& start,
                                                 const std::string& goes_on_from,
                                                 const std::string& initial_model) const {
  TY_ASSIGN_OR_RETURN(const std::vector<std::string> files, Files());
  const std::string from = CanonicalPath(goes_on_from), initial = CanonicalPath(initial_model);
  // From another folder it brings nothing of its past into this one.
  const bool goes_on = !goes_on_from.empty() && DirName(from) == CanonicalPath(folder_);
  for (const std::string& path : files) {
    if (!initial_model.empty() && CanonicalPath(path) == initial) {
      return absl::FailedPreconditionError(absl::StrCat(
          "starts from '", initial_model,
          "', which has the name of one of this training's own checkpoints, so that it would "
          "replace it; choose another results folder, or copy the model out of '",
          folder_, "' and clear that"));
    }
    if (goes_on && CanonicalPath(path) == from) continue;
    const absl::Status free = CheckFile(path, start, goes_on);
    if (free.ok()) continue;
    return absl::FailedPreconditionError(
        absl::StrCat("'", folder_, "' holds ", DescribeFiles(files),
                     ", and this training would replace some that are not its own: '",
                     BaseName(path), "' ", free.message(),
                     "; choose another results folder, remove them, or go on from the newest: name "
                     "it as the model (-m) with --initial_epoch one above its epoch"));
  }
  return absl::OkStatus();
}

// OK when the file may be replaced; else how it differs.
absl::Status CheckpointStore::CheckFile(const std::string& path, const TrainState& start,
                                        bool goes_on) const {
  // No need to read what is older than the start: it stays.
  if (goes_on && path < EpochPath(start.epoch() + 1) && path.size() == EpochPath(0).size()) {
    return absl::OkStatus();
  }
  const absl::StatusOr<Checkpoint> there = LoadCheckpoint(path, key_);
  // What is damaged and newer is made again.
  if (goes_on && absl::IsDataLoss(there.status())) return absl::OkStatus();
  TY_RETURN_IF_ERROR(there.status());
  if (!there->state) return absl::FailedPreconditionError("holds no training state");
  if (goes_on && IsPast(*there->state, start)) return absl::OkStatus();
  if (there->state->training_id() != start.training_id()) {
    return absl::FailedPreconditionError("is of another spec or initial model");
  }
  if (there->state->epochs() != start.epochs()) {
    return absl::FailedPreconditionError(
        absl::StrCat("was made with ", epochs_field_, " ", there->state->epochs(), ", not ", start.epochs(),
                     " (--resume goes on with it)"));
  }
  if (there->state->mixed() != start.mixed()) {
    return absl::FailedPreconditionError("goes on from another training, or this one does");
  }
  return absl::OkStatus();
}

std::string CheckpointStore::EpochPath(int epoch) const {
  return JoinPath(folder_, absl::StrFormat("%s%s%03d.tlt", prefix_, epoch_infix_, epoch));
}

bool CheckpointStore::IsEpoch(const std::string& name) const {
  absl::string_view number = name;
  return absl::ConsumePrefix(&number, prefix_) && absl::ConsumePrefix(&number, epoch_infix_) &&
         absl::ConsumeSuffix(&number, ".tlt") && !number.empty() &&
         std::all_of(number.begin(), number.end(), absl::ascii_isdigit);
}

std::string CheckpointStore::InterruptedPath() const {
  return JoinPath(folder_, absl::StrCat(prefix_, "_interrupted.tlt"));
}

std::string CheckpointStore::BestPath() const {
  return JoinPath(folder_, absl::StrCat(prefix_, "_best.tlt"));
}

absl::StatusOr<std::string> CheckpointStore::SaveEpoch(const Model& model,
                                                       const TrainState& state) {
  const std::string path = EpochPath(state.epoch());
  TY_RETURN_IF_ERROR(
      sealing::SaveModel(path, sealing::SealedKind::kCheckpoint, model, StateSection(state), key_));
  TY_RETURN_IF_ERROR(RemoveTree(InterruptedPath()));
  return path;
}

absl::StatusOr<std::string> CheckpointStore::SaveInterrupted(const Model& model,
                                                             const TrainState& state) {
  const std::string path = InterruptedPath();
  TY_RETURN_IF_ERROR(
      sealing::SaveModel(path, sealing::SealedKind::kCheckpoint, model, StateSection(state), key_));
  return path;
}

absl::Status CheckpointStore::SaveBest(const Model& model, const TrainState& state) {
  const std::string saved = EpochPath(state.epoch());
  if (!FileExists(saved)) {
    return sealing::SaveModel(BestPath(), sealing::SealedKind::kCheckpoint, model,
                              StateSection(state), key_);
  }
  if (IsSamePath(saved, BestPath())) return absl::OkStatus();
  // A second name, made beside the old one and then renamed over it.
  const std::string fresh = absl::StrCat(BestPath(), ".tmp");
  TY_RETURN_IF_ERROR(RemoveTree(fresh));
  TY_RETURN_IF_ERROR(LinkFile(saved, fresh));
  return RenameSynced(fresh, BestPath());
}

absl::Status CheckpointStore::KeepBest(int epoch) const {
  if (FileExists(EpochPath(epoch))) return absl::OkStatus();
  return LinkFile(BestPath(), EpochPath(epoch));
}

absl::StatusOr<std::vector<std::string>> CheckpointStore::Files() const {
  if (!FolderExists(folder_)) return std::vector<std::string>();
  TY_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListFolder(folder_));
  std::vector<std::string> files;
  for (const std::string& name : names) {
    const bool ours = IsEpoch(name) || name == BaseName(InterruptedPath()) ||
                      name == BaseName(BestPath());
    if (ours) files.push_back(JoinPath(folder_, name));
  }
  // Epoch 1000 comes after epoch 999; the interrupted one is the longest name, so it is last.
  std::sort(files.begin(), files.end(), [](const std::string& a, const std::string& b) {
    return std::pair(a.size(), a) < std::pair(b.size(), b);
  });
  return files;
}

absl::StatusOr<std::optional<FoundCheckpoint>> CheckpointStore::FindNewest(
    const std::string& training_id) const {
  TY_ASSIGN_OR_RETURN(const std::vector<std::string> files, Files());
  std::vector<absl::Status> passed_over;
  std::optional<FoundCheckpoint> newest;
  for (auto path = files.rbegin(); path != files.rend(); ++path) {
    // Epochs come in descending order, so an older one cannot win; the interrupted one may.
    if (*path == BestPath() || (newest && *path != InterruptedPath())) continue;
    absl::StatusOr<Checkpoint> checkpoint = LoadCheckpoint(*path, key_);
    if (absl::IsInvalidArgument(checkpoint.status())) return checkpoint.status();
    if (!checkpoint.ok()) {
      passed_over.push_back(checkpoint.status());
      continue;
    }
    if (!checkpoint->state || checkpoint->state->training_id() != training_id) continue;
    if (newest && Age(*newest->checkpoint.state) >= Age(*checkpoint->state)) continue;
    newest = FoundCheckpoint{.path = *path, .checkpoint = *std::move(checkpoint)};
  }
  if (newest) newest->passed_over = std::move(passed_over);
  return newest;
}

absl::Status CheckpointStore::Open() const {
  TY_RETURN_IF_ERROR(MakeFolders(folder_));
  TY_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListFolder(folder_));
  for (const std::string& name : names) {
    if (absl::StartsWith(name, ".tmp-") && absl::StrContains(name, prefix_)) {
      TY_RETURN_IF_ERROR(RemoveTree(JoinPath(folder_, name)));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<int> CheckpointStore::RemoveAll() const {
  TY_ASSIGN_OR_RETURN(const std::vector<std::string> files, Files());
  for (const std::string& path : files) TY_RETURN_IF_ERROR(RemoveTree(path));
  return static_cast<int>(files.size());
}

}  // namespace trainyard::training
