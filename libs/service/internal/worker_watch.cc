#include "libs/service/internal/worker_watch.h"

namespace trainyard::service {

WorkerWatch::Verdict WorkerWatch::Look(double seconds, const worker::v1::WorkerBeat* beat,
                                       bool told_to_stop) {
  silent_ = beat != nullptr ? 0 : silent_ + seconds;
  has_begun_ = has_begun_ || beat != nullptr;
  if (told_to_stop) return LookAfterStop(seconds, beat);
  return silent_ > (has_begun_ ? patience_.silence : patience_.start) ? Verdict::kSilent
                                                                      : Verdict::kFine;
}

WorkerWatch::Verdict WorkerWatch::LookAfterStop(double seconds, const worker::v1::WorkerBeat* beat) {
  stillness_.Pass(seconds);
  silent_after_stop_ = beat != nullptr ? 0 : silent_after_stop_ + seconds;
  // A beat from before the stop says nothing of it.
  if (beat != nullptr && beat->stopping()) {
    stopping_ = true;
    stillness_.Note(beat->saving(), beat->bytes_written(), beat->syncing());
  }
  const bool nothing_to_save = stopping_ && !stillness_.saving();
  const bool still = silent_after_stop_ > patience_.still ||
                     stillness_.seconds() > (nothing_to_save ? patience_.give_up : patience_.busy);
  return still ? Verdict::kStandsStill : Verdict::kFine;
}

}  // namespace trainyard::service
