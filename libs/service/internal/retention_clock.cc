#include "libs/service/internal/retention_clock.h"

namespace trainyard::service {
namespace {

constexpr char kBelieved[] = "retention_clock_us";
constexpr char kWall[] = "retention_clock_wall_us";
constexpr absl::Duration kLongestPause = absl::Hours(24);

}  // namespace

RetentionClock::RetentionClock(const std::map<std::string, int64_t>& stored, absl::Time wall,
                               SteadyTime steady)
    : begin_(wall), steady_begin_(steady) {
  const auto believed = stored.find(kBelieved), last_wall = stored.find(kWall);
  if (believed == stored.end() || last_wall == stored.end()) return;
  const absl::Duration pause = wall - absl::FromUnixMicros(last_wall->second);
  const bool leapt = pause < absl::ZeroDuration() || pause > kLongestPause;
  begin_ = absl::FromUnixMicros(believed->second) + (leapt ? absl::ZeroDuration() : pause);
}

absl::Time RetentionClock::At(SteadyTime steady) const {
  return begin_ + absl::FromChrono(steady - steady_begin_);
}

std::map<std::string, int64_t> RetentionClock::State(absl::Time wall, SteadyTime steady) const {
  return {{kBelieved, absl::ToUnixMicros(At(steady))}, {kWall, absl::ToUnixMicros(wall)}};
}

}  // namespace trainyard::service
