#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>

namespace trainyard::worker::internal {

/// A cgroup that bounds the memory of one worker and what it starts: all that is resident, which a
/// limit of a process's data cannot bound for one that uses CUDA.
class MemoryGroup {
 public:
  /// Below the group of this process; null where it may not make one, as in most containers: version 1
  /// needs the right to write there, version 2 a group that gives the memory controller to its children
  /// (systemd: Delegate=memory, and the service in a subgroup).
  /// Removes what killed processes left there.
  static std::unique_ptr<MemoryGroup> Make(int64_t bytes);
  /// Removes the group; its processes must have ended.
  ~MemoryGroup();
  MemoryGroup(const MemoryGroup&) = delete;
  MemoryGroup& operator=(const MemoryGroup&) = delete;

  /// Moves a process into it.
  bool Add(pid_t pid) const;
  /// Whether the kernel killed a process of it for want of memory.
  bool RanOut() const;

 private:
  MemoryGroup(std::string folder, bool v2) : folder_(std::move(folder)), v2_(v2) {}
  const std::string folder_;
  const bool v2_;
};

/// Removes the groups in `folder` that are named as Make names them, whose maker is dead, and that
/// have no process any more.
void RemoveLeftGroups(const std::string& folder);

}  // namespace trainyard::worker::internal
