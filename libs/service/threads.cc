#include "libs/service/threads.h"

#include <sched.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "libs/base/files.h"

namespace trainyard::service {
namespace {

constexpr int64_t kMostBytes = 65536;

std::string ReadSmall(const std::string& path) {
  auto text = ReadFile(path, kMostBytes);
  return text.ok() ? *std::move(text) : "";
}

// CPUs that quota and period allow, rounded up; `cpus` when there is no quota.
int Limit(double quota, double period, int cpus) {
  if (quota <= 0 || period <= 0) return cpus;
  const int allowed = static_cast<int>((quota + period - 1) / period);
  return std::clamp(allowed, 1, cpus);
}

int LimitV2(const std::string& folder, int cpus) {
  const std::vector<std::string> words =
      absl::StrSplit(ReadSmall(folder + "/cpu.max"), absl::ByAnyChar(" \n"), absl::SkipEmpty());
  double quota, period;
  if (words.size() < 2 || !absl::SimpleAtod(words[0], &quota) ||
      !absl::SimpleAtod(words[1], &period)) {
    return cpus;  // "max", or no such file
  }
  return Limit(quota, period, cpus);
}

int LimitV1(const std::string& folder, int cpus) {
  double quota, period;
  if (!absl::SimpleAtod(ReadSmall(folder + "/cpu.cfs_quota_us"), &quota) ||
      !absl::SimpleAtod(ReadSmall(folder + "/cpu.cfs_period_us"), &period)) {
    return cpus;
  }
  return Limit(quota, period, cpus);
}

int CpusInAffinityMask() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace

int ThreadBudgetFrom(const std::string& cgroup_file, const std::string& mount, int cpus) {
  int budget = cpus;
  for (absl::string_view line : absl::StrSplit(ReadSmall(cgroup_file), '\n', absl::SkipEmpty())) {
    // hierarchy:controllers:path; version 2 has no controllers.
    const std::vector<std::string> parts = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (parts.size() != 3) continue;
    const bool v2 = parts[1].empty();
    const std::vector<std::string> controllers = absl::StrSplit(parts[1], ',');
    const bool v1 = std::find(controllers.begin(), controllers.end(), "cpu") != controllers.end();
    if (!v2 && !v1) continue;
    const std::string top = v2 ? mount : JoinPath(mount, parts[1]);
    // A quota of any group above holds for us, too.
    for (std::string path = parts[2];; path = DirName(path)) {
      const std::string folder = path == "/" ? top : absl::StrCat(top, path);
      budget = std::min(budget, v2 ? LimitV2(folder, cpus) : LimitV1(folder, cpus));
      if (path == "/" || path == "." || path.empty()) break;
    }
  }
  return std::max(1, budget);
}

int ThreadBudget() {
  static const int budget =
      ThreadBudgetFrom("/proc/self/cgroup", "/sys/fs/cgroup", CpusInAffinityMask());
  return budget;
}

}  // namespace trainyard::service
