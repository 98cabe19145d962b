#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace trainyard::orchestrator {

/// Spreads operations over the replicas of services: the address with the fewest of our operations
/// takes the next one, in turn among equals, and none gets more than it can run and queue. Shared by
/// all runs. Thread-safe.
class AddressPool {
 public:
  /// `capacity_of` says how many operations an address may have; <= 0 = as many as come. Asked once
  /// per address, outside of locks.
  explicit AddressPool(std::function<int(const std::string& address)> capacity_of)
      : capacity_of_(std::move(capacity_of)) {}

  /// A place at an address, given back when it is destroyed. Must not outlive the pool.
  class Lease {
   public:
    Lease(AddressPool* pool, std::string address) : pool_(pool), address_(std::move(address)) {}
    Lease(Lease&& other) noexcept
        : pool_(std::exchange(other.pool_, nullptr)), address_(std::move(other.address_)) {}
    Lease& operator=(Lease&&) = delete;
    ~Lease();
    const std::string& address() const { return address_; }

   private:
    AddressPool* pool_;
    std::string address_;
  };

  /// Waits until one of `addresses` that is not in `avoid` has room. kCancelled when `stop` is
  /// requested; kInvalidArgument when nothing is left to choose from.
  absl::StatusOr<Lease> Acquire(const std::vector<std::string>& addresses,
                                const std::set<std::string>& avoid, std::stop_token stop);
  /// Takes a place at `address` without waiting: an operation is there already.
  Lease Join(const std::string& address);

 private:
  struct Load {
    int operations = 0;
    int capacity = 0;
    // When it was chosen last, in choices; for the turn among equals.
    int64_t last_choice = 0;
  };
  void Give(const std::string& address);
  void LearnCapacity(const std::string& address);

  const std::function<int(const std::string&)> capacity_of_;
  std::mutex mutex_;
  std::condition_variable_any room_;
  std::map<std::string, Load> loads_;
  int64_t choices_ = 0;
};

}  // namespace trainyard::orchestrator
