#include "cli/command_pages.h"

#include <cstdio>
#include <string>

#include "absl/strings/str_cat.h"
#include "cli/command_line.h"
#include "cli/display.h"
#include "cli/flag_words.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/files.h"
#include "libs/base/problems.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::cli {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::StatusIs;
using ::trainyard::testing::TemporaryFolder;

struct Parser {
  Parser() : app("Trainyard: a test", "trainyard") { AddCommands(app, run); }
  CLI::App app;
  Run run;
};

std::string OutputOf(const std::string& command) {
  std::string output;
  FILE* pipe = popen(command.c_str(), "r");
  char buffer[256];
  while (fgets(buffer, sizeof buffer, pipe) != nullptr) output += buffer;
  pclose(pipe);
  return output;
}

// What bash itself offers behind a line that ends at the cursor.
std::string OfferedByBash(const std::string& words) {
  Parser parser;
  const TemporaryFolder folder;
  const auto script = CompletionScript(parser.app, "bash");
  EXPECT_THAT(script, IsOk());
  EXPECT_THAT(WriteFileAtomically(folder / "completion", *script), IsOk());
  return OutputOf(absl::StrCat("cd ", folder.path(),
                               " && bash -c 'source ./completion; COMP_WORDS=(", words,
                               "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _trainyard; echo "
                               "\"${COMPREPLY[@]}\"'"));
}

TEST(CompletionScriptTest, BashOffersSubCommandsAndFlagsOfTheCommandTyped) {
  EXPECT_EQ(OfferedByBash("trainyard ssd tra"), "train\n");
  EXPECT_EQ(OfferedByBash("trainyard operations wa"), "watch\n");
  EXPECT_EQ(OfferedByBash("trainyard ssd prune -m model.tlt --rem"), "--remove\n");
  EXPECT_EQ(OfferedByBash("trainyard ssd prune -m model.tlt -pt"), "-pth\n");
  EXPECT_EQ(OfferedByBash("trainyard ssd train --rem"), "\n");
  EXPECT_EQ(OfferedByBash("trainyard ssd prune -m \"\""), "\n") << "names of files";
}

TEST(CompletionScriptTest, NamesOfFilesAreTheShellsToComplete) {
  Parser parser;
  for (const char* shell : {"bash", "zsh"}) {
    const std::string script = *CompletionScript(parser.app, shell);
    EXPECT_THAT(script, HasSubstr("\ncomplete -o default -F _trainyard trainyard\n"));
    EXPECT_THAT(script, AllOf(Not(HasSubstr("compgen")), Not(HasSubstr("path="))))
        << "zsh's are others";
  }
}

TEST(CompletionScriptTest, KnowsThreeShells) {
  Parser parser;
  EXPECT_THAT(*CompletionScript(parser.app, "zsh"), ::testing::StartsWith("#compdef trainyard\n"));
  EXPECT_THAT(*CompletionScript(parser.app, "fish"),
              AllOf(HasSubstr("-n '__trainyard_at \\'trainyard ssd prune\\'' -l remove -r -d"),
                    HasSubstr("-n '__trainyard_at \\'trainyard ssd\\'' -a train -d")));
  EXPECT_THAT(
      CompletionScript(parser.app, "tcsh"),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("expected bash, zsh or fish")));
}

TEST(ManualPageTest, HasEveryCommandWithItsFlags) {
  Parser parser;
  const std::string page = ManualPage(parser.app, "1.2");
  EXPECT_THAT(page, HasSubstr("\"trainyard 1.2\""));
  EXPECT_THAT(page, HasSubstr(".SS \"trainyard ssd dataset_convert\""));
  EXPECT_THAT(page, HasSubstr("\\fB\\-\\-pruning_threshold, \\-pth\\fR"));
  EXPECT_THAT(page, HasSubstr("trainyard ssd prune \\-m model.tlt"));
  EXPECT_THAT(page, Not(HasSubstr("\n'"))) << "a line that begins with a quote is a request of roff";
}

