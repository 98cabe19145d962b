#include "libs/service/job_memory.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::service {
namespace {

using ::testing::HasSubstr;
using ::trainyard::testing::IsOkAndHolds;
using ::trainyard::testing::StatusIs;
using ::trainyard::testing::TemporaryFolder;

constexpr int64_t kMiB = int64_t{1} << 20;

TEST(JobMemoryTest, IsWhatTheSettingSays) {
  EXPECT_THAT(JobMemory("off", 1, 8192 * kMiB), IsOkAndHolds(0));
  EXPECT_THAT(JobMemory("8GiB", 1, 0), IsOkAndHolds(8192 * kMiB));
  EXPECT_THAT(JobMemory("512M", 1, 0), IsOkAndHolds(512 * kMiB));
  EXPECT_THAT(JobMemory("67108864", 1, 0), IsOkAndHolds(64 * kMiB));
}

TEST(JobMemoryTest, IsAShareByItself) {
  EXPECT_THAT(JobMemory("auto", 1, 8192 * kMiB), IsOkAndHolds(6144 * kMiB));
  EXPECT_THAT(JobMemory("auto", 3, 8192 * kMiB), IsOkAndHolds(2048 * kMiB));
  EXPECT_THAT(JobMemory("auto", 100, 8192 * kMiB), IsOkAndHolds(256 * kMiB));
}

TEST(JobMemoryTest, NamesWhatIsPossible) {
  for (const char* wrong : {"", "much", "-1GiB", "1MiB", "63MiB", "99999999999GiB", "8 TB"}) {
    EXPECT_THAT(JobMemory(wrong, 1, 0),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("off, auto, or"))) << wrong;
  }
}

TEST(MemoryBudgetTest, IsTheLeastLimitOfTheGroupsAndTheMachine) {
  const TemporaryFolder folder;
  const std::string meminfo = folder.Write("meminfo", "MemTotal:       16384 kB\nMemFree: 1 kB\n");
  const std::string v2 = folder.Write("v2", "0::/a/b\n");
  EXPECT_EQ(MemoryBudgetFrom(v2, folder / "none", meminfo), 16 * kMiB);
  folder.Write("mount/a/b/memory.max", "max\n");
  folder.Write("mount/a/memory.max", "3145728\n");
  EXPECT_EQ(MemoryBudgetFrom(v2, folder / "mount", meminfo), 3 * kMiB);
  const std::string v1 = folder.Write("v1", "5:cpu,cpuacct:/x\n4:memory:/c\n");
  folder.Write("mount/memory/c/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(MemoryBudgetFrom(v1, folder / "mount", meminfo), 16 * kMiB);
  folder.Write("mount/memory/memory.limit_in_bytes", "2097152\n");
  EXPECT_EQ(MemoryBudgetFrom(v1, folder / "mount", meminfo), 2 * kMiB);
}

}  // namespace
}  // namespace trainyard::service
