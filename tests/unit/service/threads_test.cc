#include "libs/service/threads.h"

#include "gtest/gtest.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::service {
namespace {

using ::trainyard::testing::TemporaryFolder;

TEST(ThreadBudgetTest, IsAtLeastOne) { EXPECT_GE(ThreadBudget(), 1); }

TEST(ThreadBudgetTest, NoCgroupMeansAllCpus) {
  EXPECT_EQ(ThreadBudgetFrom("/no/such/file", "/no/such/mount", 6), 6);
}

TEST(ThreadBudgetTest, Version2TakesTheSmallestQuotaUpToTheTop) {
  const TemporaryFolder folder;
  folder.Write("cgroup", "0::/pod/worker\n");
  folder.Write("fs/pod/worker/cpu.max", "max 100000\n");
  EXPECT_EQ(ThreadBudgetFrom(folder / "cgroup", folder / "fs", 8), 8);
  folder.Write("fs/pod/cpu.max", "250000 100000\n");
  EXPECT_EQ(ThreadBudgetFrom(folder / "cgroup", folder / "fs", 8), 3);
  folder.Write("fs/cpu.max", "50000 100000\n");
  EXPECT_EQ(ThreadBudgetFrom(folder / "cgroup", folder / "fs", 8), 1);
}

TEST(ThreadBudgetTest, ANamespacedContainerSeesItsQuotaAtTheTop) {
  const TemporaryFolder folder;
  folder.Write("cgroup", "0::/\n");
  folder.Write("fs/cpu.max", "400000 100000");
  EXPECT_EQ(ThreadBudgetFrom(folder / "cgroup", folder / "fs", 64), 4);
}

TEST(ThreadBudgetTest, Version1ReadsTheCpuController) {
  const TemporaryFolder folder;
  folder.Write("cgroup", "5:memory:/a\n4:cpu,cpuacct:/a\n");
  folder.Write("fs/cpu,cpuacct/a/cpu.cfs_quota_us", "200000\n");
  folder.Write("fs/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(ThreadBudgetFrom(folder / "cgroup", folder / "fs", 8), 2);
  folder.Write("fs/cpu,cpuacct/a/cpu.cfs_quota_us", "-1\n");
  EXPECT_EQ(ThreadBudgetFrom(folder / "cgroup", folder / "fs", 8), 8);
}

}  // namespace
}  // namespace trainyard::service
