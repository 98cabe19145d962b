#include "libs/worker/internal/memory_group.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <fstream>
#include <sstream>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "libs/base/files.h"

namespace trainyard::worker::internal {
namespace {

constexpr char kMount[] = "/sys/fs/cgroup";
constexpr char kPrefix[] = "trainyard-";

std::string ContentOf(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// The kernel answers at the write; an existing file is needed.
bool Put(const std::string& path, int64_t number) {
  const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const std::string text = absl::StrCat(number);
  const bool done = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  close(fd);
  return done;
}

// The folder of this process's group that has the memory controller, and whether that is version 2.
std::pair<std::string, bool> OwnGroup() {
  std::string v2;
  const std::string groups = ContentOf("/proc/self/cgroup");
  for (absl::string_view line : absl::StrSplit(groups, '\n', absl::SkipEmpty())) {
    const std::vector<std::string> parts = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (parts.size() != 3) continue;
    if (parts[1] == "memory") return {absl::StrCat(kMount, "/memory", parts[2]), false};
    if (parts[1].empty()) v2 = absl::StrCat(kMount, parts[2]);
  }
  return {v2, true};
}

}  // namespace

std::unique_ptr<MemoryGroup> MemoryGroup::Make(int64_t bytes) {
  const auto [own, v2] = OwnGroup();
  // Its own group may hold no process if it gives controllers on: the group above may.
  const std::string above = v2 ? DirName(own) : own;
  if (own.empty() || (v2 && !absl::StrContains(ContentOf(above + "/cgroup.subtree_control"), "memory"))) {
    return nullptr;
  }
  RemoveLeftGroups(above);
  static std::atomic<int> counter{0};
  const std::string folder = absl::StrCat(above, "/", kPrefix, getpid(), "-", counter++);
  // One of that name is of a killed process that had our number; it goes only when it is empty.
  rmdir(folder.c_str());
  if (mkdir(folder.c_str(), 0755) != 0) return nullptr;
  std::unique_ptr<MemoryGroup> group(new MemoryGroup(folder, v2));
  if (!Put(folder + (v2 ? "/memory.max" : "/memory.limit_in_bytes"), bytes)) return nullptr;
  // Else it would go on in the swap; where there is none, there is no such file.
  v2 ? Put(folder + "/memory.swap.max", 0) : Put(folder + "/memory.memsw.limit_in_bytes", bytes);
  return group;
}

void RemoveLeftGroups(const std::string& folder) {
  const auto names = ListFolder(folder);
  if (!names.ok()) return;
  for (const std::string& name : *names) {
    absl::string_view numbers = name;
    if (!absl::ConsumePrefix(&numbers, kPrefix)) continue;
    const std::vector<std::string> parts = absl::StrSplit(numbers, '-');
    pid_t maker;
    int number;
    if (parts.size() != 2 || !absl::SimpleAtoi(parts[0], &maker) ||
        !absl::SimpleAtoi(parts[1], &number) || maker <= 0) {
      continue;
    }
    // The kernel refuses to remove one that has a process.
    if (kill(maker, 0) != 0 && errno == ESRCH) rmdir(JoinPath(folder, name).c_str());
  }
}

MemoryGroup::~MemoryGroup() { rmdir(folder_.c_str()); }

bool MemoryGroup::Add(pid_t pid) const { return Put(folder_ + "/cgroup.procs", pid); }

bool MemoryGroup::RanOut() const {
  const std::string text = ContentOf(folder_ + (v2_ ? "/memory.events" : "/memory.oom_control"));
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (absl::StartsWith(line, "oom_kill ")) return line != "oom_kill 0";
  }
  return false;
}

}  // namespace trainyard::worker::internal
