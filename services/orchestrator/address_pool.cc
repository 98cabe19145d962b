#include "services/orchestrator/address_pool.h"

#include <tuple>

#include "absl/strings/str_join.h"

namespace trainyard::orchestrator {

namespace {

// Addresses without operations that are remembered.
constexpr size_t kMostIdle = 1000;

}  // namespace

AddressPool::Lease::~Lease() {
  if (pool_ != nullptr) pool_->Give(address_);
}

absl::StatusOr<AddressPool::Lease> AddressPool::Acquire(const std::vector<std::string>& addresses,
                                                        const std::set<std::string>& avoid,
                                                        std::stop_token stop) {
  std::vector<std::string> candidates;
  for (const std::string& address : addresses) {
    if (!avoid.contains(address)) candidates.push_back(address);
  }
  if (candidates.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("no address is left of '", absl::StrJoin(addresses, ","), "'"));
  }
  for (const std::string& address : candidates) {
    // Each silent one takes seconds, which matter once the run is to stop.
    if (stop.stop_requested()) break;
    LearnCapacity(address);
  }

  std::unique_lock lock(mutex_);
  const std::string* chosen = nullptr;
  const auto choose = [&] {
    chosen = nullptr;
    for (const std::string& address : candidates) {
      const Load& load = loads_[address];
      if (load.capacity > 0 && load.operations >= load.capacity) continue;
      const auto rank = [this](const std::string& a) {
        return std::tuple(loads_[a].operations, loads_[a].last_choice);
      };
      if (chosen == nullptr || rank(address) < rank(*chosen)) chosen = &address;
    }
    return chosen != nullptr;
  };
  if (!room_.wait(lock, stop, choose)) {
    return absl::CancelledError("stopped while all replicas were busy");
  }
  Load& load = loads_[*chosen];
  ++load.operations;
  load.last_choice = ++choices_;
  return Lease(this, *chosen);
}

AddressPool::Lease AddressPool::Join(const std::string& address) {
  const std::lock_guard lock(mutex_);
  ++loads_[address].operations;
  return Lease(this, address);
}

void AddressPool::Give(const std::string& address) {
  {
    const std::lock_guard lock(mutex_);
    --loads_[address].operations;
  }
  room_.notify_all();
}

void AddressPool::LearnCapacity(const std::string& address) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto known = loads_.find(address); known != loads_.end() && known->second.capacity != 0) {
      return;
    }
  }
  const int capacity = capacity_of_(address);
  const std::lock_guard lock(mutex_);
  if (loads_.size() > kMostIdle) {
    // Pipelines name any address. Nobody waits for one that has nothing to do.
    std::erase_if(loads_, [](const auto& load) { return load.second.operations == 0; });
  }
  loads_[address].capacity = capacity;
}

}  // namespace trainyard::orchestrator
