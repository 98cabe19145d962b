#pragma once

#include <cstdint>

#include "libs/service/worker_job.h"
#include "libs/worker/stillness.h"
#include "trainyard/worker/v1/worker.pb.h"

namespace trainyard::service {

/// Tells a worker that gets on from one that must be killed. It knows no clock: time in which the watcher
/// itself did not run must not count.
class WorkerWatch {
 public:
  enum class Verdict { kFine, kSilent, kStandsStill };

  explicit WorkerWatch(const WorkerPatience& patience) : patience_(patience) {}

  /// The worker has said something by another way than a beat: its program is loaded.
  void NoteBegun() { has_begun_ = true; }
  /// To be called again and again: `seconds` since the last call, the newest beat since then or null,
  /// and whether the worker was told to stop.
  Verdict Look(double seconds, const worker::v1::WorkerBeat* beat, bool told_to_stop);

 private:
  Verdict LookAfterStop(double seconds, const worker::v1::WorkerBeat* beat);

  const WorkerPatience patience_;
  bool has_begun_ = false, stopping_ = false;
  double silent_ = 0, silent_after_stop_ = 0;
  worker::Stillness stillness_;
};

}  // namespace trainyard::service
