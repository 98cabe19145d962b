#include "cli/command_line.h"

#include "absl/strings/str_split.h"
#include "cli/rewrite_flags.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace trainyard::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// What UnknownWord says of a line that must not parse.
std::string Unknown(const std::string& line) {
  CLI::App app("test", "trainyard");
  app.require_subcommand(1);
  Run run;
  AddCommands(app, run);
  const std::vector<std::string> words = RewriteFlags(absl::StrSplit(line, ' ', absl::SkipEmpty()));
  try {
    app.parse(std::vector<std::string>(words.rbegin(), words.rend()));
  } catch (const CLI::ParseError& error) {
    return UnknownWord(app);
  }
  ADD_FAILURE() << "'" << line << "' was understood";
  return "";
}

TEST(UnknownWordTest, ASubCommandGetsTheNearestOneOfItsCommand) {
  EXPECT_EQ(Unknown("ssd trian -e spec.txt"),
            "'trian' is no sub-command of 'trainyard ssd'; did you mean 'train'?");
  EXPECT_EQ(Unknown("convertr a.etlt"),
            "'convertr' is no sub-command of 'trainyard'; did you mean 'converter'?");
  EXPECT_EQ(Unknown("operations wacth operations/train/r1/7"),
            "'wacth' is no sub-command of 'trainyard operations'; did you mean 'watch'?");
}

TEST(UnknownWordTest, ASubCommandLikeNoneGetsThemAll) {
  EXPECT_EQ(Unknown("spec something"),
            "'something' is no sub-command of 'trainyard spec'; it has check");
}

TEST(UnknownWordTest, AFlagGetsTheNearestOneOfItsSubCommand) {
  // The misspelt flag is what is wrong, not that -e is missing.
  EXPECT_EQ(Unknown("ssd train --experiment_spce spec.txt -r out"),
            "'--experiment_spce' is no flag of 'trainyard ssd train'; did you mean "
            "'--experiment_spec'?");
  EXPECT_EQ(Unknown("run p.yaml --endpont=host:1"),
            "'--endpont' is no flag of 'trainyard run'; did you mean '--endpoint'?");
}

TEST(UnknownWordTest, TaosFlagsOfSeveralLettersAreAmongThem) {
  EXPECT_THAT(Unknown("ssd prune -m a.tlt -o b.tlt -ptj 0.5"), HasSubstr("did you mean '-pth'?"));
  EXPECT_THAT(Unknown("ssd train -e s -r out -ptj 0.5"),
              AllOf(HasSubstr("'-ptj' is no flag of"), Not(HasSubstr("-pth"))));
}

TEST(UnknownWordTest, AWordTooManyIsNamed) {
  EXPECT_EQ(Unknown("inspect a.tlt b.tlt"), "'b.tlt' is one word too many for 'trainyard inspect'");
}

TEST(UnknownWordTest, NothingIsUnknownWhenSomethingElseIsWrong) {
  EXPECT_EQ(Unknown("ssd train -r out"), "");
  EXPECT_EQ(Unknown("ssd train -e s -r out --gpus two"), "");
  EXPECT_EQ(Unknown("ssd"), "");
}

TEST(RunCommandLineTest, AWrongCommandLineEndsWith2AndAHint) {
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(RunCommandLine({"ssd", "trian"}), 2);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("did you mean 'train'?"));
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(RunCommandLine({"ssd", "train", "-r", "out"}), 2);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("--experiment_spec"));
}

TEST(RunCommandLineTest, AskingForHelpIsNoError) {
  ::testing::internal::CaptureStdout();
  EXPECT_EQ(RunCommandLine({"ssd", "train", "--help"}), 0);
  EXPECT_EQ(RunCommandLine({"--version"}), 0);
  EXPECT_THAT(::testing::internal::GetCapturedStdout(),
              AllOf(HasSubstr("--experiment_spec"), HasSubstr("trainyard 0.1.0")));
}

TEST(RunCommandLineTest, HelpForAWordThatNobodyKnowsIsAnError) {
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(RunCommandLine({"help", "ssd", "trian"}), 2);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("did you mean 'train'?"));
}

// Else the training would begin, with the next flag as its key.
TEST(RunCommandLineTest, AFlagThatIsGivenNothingOrTheNextFlagIsAnError) {
  const auto said = [](std::vector<std::string> words) {
    words.insert(words.begin(), {"ssd", "train", "-e", "no such file", "-r", "out"});
    ::testing::internal::CaptureStderr();
    EXPECT_EQ(RunCommandLine(words), 2);
    return ::testing::internal::GetCapturedStderr();
  };
  EXPECT_THAT(said({"-k", "--dry-run"}), HasSubstr("--key has no value; '--dry-run' is the next"));
  EXPECT_THAT(said({"-m", "-q"}), HasSubstr("has no value; '-q' is the next flag"));
  EXPECT_THAT(said({"--key=", "--dry-run"}), HasSubstr("--key is given an empty value"));
  EXPECT_THAT(said({"-m", ""}), HasSubstr("is given an empty value"));
  EXPECT_THAT(said({"-k", "-", "--set", "a=-1"}), HasSubstr("no such file"));
}

}  // namespace
}  // namespace trainyard::cli
