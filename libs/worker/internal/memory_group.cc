#include "libs/worker/internal/memory_group.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <sstream>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/base/files.h"

namespace trainyard::worker::internal {
namespace {

constexpr char kMount[] = "/sys/fs/cgroup";

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
  static std::atomic<int> counter{0};
  const std::string folder = absl::StrCat(above, "/trainyard-", getpid(), "-", counter++);
  if (mkdir(folder.c_str(), 0755) != 0) return nullptr;
  std::unique_ptr<MemoryGroup> group(new MemoryGroup(folder, v2));
  if (!Put(folder + (v2 ? "/memory.max" : "/memory.limit_in_bytes"), bytes)) return nullptr;
  // Else it would go on in the swap; where there is none, there is no such file.
  v2 ? Put(folder + "/memory.swap.max", 0) : Put(folder + "/memory.memsw.limit_in_bytes", bytes);
  return group;
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
