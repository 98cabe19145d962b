#include "libs/service/internal/worker_watch.h"

#include "gtest/gtest.h"

namespace trainyard::service {
namespace {

using Verdict = WorkerWatch::Verdict;

worker::v1::WorkerBeat Beat(int64_t bytes, bool saving = false, bool stopping = false,
                            bool syncing = false) {
  worker::v1::WorkerBeat beat;
  beat.set_bytes_written(bytes);
  beat.set_saving(saving);
  beat.set_stopping(stopping);
  beat.set_syncing(syncing);
  return beat;
}

// Looks once a second; how often until the verdict, 0 when it does not come.
int SecondsUntil(WorkerWatch& watch, Verdict wanted, const worker::v1::WorkerBeat* beat,
                 bool told_to_stop, int most = 1000) {
  for (int second = 1; second <= most; ++second) {
    if (watch.Look(1, beat, told_to_stop) == wanted) return second;
  }
  return 0;
}

TEST(WorkerWatchTest, OneThatBeatsMayWorkForEver) {
  WorkerWatch watch({});
  const auto beat = Beat(0);
  EXPECT_EQ(SecondsUntil(watch, Verdict::kSilent, &beat, false), 0);
}

TEST(WorkerWatchTest, SilenceIsNoticedSoonerAfterTheFirstBeatThanBefore) {
  WorkerWatch never({}), once({});
  EXPECT_EQ(SecondsUntil(never, Verdict::kSilent, nullptr, false), 301);
  const auto beat = Beat(0);
  once.Look(1, &beat, false);
  EXPECT_EQ(SecondsUntil(once, Verdict::kSilent, nullptr, false), 61);
}

TEST(WorkerWatchTest, OneThatWroteAnEventHasBegun) {
  WorkerWatch watch({});
  watch.NoteBegun();
  EXPECT_EQ(SecondsUntil(watch, Verdict::kSilent, nullptr, false), 61);
}

TEST(WorkerWatchTest, ABeatEndsTheSilence) {
  WorkerWatch watch({});
  const auto beat = Beat(0);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(watch.Look(1, &beat, false), Verdict::kFine);
    EXPECT_EQ(SecondsUntil(watch, Verdict::kSilent, nullptr, false, 59), 0);
  }
}

TEST(WorkerWatchTest, AfterAStopOneThatWritesIsLeftAlone) {
  WorkerWatch watch({});
  int64_t bytes = 0;
  for (int i = 0; i < 200; ++i) {
    const auto beat = Beat(bytes, true, true);
    EXPECT_EQ(watch.Look(5, &beat, true), Verdict::kFine);
    bytes += 64 << 10;
  }
}

TEST(WorkerWatchTest, AfterAStopOneThatWaitsForTheDiskIsLeftAlone) {
  WorkerWatch watch({});
  const auto beat = Beat(1 << 20, true, true, true);
  EXPECT_EQ(SecondsUntil(watch, Verdict::kStandsStill, &beat, true), 0);
}

TEST(WorkerWatchTest, AfterAStopLogLinesAreNoProgress) {
  WorkerWatch watch({});
  int64_t bytes = 0;
  int seconds = 0;
  Verdict verdict = Verdict::kFine;
  while (verdict == Verdict::kFine && seconds < 1000) {
    const auto beat = Beat(bytes += 500, true, true);
    verdict = watch.Look(1, &beat, true);
    ++seconds;
  }
  EXPECT_EQ(verdict, Verdict::kStandsStill);
  EXPECT_LE(seconds, 80);
}

TEST(WorkerWatchTest, AfterAStopOneWithNothingToSaveHasLessTime) {
  WorkerWatch watch({});
  const auto beat = Beat(0, false, true);
  EXPECT_EQ(SecondsUntil(watch, Verdict::kStandsStill, &beat, true), 6 + 1);
}

TEST(WorkerWatchTest, AfterAStopSilenceIsStandingStill) {
  WorkerWatch watch({});
  const auto beat = Beat(0, true);
  watch.Look(1, &beat, false);
  EXPECT_EQ(SecondsUntil(watch, Verdict::kStandsStill, nullptr, true), 13);
}

TEST(WorkerWatchTest, TheTimeBeginsAnewOnceAllIsSaved) {
  WorkerWatch watch({});
  const auto saving = Beat(0, true, true), saved = Beat(0, false, true);
  EXPECT_EQ(SecondsUntil(watch, Verdict::kStandsStill, &saving, true, 11), 0);
  EXPECT_EQ(SecondsUntil(watch, Verdict::kStandsStill, &saved, true, 5), 0);
}

}  // namespace
}  // namespace trainyard::service