TEST(ArrangeHelpTest, EachCommandHasItsOwnExamplesAndDeadFlagsStandApart) {
  Parser parser;
  const std::string help = parser.app.get_subcommand("ssd")->get_subcommand("export")->help();
  EXPECT_THAT(help, AllOf(HasSubstr("trainyard ssd export -m"), Not(HasSubstr("sample-data"))));
  EXPECT_THAT(help, ContainsRegex("without effect:[^:]*--force_ptq"));
  EXPECT_LT(help.find("--cal_image_dir"), help.find("--force_ptq"));
}

TEST(CutToWidthTest, CutsLettersNotBytes) {
  EXPECT_EQ(CutToWidth("epoch 3 of 80", 80), "epoch 3 of 80");
  EXPECT_EQ(CutToWidth("epoch 3 of 80", 13), "epoch 3 of 80");
  EXPECT_EQ(CutToWidth("epoch 3 of 80", 12), "epoch 3 o...");
  EXPECT_EQ(CutToWidth("\xE8\x9E\xBA\xE6\xAF\x8D\xE8\x9E\xBA\xE6\xAF\x8D\xE8\x9E\xBA", 4),
            "\xE8\x9E\xBA...");
  EXPECT_EQ(CutToWidth("\xFF\xFF\xFF\xFF\xFF\xFF", 5), "\xFF\xFF...");
}

TEST(InFlagWordsTest, NamesFlagsWhereTheServiceNamesFields) {
  Problems problems;
  problems.Add("stage.inputs", "has no 'cal_images', which this stage needs");
  problems.Add("options.threshold", "is 5; expected 0 to 1");
  problems.Add("stage.outputs[model]", "is 'a', which stage.inputs[model] is too");
  const absl::Status said =
      InFlagWords(problems.ToStatus(), {{"stage.inputs[cal_images]", "--cal_image_dir"},
                                        {"stage.inputs[model]", "-m"},
                                        {"stage.outputs[model]", "-o"},
                                        {"options.threshold", "-pth"}});
  EXPECT_EQ(said.message(),
            "--cal_image_dir is missing\n-pth is 5; expected 0 to 1\n-o is 'a', which -m is too");
  EXPECT_EQ(ProblemsFrom(said).size(), 3);
}

TEST(InFlagWordsTest, NamesFlagsWhereTheServiceSpeaksOfInputsAndOutputs) {
  EXPECT_EQ(InFlagWords("input 'cal_images' has no effect; ask for an output 'onnx' too",
                        {{"stage.inputs[cal_images]", "--cal_image_dir"},
                         {"stage.outputs[onnx]", "--onnx"}}),
            "--cal_image_dir has no effect; ask for --onnx too");
}

TEST(RunCommandLineTest, HelpIsAWordToo) {
  ::testing::internal::CaptureStdout();
  EXPECT_EQ(RunCommandLine({"help", "ssd", "prune"}), 0);
  EXPECT_THAT(::testing::internal::GetCapturedStdout(), HasSubstr("--remove"));
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(RunCommandLine({}), 2);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("ssd"));
}

TEST(RunCommandLineTest, AWrongLineIsJsonWhereJsonWasAskedFor) {
  ::testing::internal::CaptureStdout();
  EXPECT_EQ(RunCommandLine({"ssd", "trian", "--json"}), 2);
  EXPECT_THAT(::testing::internal::GetCapturedStdout(),
              AllOf(HasSubstr("\"code\":3"), HasSubstr("did you mean 'train'?")));
  ::testing::internal::CaptureStdout();
  EXPECT_EQ(RunCommandLine({"inspect", "\xFF.tlt", "--json"}), 2);
  EXPECT_THAT(::testing::internal::GetCapturedStdout(),
              AllOf(HasSubstr("\"code\":3"), HasSubstr("is not UTF-8")));
}

}  // namespace
}  // namespace trainyard::cli
