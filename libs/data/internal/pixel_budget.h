#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace trainyard::data::internal {

/// Pixels that the threads of a process decode at one time: pictures of a few kilobytes can claim a
/// hundred million pixels each, and as many as there are threads would take all memory.
inline constexpr int64_t kMaxPixelsInFlight = int64_t{1} << 27;

/// Lets threads decode as long as their pictures fit together. Thread-safe.
class PixelBudget {
 public:
  explicit PixelBudget(int64_t pixels) : pixels_(pixels), left_(pixels) {}

  /// A part of the budget, given back when it is destroyed.
  class Share {
   public:
    /// Waits until `pixels` are left; more than there are in all count as all, so that such a picture
    /// is decoded alone. A thread holds one share at a time.
    Share(PixelBudget& budget, int64_t pixels)
        : budget_(budget), pixels_(std::clamp(pixels, int64_t{0}, budget.pixels_)) {
      std::unique_lock lock(budget_.mutex_);
      budget_.changed_.wait(lock, [this] { return budget_.left_ >= pixels_; });
      budget_.left_ -= pixels_;
    }
    ~Share() {
      {
        const std::lock_guard lock(budget_.mutex_);
        budget_.left_ += pixels_;
      }
      budget_.changed_.notify_all();
    }
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;

   private:
    PixelBudget& budget_;
    const int64_t pixels_;
  };

 private:
  const int64_t pixels_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int64_t left_;  // Guarded.
};

/// The budget of this process.
inline PixelBudget& ProcessPixels() {
  static PixelBudget budget(kMaxPixelsInFlight);
  return budget;
}

}  // namespace trainyard::data::internal
