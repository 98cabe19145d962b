#include "libs/pretrained/internal/program.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "libs/base/files.h"
#include "libs/base/status.h"

extern char** environ;

namespace trainyard::pretrained {
namespace {

/// How much of what it wrote goes into a message.
constexpr size_t kTailBytes = 2000;
constexpr int kLookAtStopMs = 200;

bool IsPassedOn(absl::string_view name) {
  for (const absl::string_view exact : {"PATH",
                                        "HOME",
                                        "USER",
                                        "LANG",
                                        "TMPDIR",
                                        "TZ",
                                        "LD_LIBRARY_PATH",
                                        "VIRTUAL_ENV",
                                        "SSL_CERT_FILE",
                                        "SSL_CERT_DIR",
                                        "REQUESTS_CA_BUNDLE",
                                        "CURL_CA_BUNDLE",
                                        "http_proxy",
                                        "https_proxy",
                                        "all_proxy",
                                        "no_proxy",
                                        "HTTP_PROXY",
                                        "HTTPS_PROXY",
                                        "ALL_PROXY",
                                        "NO_PROXY"}) {
    if (name == exact) return true;
  }
  for (const absl::string_view prefix : {"LC_", "XDG_", "PIP_", "PYTHON", "PYENV_"}) {
    if (absl::StartsWith(name, prefix)) return true;
  }
  return false;
}

std::vector<std::string> EnvironmentWithout(const std::string& withheld) {
  std::vector<std::string> entries;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const absl::string_view text(*entry);
    const absl::string_view name = text.substr(0, text.find('='));
    if (IsPassedOn(name) && name != withheld) entries.emplace_back(text);
  }
  return entries;
}

std::vector<char*> Pointers(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

/// Starts it with stdout and stderr at `output`.
absl::StatusOr<pid_t> Spawn(const ProgramOptions& options, int output) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  const absl::Cleanup clear = [&] {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  };
  posix_spawn_file_actions_adddup2(&actions, output, 1);
  posix_spawn_file_actions_adddup2(&actions, output, 2);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  posix_spawn_file_actions_addchdir_np(&actions, options.folder.c_str());
  // The command line blocks signals to wait for them; a client starts with none blocked or ignored,
  // in a group of its own, so that its children end with it.
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  std::vector<std::string> arguments = options.arguments;
  std::vector<std::string> environment = EnvironmentWithout(options.withheld);
  pid_t pid = 0;
  const int error = posix_spawn(&pid, arguments[0].c_str(), &actions, &attributes,
                                Pointers(arguments).data(), Pointers(environment).data());
  if (error == 0) return pid;
  const std::string message = absl::StrCat("cannot start '", arguments[0], "': ", strerror(error));
  if (error == EAGAIN || error == ENOMEM) return absl::ResourceExhaustedError(message);
  return absl::InternalError(message);
}

/// Cuts what a program writes into lines, and keeps the end of it.
class Lines {
 public:
  explicit Lines(const std::function<void(const std::string&)>& on_line) : on_line_(on_line) {}

  void Take(absl::string_view bytes) {
    tail_.append(bytes.data(), bytes.size());
    if (tail_.size() > 2 * kTailBytes) tail_.erase(0, tail_.size() - kTailBytes);
    for (const char c : bytes) {
      if (c == '\n' || c == '\r' || line_.size() == kTailBytes) Flush();
      if (c != '\n' && c != '\r') line_.push_back(c);
    }
  }
  void Flush() {
    if (!line_.empty() && on_line_) on_line_(line_);
    line_.clear();
  }
  std::string Tail() const {
    const size_t cut = tail_.size() > kTailBytes ? tail_.size() - kTailBytes : 0;
    return std::string(absl::StripAsciiWhitespace(absl::string_view(tail_).substr(cut)));
  }

 private:
  const std::function<void(const std::string&)>& on_line_;
  std::string line_, tail_;
};

/// Reads until all who write have closed their end, or a stop.
void ReadAll(int input, const std::stop_token& stop, Lines& lines) {
  char buffer[4096];
  while (!stop.stop_requested()) {
    pollfd watched{input, POLLIN, 0};
    if (poll(&watched, 1, kLookAtStopMs) <= 0) continue;
    const ssize_t count = read(input, buffer, sizeof(buffer));
    if (count == 0 || (count < 0 && errno != EINTR)) break;
    if (count > 0) lines.Take({buffer, static_cast<size_t>(count)});
  }
  lines.Flush();
}

int Reap(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

}  // namespace

absl::Status RunProgram(const ProgramOptions& options) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    return absl::ResourceExhaustedError(absl::StrCat("cannot make a pipe: ", strerror(errno)));
  }
  const absl::Cleanup close_input = [&ends] { close(ends[0]); };
  const absl::StatusOr<pid_t> pid = Spawn(options, ends[1]);
  close(ends[1]);
  if (!pid.ok()) return pid.status();
  Lines lines(options.on_line);
  ReadAll(ends[0], options.stop, lines);
  if (options.stop.stop_requested()) kill(-*pid, SIGKILL);
  const int status = Reap(*pid);
  if (options.stop.stop_requested()) return absl::CancelledError("stopped");
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return absl::OkStatus();
  const std::string how = WIFSIGNALED(status)
                              ? absl::StrCat("was ended by signal ", WTERMSIG(status))
                              : absl::StrCat("ended with code ", WEXITSTATUS(status));
  const std::string tail = lines.Tail();
  return absl::UnavailableError(
      absl::StrCat("'", options.arguments[0], "' ", how,
                   tail.empty() ? ", without a word" : absl::StrCat(": ", tail)));
}

absl::StatusOr<std::string> FindOnPath(const std::string& name) {
  const char* path = getenv("PATH");
  for (const absl::string_view folder : absl::StrSplit(path == nullptr ? "" : path, ':')) {
    if (folder.empty()) continue;
    const std::string found = JoinPath(folder, name);
    if (FileExists(found) && access(found.c_str(), X_OK) == 0) {
      return std::filesystem::absolute(found).string();
    }
  }
  return absl::NotFoundError(absl::StrCat("no program '", name, "' on PATH"));
}

}  // namespace trainyard::pretrained
