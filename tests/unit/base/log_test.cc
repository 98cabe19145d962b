#include "libs/base/log.h"

#include <algorithm>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;
using ::trainyard::testing::ContentOf;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::IsOkAndHolds;
using ::trainyard::testing::StatusIs;
using ::trainyard::testing::TemporaryFolder;

class LogTest : public ::testing::Test {
 protected:
  ~LogTest() override { StartLogging({}).IgnoreError(); }
  void Start(bool json, LogLevel level = LogLevel::kInfo) {
    ASSERT_THAT(StartLogging({.json = json, .level = level, .file = file_, .service = "prune"}), IsOk());
  }
  std::string Lines() const { return ContentOf(file_); }

  TemporaryFolder folder_;
  std::string file_ = folder_ / "log";
};

TEST_F(LogTest, AJsonLineHasTypedFieldsInOrder) {
  Start(/*json=*/true);
  LogInfo("operation succeeded",
          {{"job", "operations/12"}, {"elapsed_ms", 8123}, {"ratio", 0.41}, {"cached", false}});
  EXPECT_THAT(Lines(),
              MatchesRegex("\\{\"ts\":\"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\\.[0-9]{6}Z\",\"level\":"
                           "\"info\",\"msg\":\"operation succeeded\",\"service\":\"prune\",\"job\":"
                           "\"operations/12\",\"elapsed_ms\":8123,\"ratio\":0.41,\"cached\":false\\}\n"));
}

TEST_F(LogTest, WhatWouldBreakAJsonLineIsEscaped) {
  Start(/*json=*/true);
  LogInfo("x", {{"text", "a\"b\\c\nd\x01\xC3\xA4\xFF"}, {"infinite", 1e308 * 10}});
  EXPECT_THAT(Lines(), HasSubstr("\"text\":\"a\\\"b\\\\c\\nd\\u0001\xC3\xA4\\ufffd\""));
  EXPECT_THAT(Lines(), HasSubstr("\"infinite\":null"));
}

TEST_F(LogTest, ATextLineCannotBeForged) {
  Start(/*json=*/false);
  LogWarning("label refused", {{"file", "a\n2026 error [prune] all is lost"}, {"line", 3}});
  EXPECT_THAT(Lines(), HasSubstr("warning [prune] label refused file=\"a\\n2026 error"));
  EXPECT_THAT(Lines(), HasSubstr(" line=3\n"));
  const std::string lines = Lines();
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 1);
}

TEST_F(LogTest, LinesBelowTheLevelAreDropped) {
  Start(/*json=*/true, LogLevel::kWarning);
  LogDebug("one");
  LogInfo("two");
  LogError("three");
  EXPECT_THAT(Lines(), Not(HasSubstr("two")));
  EXPECT_THAT(Lines(), HasSubstr("three"));
}

TEST_F(LogTest, SecretsAreRedactedEvenInsideOthers) {
  Start(/*json=*/true);
  RegisterSecret("sesame-key");
  RegisterSecret("open-sesame-key");
  RegisterSecret("a");  // too short to be searched for
  LogInfo("key is sesame-key", {{"flag", "-k open-sesame-key -o a"}});
  EXPECT_THAT(Lines(), Not(HasSubstr("sesame-key")));
  EXPECT_THAT(Lines(), HasSubstr("key is [redacted]"));
  EXPECT_THAT(Lines(), HasSubstr("-k [redacted] -o a"));
  EXPECT_EQ(Redact("xopen-sesame-keyx"), "x[redacted]x");
}

TEST_F(LogTest, AShortSecretIsRedactedWhereAKeyStands) {
  RegisterSecret("walnut");
  EXPECT_EQ(Redact("walnut"), "[redacted]");
  EXPECT_EQ(Redact("-k walnut -o a"), "-k [redacted] -o a");
  EXPECT_EQ(Redact("{\"key\":\"walnut\"}"), "{\"key\":\"[redacted]\"}");
  EXPECT_EQ(Redact("--key 'walnut' key: walnut key_walnut"),
            "--key '[redacted]' key: [redacted] key_[redacted]");
  EXPECT_EQ(Redact("KEY=walnut\nWALNUT=walnuts"), "KEY=[redacted]\nWALNUT=walnuts");
}

TEST_F(LogTest, AShortSecretLeavesSentencesAndPathsReadable) {
  RegisterSecret("wrong");
  RegisterSecret("tlt");
  for (const char* said : {"'/data/tlt/a.tlt': the key is wrong", "wrong key: it opens no .tlt",
                           "3 wrongs, 1 headwrong, wrong2"}) {
    EXPECT_EQ(Redact(said), said);
  }
}

TEST_F(LogTest, AShortSecretWithOtherEdgesThanLettersIsRedactedEverywhere) {
  RegisterSecret("#pear!");
  EXPECT_EQ(Redact("x#pear!x"), "x[redacted]x");
}

TEST_F(LogTest, FromEightBytesOnASecretIsRedactedEverywhere) {
  RegisterSecret("hazelnut");
  EXPECT_EQ(Redact("hazelnuts"), "[redacted]s");
  EXPECT_EQ(Redact("xhazelnuthazelnut1"), "x[redacted][redacted]1");
}

TEST_F(LogTest, ASecretIsOneAsLongAsItIsHeld) {
  auto first = HoldSecret("chestnut-1");
  auto second = HoldSecret("chestnut-1");
  first.reset();
  EXPECT_EQ(Redact("chestnut-1"), "[redacted]");
  second.reset();
  EXPECT_EQ(Redact("chestnut-1"), "chestnut-1");
}

TEST_F(LogTest, AFileThatCannotBeOpenedIsAnError) {
  EXPECT_THAT(StartLogging({.file = "/proc/none/log"}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("/proc/none/log")));
}

TEST(ParseLogLevelTest, KnowsFour) {
  EXPECT_THAT(ParseLogLevel("debug"), IsOkAndHolds(LogLevel::kDebug));
  EXPECT_THAT(ParseLogLevel("error"), IsOkAndHolds(LogLevel::kError));
  EXPECT_THAT(ParseLogLevel("loud"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("debug, info, warning or error")));
}

}  // namespace
}  // namespace trainyard
