// Runs when the system gives no threads. A process of its own: stacks that earlier tests left would
// serve new threads.
#include <malloc.h>
#include <sys/resource.h>

#include <cstdlib>
#include <fstream>

#include "tests/service/orchestrator/runs_fixture.h"

namespace trainyard::orchestrator {
namespace {

using ::trainyard::testing::IsOk;

TEST_F(RunsTest, RunsGoOnWhenNoThreadCanBeMade) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer needs address space of its own";
#endif
  // What runs allocate comes from here: with the limit below only stacks need new address space.
  mallopt(M_ARENA_MAX, 1);
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  free(malloc(size_t{64} << 20));
  long pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  rlimit before;
  getrlimit(RLIMIT_AS, &before);
  rlimit limited = before;
  // Not enough for a stack of 8 MiB.
  limited.rlim_cur = static_cast<rlim_t>(pages) * 4096 + (4 << 20);
  ASSERT_EQ(setrlimit(RLIMIT_AS, &limited), 0);
  std::vector<std::string> names;
  for (int i = 0; i < 3; ++i) {
    const auto run = house_->runs().Start(Request(kChain));
    EXPECT_THAT(run, IsOk());
    if (run.ok()) names.push_back(run->name());
  }
  for (const std::string& name : names) {
    EXPECT_EQ(house_->Await(name).state(), v1::Run::SUCCEEDED);
  }
  EXPECT_EQ(setrlimit(RLIMIT_AS, &before), 0);
}

}  // namespace
}  // namespace trainyard::orchestrator
