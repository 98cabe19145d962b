#include "libs/training/throughput.h"

#include <algorithm>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/training/device.h"

namespace trainyard::training {
namespace {

const absl::Time kBegan = absl::FromUnixSeconds(1000);

TEST(ThroughputTest, TellsStartUpApartAndCountsWaitingForData) {
  Throughput throughput(kBegan);
  EXPECT_EQ(throughput.ImagesPerSecond(), 0);
  absl::Time now = kBegan + absl::Seconds(20);  // Data were opened.
  throughput.Resume(now);
  now += absl::Seconds(10);  // The first call of each kernel.
  throughput.Step(8, now);
  EXPECT_EQ(throughput.StartUp(), absl::Seconds(30));
  EXPECT_EQ(throughput.ImagesPerSecond(), 0.8);
  for (int i = 0; i < 3; ++i) {
    now += absl::Milliseconds(200);  // Half of it waiting, which nobody tells apart.
    throughput.Step(8, now);
  }
  EXPECT_NEAR(throughput.ImagesPerSecond(), 40, 1e-9) << "less than a window";
}

TEST(ThroughputTest, IsTheMedianOfWindowsWithoutWhatLiesBetweenEpochs) {
  Throughput throughput(kBegan);
  absl::Time now = kBegan;
  throughput.Resume(now);
  throughput.Step(8, now += absl::Seconds(9));
  for (int epoch = 0; epoch < 5; ++epoch) {
    now += absl::Seconds(100);  // A validation.
    throughput.Resume(now);
    // One of the windows is slow: the machine was busy.
    for (int i = 0; i < 4; ++i) {
      throughput.Step(8, now += absl::Milliseconds(epoch == 2 ? 2500 : 250));
    }
  }
  EXPECT_NEAR(throughput.ImagesPerSecond(), 32, 1e-9);
  EXPECT_EQ(throughput.StartUp(), absl::Seconds(9));
}

TEST(ShareThreadsTest, NeverMoreThanTheBudgetWorkAtOneTime) {
  for (const int budget : {1, 2, 3, 16}) {
    for (const int workers : {0, 1, 4, 100}) {
      const Threads cpu = ShareThreads(budget, workers, /*on_cpu=*/true);
      EXPECT_FALSE(cpu.loads_ahead) << "they take turns";
      EXPECT_EQ(cpu.computing, budget);
      EXPECT_LE(cpu.loading, budget);
      const Threads gpu = ShareThreads(budget, workers, /*on_cpu=*/false);
      EXPECT_TRUE(gpu.loads_ahead);
      EXPECT_LE(gpu.computing + gpu.loading, std::max(2, budget));
      EXPECT_GE(std::min({cpu.loading, gpu.loading, gpu.computing}), 1);
      EXPECT_LE(std::max(cpu.loading, gpu.loading), workers > 0 ? workers : budget);
    }
  }
  EXPECT_EQ(ShareThreads(16, 0, false).loading, 15);
  EXPECT_EQ(ShareThreads(16, 4, false).computing, 12);
}

}  // namespace
}  // namespace trainyard::training
