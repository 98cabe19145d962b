#include "libs/worker/devices.h"

#include <cstdlib>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace trainyard::worker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::trainyard::testing::IsOkAndHolds;
using ::trainyard::testing::StatusIs;

TEST(DevicesOfTest, AreTheLinesThatTheWorkerPrints) {
  EXPECT_THAT(DevicesOf(TRAINYARD_FAKE_WORKER),
              IsOkAndHolds(ElementsAre("cpu", "fake:0 a device")));
}

TEST(DevicesOfTest, AProgramThatIsMissingFailsOrHangsIsNamed) {
  EXPECT_THAT(DevicesOf("trainyard-no-such-worker"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("trainyard-no-such-worker")));
  EXPECT_THAT(DevicesOf("/bin/false"),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("exit code 1")));
  setenv("TRAINYARD_FAKE_HANG", "1", 1);
  EXPECT_THAT(DevicesOf(TRAINYARD_FAKE_WORKER, absl::Milliseconds(200)),
              StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("--devices")));
  unsetenv("TRAINYARD_FAKE_HANG");
}

}  // namespace
}  // namespace trainyard::worker
