#include "libs/service/internal/worker_watch.h"

namespace trainyard::service {
namespace {

// Log lines and events are no progress; a checkpoint is.
constexpr int64_t kProgressBytes = int64_t{64} << 10;

}  // namespace

WorkerWatch::Verdict WorkerWatch::Look(double seconds, const worker::v1::WorkerBeat* beat,
                                       bool told_to_stop) {
  silent_ = beat != nullptr ? 0 : silent_ + seconds;
  has_begun_ = has_begun_ || beat != nullptr;
  if (told_to_stop) {
    still_ += seconds;
    return LookAfterStop(beat);
  }
  if (beat != nullptr) bytes_ = beat->bytes_written();
  return silent_ > (has_begun_ ? patience_.silence : patience_.start) ? Verdict::kSilent
                                                                       : Verdict::kFine;
}

WorkerWatch::Verdict WorkerWatch::LookAfterStop(const worker::v1::WorkerBeat* beat) {
  if (beat != nullptr) {
    const bool wrote = beat->bytes_written() - bytes_ >= kProgressBytes || beat->syncing();
    // That it stops, or has nothing left to save, is news, too.
    const bool news = (beat->stopping() && !stopping_) || beat->saving() != saving_;
    if (news || (beat->saving() && wrote)) {
      still_ = 0;
      bytes_ = beat->bytes_written();
    }
    stopping_ = beat->stopping();
    saving_ = beat->saving();
  }
  const bool nothing_to_save = stopping_ && !saving_;
  return still_ > (nothing_to_save ? patience_.give_up : patience_.still) ? Verdict::kStandsStill
                                                                          : Verdict::kFine;
}

}  // namespace trainyard::service
