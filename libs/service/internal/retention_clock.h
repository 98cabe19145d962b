#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>

#include "absl/time/time.h"

namespace trainyard::service {

using SteadyTime = std::chrono::steady_clock::time_point;

/// The time by which ended operations are forgotten. A wall clock that leaps must not make them old, so
/// this one counts what the steady clock counts while the process runs, and the pauses between
/// processes by the wall clock, of which one that is negative or longer than a day is not believed. It
/// may stay behind the wall clock; then rows are kept longer. Immutable, so any thread may use it.
class RetentionClock {
 public:
  /// Goes on from what an earlier process stored (State); starts at `wall` when there is nothing.
  RetentionClock(const std::map<std::string, int64_t>& stored, absl::Time wall, SteadyTime steady);

  absl::Time At(SteadyTime steady) const;
  /// What to store now and then.
  std::map<std::string, int64_t> State(absl::Time wall, SteadyTime steady) const;

 private:
  absl::Time begin_;
  SteadyTime steady_begin_;
};

}  // namespace trainyard::service
