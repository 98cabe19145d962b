#include "libs/worker/devices.h"

#include <filesystem>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::worker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::trainyard::testing::IsOkAndHolds;
using ::trainyard::testing::StatusIs;
using ::trainyard::testing::TemporaryFolder;

TEST(DevicesOfTest, AreTheLinesThatTheWorkerPrints) {
  EXPECT_THAT(DevicesOf(TRAINYARD_FAKE_WORKER),
              IsOkAndHolds(ElementsAre("cpu", "fake:0 a device")));
}

TEST(DevicesOfTest, AProgramThatIsMissingFailsOrHangsIsNamed) {
  EXPECT_THAT(DevicesOf("trainyard-no-such-worker"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("trainyard-no-such-worker")));
  EXPECT_THAT(DevicesOf("/bin/false"),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("exit code 1")));
  const TemporaryFolder folder;
  const std::string hangs = folder.Write("hangs", "#!/bin/sh\nexec sleep 600\n");
  std::filesystem::permissions(hangs, std::filesystem::perms::owner_all);
  EXPECT_THAT(DevicesOf(hangs, absl::Milliseconds(200)),
              StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("--devices")));
}

}  // namespace
}  // namespace trainyard::worker
