#pragma once

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/inotify.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace trainyard::testing {

/// A program under test, killed at the end of the test at the latest.
class ChildProcess {
 public:
  /// stdout and stderr are appended to `log_path`; `environment` is added to this process's.
  ChildProcess(std::vector<std::string> words, const std::string& log_path,
               std::vector<std::string> environment = {}) {
    for (char** entry = environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    const int error = posix_spawn(&pid_, words[0].c_str(), &actions, nullptr, Pointers(words).data(),
                                  Pointers(environment).data());
    posix_spawn_file_actions_destroy(&actions);
    EXPECT_EQ(error, 0) << words[0];
  }
  ~ChildProcess() {
    if (pid_ > 0) {
      Signal(SIGKILL);
      Wait();
    }
  }
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }
  void Signal(int signal) const { kill(pid_, signal); }
  /// Blocks until it ends: its exit code, or 128 + the signal that ended it.
  int Wait() {
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  }

 private:
  static std::vector<char*> Pointers(std::vector<std::string>& words) {
    std::vector<char*> pointers;
    for (std::string& word : words) pointers.push_back(word.data());
    pointers.push_back(nullptr);
    return pointers;
  }
  pid_t pid_ = -1;
};

/// Blocks until a file is there (its folder must be): false after `seconds`.
inline bool AwaitFile(const std::string& path, int seconds = 60) {
  const int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  inotify_add_watch(fd, std::filesystem::path(path).parent_path().c_str(),
                    IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  bool there = std::filesystem::exists(path);
  while (!there && std::chrono::steady_clock::now() < deadline) {
    pollfd watched{fd, POLLIN, 0};
    poll(&watched, 1, 1000);
    char events[4096];
    while (read(fd, events, sizeof(events)) > 0) {
    }
    there = std::filesystem::exists(path);
  }
  close(fd);
  return there;
}

}  // namespace trainyard::testing
