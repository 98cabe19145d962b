#pragma once

#include <string>

namespace trainyard::service {

/// How many threads this process's host may use at one time: the least of the CPUs in its affinity
/// mask and the CPU quotas of its cgroup and of those above it (v2 `cpu.max`, v1 `cpu.cfs_*`), rounded
/// up; at least 1. Read once.
int ThreadBudget();

/// The same from a given tree, for tests: `cgroup_file` as /proc/self/cgroup, `mount` as
/// /sys/fs/cgroup. Returns `cpus` when there is no quota.
int ThreadBudgetFrom(const std::string& cgroup_file, const std::string& mount, int cpus);

}  // namespace trainyard::service
