#include "libs/service/key.h"

#include <sys/stat.h>

#include <cstdlib>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/files.h"
#include "libs/base/log.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::service {
namespace {

using ::testing::AllOf;
using ::testing::Field;
using ::testing::HasSubstr;
using ::trainyard::testing::IsOkAndHolds;
using ::trainyard::testing::StatusIs;
using ::trainyard::testing::TemporaryFolder;

TEST(ResolveKeyTest, TakesLiteralsVariablesAndFiles) {
  const TemporaryFolder folder;
  setenv("TRAINYARD_TEST_KEY", "from-variable", 1);
  const auto is = [](const char* text) { return IsOkAndHolds(Field(&Key::text, text)); };
  EXPECT_THAT(ResolveKey("nvidia_tlt"), is("nvidia_tlt"));
  EXPECT_THAT(ResolveKey("env:TRAINYARD_TEST_KEY"), is("from-variable"));
  EXPECT_THAT(ResolveKey("file:" + folder.Write("key", "from-file\r\n")), is("from-file"));
  EXPECT_THAT(ResolveKey(""), is(""));
}

TEST(ResolveKeyTest, AKeyIsASecretAsLongAsSomebodyHasIt) {
  auto first = ResolveKey("nvidia_tlt"), second = ResolveKey("nvidia_tlt");
  first = absl::CancelledError();
  EXPECT_EQ(Redact("with nvidia_tlt"), "with [redacted]");
  second = absl::CancelledError();
  EXPECT_EQ(Redact("with nvidia_tlt"), "with nvidia_tlt");
}

TEST(ResolveKeyTest, SaysWhichReferenceLeadsNowhere) {
  const TemporaryFolder folder;
  EXPECT_THAT(ResolveKey("env:TRAINYARD_NOT_SET"),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("TRAINYARD_NOT_SET is not set")));
  EXPECT_THAT(ResolveKey("file:/no/such/key"),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("/no/such/key")));
  EXPECT_THAT(ResolveKey("file:" + folder.Write("empty", "\n")),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("first line is empty")));
}

TEST(ResolveKeyTest, OfAFileTheFirstLineIsTheKeyAndASecondOneIsWarnedOf) {
  const TemporaryFolder folder;
  const std::string log = folder / "log";
  ASSERT_TRUE(StartLogging({.file = log}).ok());
  const auto is = [](const char* text) { return IsOkAndHolds(Field(&Key::text, text)); };
  EXPECT_THAT(ResolveKey("file:" + folder.Write("blank", "the key\n\n \n")), is("the key"));
  EXPECT_EQ(ReadFile(log).value_or(""), "");
  EXPECT_THAT(ResolveKey("file:" + folder.Write("two", "the key\r\nsecond\n")), is("the key"));
  EXPECT_THAT(ReadFile(log).value_or(""),
              AllOf(HasSubstr("more than one line"), HasSubstr(folder / "two")));
  ASSERT_TRUE(StartLogging({}).ok());
}

TEST(IsKeyReferenceTest, KnowsTheTwoForms) {
  EXPECT_TRUE(IsKeyReference("env:KEY"));
  EXPECT_TRUE(IsKeyReference("file:/run/secrets/key"));
  EXPECT_FALSE(IsKeyReference("nvidia_tlt"));
}

TEST(ResolveKeyTest, AFileThatWouldBeWaitedForIsNoKey) {
  const TemporaryFolder folder;
  const std::string fifo = folder / "fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_THAT(ResolveKey("file:" + fifo).status(),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                                HasSubstr("is a FIFO; expected a regular file")));
  EXPECT_THAT(ResolveKey("file:/dev/zero").status(),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                                HasSubstr("is a device")));
}

}  // namespace
}  // namespace trainyard::service
