#pragma once

#include <cstdint>

namespace trainyard::worker {

/// For how long a worker that was told to stop has made no progress, in seconds. Both sides count so: the
/// worker's watcher, which ends the process, and the service behind it. It knows no clock.
class Stillness {
 public:
  /// Log lines and events are no progress; a checkpoint is.
  static constexpr int64_t kProgressBytes = int64_t{64} << 10;

  /// Time went by.
  void Pass(double seconds) { seconds_ += seconds; }
  /// What it does now: whether it has something to save, the bytes that it has written in all, whether
  /// it waits for the disk. Progress is what is written by one that saves, or that it saves no more.
  void Note(bool saving, int64_t bytes, bool syncing) {
    const bool wrote = saving && (bytes - bytes_ >= kProgressBytes || syncing);
    if (is_known_ && saving == saving_ && !wrote) return;
    is_known_ = true;
    saving_ = saving;
    bytes_ = bytes;
    seconds_ = 0;
  }
  double seconds() const { return seconds_; }
  bool saving() const { return saving_; }

 private:
  bool is_known_ = false, saving_ = false;
  int64_t bytes_ = 0;
  double seconds_ = 0;
};

}  // namespace trainyard::worker
