#include "libs/worker/internal/spawn.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

extern char** environ;

namespace trainyard::worker::internal {
namespace {

bool IsPassedThrough(absl::string_view name) {
  for (absl::string_view exact : {"PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH", "TZ"}) {
    if (name == exact) return true;
  }
  for (absl::string_view prefix :
       {"CUDA_", "NVIDIA_", "NCCL_", "TRAINYARD_", "LC_", "ASAN_", "UBSAN_", "LSAN_", "GCOV_", "TBB_"}) {
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

// posix_spawn's two attribute objects.
class SpawnSetup {
 public:
  explicit SpawnSetup(const SpawnOptions& options) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawn_file_actions_addopen(&actions_, 0, "/dev/null", O_RDONLY, 0);
    const char* log = options.log_path.empty() ? "/dev/null" : options.log_path.c_str();
    posix_spawn_file_actions_addopen(&actions_, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0644);
    posix_spawn_file_actions_adddup2(&actions_, 1, 2);
    for (const auto& [ours, theirs] : options.inherited) {
      posix_spawn_file_actions_adddup2(&actions_, ours, theirs);
    }
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
  const SpawnSetup setup(options);
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
