#include "libs/training/checkpoints.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <tuple>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/sealing/model_store.h"

namespace trainyard::training {
namespace {

constexpr char kStateSection[] = "train_state";

Sections StateSection(const TrainState& state) {
  return {{kStateSection, state.SerializeAsString()}};
}

// The order in which checkpoints were made.
std::tuple<int, int64_t, bool> Age(const TrainState& state) {
  return {state.epoch(), state.step_in_epoch(), state.judged()};
}

}  // namespace

absl::StatusOr<Checkpoint> LoadCheckpoint(const std::string& path, const std::string& key) {
  TY_ASSIGN_OR_RETURN(SealedModel sealed, LoadModel(path, {SealedKind::kCheckpoint}, key));
  Checkpoint checkpoint{.model = std::move(sealed.model)};
  const auto section = sealed.extra.find(kStateSection);
  if (section == sealed.extra.end()) return checkpoint;
  if (!checkpoint.state.emplace().ParseFromString(section->second)) {
    return absl::DataLossError(
        absl::StrCat("checkpoint '", path, "': its training state cannot be read"));
  }
  return checkpoint;
}

absl::StatusOr<CheckpointStore> CheckpointStore::Create(const std::string& results_dir,
                                                        const ModelRecord& record,
                                                        std::string key) {
  const std::string folder = JoinPath(results_dir, "weights");
  TY_RETURN_IF_ERROR(MakeFolders(folder));
  return CheckpointStore(folder, absl::StrCat(record.network(), "_", record.arch()),
                         std::move(key));
}

std::string CheckpointStore::EpochPath(int epoch) const {
  return JoinPath(folder_, absl::StrFormat("%s_epoch_%03d.tlt", prefix_, epoch));
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
  TY_RETURN_IF_ERROR(SaveModel(path, SealedKind::kCheckpoint, model, StateSection(state), key_));
  TY_RETURN_IF_ERROR(RemoveTree(InterruptedPath()));
  return path;
}

absl::StatusOr<std::string> CheckpointStore::SaveInterrupted(const Model& model,
                                                             const TrainState& state) {
  const std::string path = InterruptedPath();
  TY_RETURN_IF_ERROR(SaveModel(path, SealedKind::kCheckpoint, model, StateSection(state), key_));
  return path;
}

absl::Status CheckpointStore::SaveBest(const Model& model, const TrainState& state) {
  const std::string saved = EpochPath(state.epoch());
  if (!FileExists(saved)) {
    return SaveModel(BestPath(), SealedKind::kCheckpoint, model, StateSection(state), key_);
  }
  // A second name, made beside the old one and then renamed over it.
  const std::string fresh = absl::StrCat(BestPath(), ".tmp");
  TY_RETURN_IF_ERROR(RemoveTree(fresh));
  if (link(saved.c_str(), fresh.c_str()) != 0) {
    return absl::InternalError(
        absl::StrCat("cannot link '", saved, "' to '", fresh, "': ", strerror(errno)));
  }
  return RenameSynced(fresh, BestPath());
}

absl::StatusOr<std::vector<std::string>> CheckpointStore::Files() const {
  TY_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListFolder(folder_));
  std::vector<std::string> files;
  for (const std::string& name : names) {
    const bool ours = absl::StartsWith(name, absl::StrCat(prefix_, "_epoch_")) ||
                      name == BaseName(InterruptedPath()) || name == BaseName(BestPath());
    if (ours && absl::EndsWith(name, ".tlt")) files.push_back(JoinPath(folder_, name));
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

absl::Status CheckpointStore::RemoveUnfinished() const {
  TY_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListFolder(folder_));
  for (const std::string& name : names) {
    if (absl::StartsWith(name, ".tmp-") && absl::StrContains(name, prefix_)) {
      TY_RETURN_IF_ERROR(RemoveTree(JoinPath(folder_, name)));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<int> CheckpointStore::RemoveAll(const std::string& keep) const {
  TY_ASSIGN_OR_RETURN(const std::vector<std::string> files, Files());
  int removed = 0;
  for (const std::string& path : files) {
    if (path == keep) continue;
    TY_RETURN_IF_ERROR(RemoveTree(path));
    ++removed;
  }
  return removed;
}

}  // namespace trainyard::training
