#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace trainyard::service {

/// Bytes of memory that this process and its children may have in all: the machine's, or the least limit
/// of its cgroup and those above (version 1 or 2).
int64_t MemoryBudget();
/// The same from files of one's own: `/proc/self/cgroup`, `/sys/fs/cgroup`, `/proc/meminfo`.
int64_t MemoryBudgetFrom(const std::string& cgroup_file, const std::string& mount,
                         const std::string& meminfo);

/// What a job may have, in bytes, by the setting `--job-memory`: "off" is 0, no bound; "auto" is an equal
/// share of three quarters of `budget` for each of `jobs` that run at one time, at least 256 MiB; else a
/// number of bytes, MiB or GiB ("8GiB"), at least 64 MiB. kInvalidArgument says what is possible.
absl::StatusOr<int64_t> JobMemory(absl::string_view setting, int jobs, int64_t budget);

}  // namespace trainyard::service
