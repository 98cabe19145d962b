#include <cstdlib>

#include "libs/base/files.h"
#include "libs/sealing/model_file.h"
#include "tests/support/sealing_folder.h"
#include "tests/support/status_matchers.h"

namespace trainyard {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::IsOkAndHolds;
using ::testing::Not;
using testing::StatusIs;
using testing::TestFolder;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

TEST(ResolveKeyTest, ALiteralIsItself) {
  EXPECT_THAT(ResolveKey("tlt_encode"), IsOkAndHolds("tlt_encode"));
  EXPECT_THAT(ResolveKey(""), IsOkAndHolds(""));
}

TEST(ResolveKeyTest, ReadsAnEnvironmentVariable) {
  setenv("TRAINYARD_TEST_KEY", "from env", 1);
  EXPECT_THAT(ResolveKey("env:TRAINYARD_TEST_KEY"), IsOkAndHolds("from env"));
  unsetenv("TRAINYARD_TEST_KEY");
  EXPECT_THAT(ResolveKey("env:TRAINYARD_TEST_KEY"),
              StatusIs(kInvalid, HasSubstr("'env:TRAINYARD_TEST_KEY': the variable is not set")));
  EXPECT_THAT(ResolveKey("env:"), StatusIs(kInvalid, HasSubstr("names no variable")));
}

TEST(ResolveKeyTest, ReadsTheFirstLineOfAFile) {
  const TestFolder folder;
  ASSERT_THAT(WriteFileAtomically(folder / "key", "first\r\nsecond\n"), IsOk());
  EXPECT_THAT(ResolveKey("file:" + folder / "key"), IsOkAndHolds("first"));
  EXPECT_THAT(ResolveKey("file:" + folder / "none"),
              StatusIs(kInvalid, AllOf(HasSubstr("none"), Not(HasSubstr("first")))));
  ASSERT_THAT(WriteFileAtomically(folder / "key", "\nsecond\n"), IsOk());
  EXPECT_THAT(ResolveKey("file:" + folder / "key"),
              StatusIs(kInvalid, HasSubstr("the first line is empty")));
}

}  // namespace
}  // namespace trainyard
