#include "libs/worker/internal/spawn.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/writes.h"

extern char** environ;

namespace trainyard::worker::internal {
namespace {

// Numbers below are taken by what a child gets.
constexpr int kFirstFreeFd = 16;

bool SoundsSecret(absl::string_view name) {
  const std::string upper = absl::AsciiStrToUpper(name);
  for (absl::string_view part : {"KEY", "TOKEN", "SECRET", "PASS", "CREDENTIAL", "AUTH"}) {
    if (absl::StrContains(upper, part)) return true;
  }
  return false;
}

bool IsPassedThrough(absl::string_view name) {
  for (absl::string_view exact :
       {"PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH", "TZ", "TRAINYARD_WORKER_DIR",
        "PYTORCH_CUDA_ALLOC_CONF", "MALLOC_ARENA_MAX"}) {
    if (name == exact) return true;
  }
  if (SoundsSecret(name)) return false;
  for (absl::string_view prefix :
       {"LC_", "CUDA_", "NVIDIA_", "NCCL_", "OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "ATEN_",
        "TORCH_", "TBB_", "OV_", "OPENVINO_", "ASAN_", "UBSAN_", "LSAN_", "TSAN_", "GCOV_"}) {
    if (absl::StartsWith(name, prefix)) return true;
  }
  return false;
}

// "NAME=value" for the child; `added` wins.
std::vector<std::string> EnvironmentFor(const std::map<std::string, std::string>& added) {
  std::vector<std::string> entries;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const absl::string_view text(*entry);
    const std::string name(text.substr(0, text.find('=')));
    if (IsPassedThrough(name) && added.count(name) == 0) entries.emplace_back(text);
  }
  for (const auto& [name, value] : added) entries.push_back(absl::StrCat(name, "=", value));
  return entries;
}

std::vector<char*> Pointers(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

// Descriptors of ours under high numbers, so that the child's low ones do not cut them off.
class Raised {
 public:
  explicit Raised(const std::vector<std::pair<int, int>>& inherited) {
    for (const auto& [ours, theirs] : inherited) {
      fds_.emplace_back(fcntl(ours, F_DUPFD_CLOEXEC, kFirstFreeFd), theirs);
    }
  }
  ~Raised() {
    for (const auto& [ours, theirs] : fds_) {
      if (ours >= 0) close(ours);
    }
  }
  Raised(const Raised&) = delete;
  Raised& operator=(const Raised&) = delete;

  bool all() const {
    return std::all_of(fds_.begin(), fds_.end(), [](const auto& pair) { return pair.first >= 0; });
  }
  const std::vector<std::pair<int, int>>& fds() const { return fds_; }

 private:
  std::vector<std::pair<int, int>> fds_;
};

// posix_spawn's two attribute objects.
class SpawnSetup {
 public:
  explicit SpawnSetup(const std::vector<std::pair<int, int>>& inherited) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawn_file_actions_addopen(&actions_, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions_, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions_, 2, "/dev/null", O_WRONLY, 0);
    int last = 2;
    for (const auto& [ours, theirs] : inherited) {
      posix_spawn_file_actions_adddup2(&actions_, ours, theirs);
      last = std::max(last, theirs);
    }
    posix_spawn_file_actions_addclosefrom_np(&actions_, last + 1);
    // Servers block signals to wait for them; a worker starts with none blocked and none ignored.
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_init(&attributes_);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    // A process group of its own: Ctrl-C at a terminal reaches us, and we tell the worker.
    posix_spawnattr_setpgroup(&attributes_, 0);
    posix_spawnattr_setflags(
        &attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  }
  ~SpawnSetup() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  SpawnSetup(const SpawnSetup&) = delete;
  SpawnSetup& operator=(const SpawnSetup&) = delete;

  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

}  // namespace

absl::StatusOr<pid_t> Spawn(const SpawnOptions& options) {
  std::vector<std::string> arguments = options.arguments;
  std::vector<std::string> entries = EnvironmentFor(options.environment);
  std::vector<std::pair<int, int>> inherited = options.inherited;
  int log = -1;
  const absl::Cleanup close_log = [&log] {
    if (log >= 0) close(log);
  };
  if (!options.log_path.empty()) {
    TY_ASSIGN_OR_RETURN(log, OpenToWrite(options.log_path, O_WRONLY | O_CREAT | O_APPEND));
    inherited.emplace_back(log, 1);
    inherited.emplace_back(log, 2);
  }
  const Raised raised(inherited);
  if (!raised.all()) {
    return absl::ResourceExhaustedError(
        absl::StrCat("cannot start '", arguments[0], "': ", strerror(errno)));
  }
  const SpawnSetup setup(raised.fds());
  pid_t pid = 0;
  const int error = posix_spawn(&pid, arguments[0].c_str(), &setup.actions_, &setup.attributes_,
                                Pointers(arguments).data(), Pointers(entries).data());
  if (error == 0) return pid;
  const std::string message = absl::StrCat("cannot start '", arguments[0], "': ", strerror(error));
  if (error == ENOENT) return absl::NotFoundError(message);
  if (error == EAGAIN || error == ENOMEM) return absl::ResourceExhaustedError(message);
  return absl::InternalError(message);
}

}  // namespace trainyard::worker::internal
