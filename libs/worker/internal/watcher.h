#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>

#include "absl/strings/string_view.h"
#include "libs/worker/stillness.h"

namespace trainyard::worker::internal {

/// The thread of a worker that never works: it turns SIGTERM, SIGINT and the death of the starter into
/// a stop request, tells the starter about once a second that the process is not stopped, and ends the
/// process when it does not end by itself after a stop request. Thread-safe.
class Watcher {
 public:
  /// Make it before any other thread, which then inherits the blocked signals. `control_fd` closes when
  /// the starter dies; -1 = there is none.
  explicit Watcher(int control_fd);
  ~Watcher();

  std::stop_token token() const { return stop_.get_token(); }
  /// Whether the starter is dead, looked at now.
  bool IsOrphan() const;
  /// While it is set, an end loses what the task is about to save: the process then has its time as
  /// long as bytes are written, and is ended when it did nothing for 10 s, or wrote nothing for 60 s. Otherwise
  /// it is ended 1 s after
  /// the stop request: the step in hand is given up.
  void SetSaving(bool saving);
  /// Called by the watcher's thread before it ends the process; says why.
  void SetLastWords(std::function<void(absl::string_view why)> say);

 private:
  void Watch();
  void OnStop();
  void SendBeat() const;
  void EndIfStill(double seconds);
  int64_t BytesWritten() const;

  const int control_fd_;
  int signal_fd_, done_fd_, io_fd_;
  std::stop_source stop_;
  std::atomic<bool> saving_{false};
  // Of the thread, since the stop: without progress, and without any work at all.
  Stillness stillness_;
  double idle_seconds_ = 0, work_mark_ = 0;
  std::mutex mutex_;
  std::function<void(absl::string_view)> last_words_;
  std::thread thread_;
};

}  // namespace trainyard::worker::internal
