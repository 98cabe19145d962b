#include "libs/service/job_memory.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "libs/base/files.h"

namespace trainyard::service {
namespace {

constexpr int64_t kMostFileBytes = 65536;
constexpr int64_t kMiB = int64_t{1} << 20;
constexpr int64_t kLeastShare = 256 * kMiB;
constexpr int64_t kLeastSetting = 64 * kMiB;
// More than any machine has: version 1 of cgroups says "no limit" so.
constexpr int64_t kNoLimit = int64_t{1} << 60;

std::string ReadSmall(const std::string& path) {
  auto text = ReadFile(path, kMostFileBytes);
  return text.ok() ? *std::move(text) : "";
}

// The number in a file, or kNoLimit ("max", or no such file).
int64_t LimitIn(const std::string& path) {
  int64_t bytes;
  return absl::SimpleAtoi(ReadSmall(path), &bytes) && bytes > 0 ? bytes : kNoLimit;
}

int64_t MachineMemory(const std::string& meminfo) {
  for (absl::string_view line : absl::StrSplit(ReadSmall(meminfo), '\n')) {
    int64_t kib;
    if (absl::ConsumePrefix(&line, "MemTotal:") && absl::ConsumeSuffix(&line, "kB") &&
        absl::SimpleAtoi(line, &kib)) {
      return kib << 10;
    }
  }
  return kNoLimit;
}

}  // namespace

int64_t MemoryBudgetFrom(const std::string& cgroup_file, const std::string& mount,
                         const std::string& meminfo) {
  int64_t budget = MachineMemory(meminfo);
  for (absl::string_view line : absl::StrSplit(ReadSmall(cgroup_file), '\n', absl::SkipEmpty())) {
    // hierarchy:controllers:path; version 2 has no controllers.
    const std::vector<std::string> parts = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (parts.size() != 3) continue;
    const bool v2 = parts[1].empty();
    if (!v2 && parts[1] != "memory") continue;
    const std::string top = v2 ? mount : JoinPath(mount, "memory");
    const char* name = v2 ? "memory.max" : "memory.limit_in_bytes";
    // A limit of any group above holds for us, too.
    for (std::string path = parts[2];; path = DirName(path)) {
      budget = std::min(budget, LimitIn(JoinPath(path == "/" ? top : absl::StrCat(top, path), name)));
      if (path == "/" || path == "." || path.empty()) break;
    }
  }
  return budget;
}

int64_t MemoryBudget() {
  return MemoryBudgetFrom("/proc/self/cgroup", "/sys/fs/cgroup", "/proc/meminfo");
}

absl::StatusOr<int64_t> JobMemory(absl::string_view setting, int jobs, int64_t budget) {
  if (setting == "off" || setting == "0") return 0;
  if (setting == "auto") {
    if (budget >= kNoLimit) return 0;
    return std::max(kLeastShare, budget / 4 * 3 / std::max(1, jobs));
  }
  absl::string_view number = setting;
  int64_t unit = 1, count;
  for (const auto& [suffix, bytes] : {std::pair("KiB", kMiB >> 10), std::pair("MiB", kMiB),
                                      std::pair("GiB", kMiB << 10), std::pair("K", kMiB >> 10),
                                      std::pair("M", kMiB), std::pair("G", kMiB << 10)}) {
    if (!absl::ConsumeSuffix(&number, suffix)) continue;
    unit = bytes;
    break;
  }
  if (absl::SimpleAtoi(number, &count) && count > 0 && count <= kNoLimit / unit &&
      count * unit >= kLeastSetting) {
    return count * unit;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("--job-memory is '", setting,
                   "'; expected off, auto, or at least 64 MiB, as 8GiB or 512MiB"));
}

}  // namespace trainyard::service
