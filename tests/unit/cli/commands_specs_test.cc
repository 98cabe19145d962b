// `init`, `migrate`, and what `fit` refuses before it looks at data.
#include <string>
#include <vector>

#include "absl/strings/str_replace.h"
#include "cli/command_line.h"
#include "cli/signal_watch.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/files.h"
#include "libs/networks/registry.h"
#include "tests/support/ssd_spec_text.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::cli {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;
using ::trainyard::testing::ContentOf;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::SmallSsdSpec;
using ::trainyard::testing::TemporaryFolder;

class SpecCommandsTest : public ::testing::Test {
 protected:
  // The exit code; what it printed is in out_ and err_.
  int Run(const std::vector<std::string>& words) {
    ::testing::internal::CaptureStdout();
    ::testing::internal::CaptureStderr();
    const int code = RunCommandLine(words);
    err_ = ::testing::internal::GetCapturedStderr();
    out_ = ::testing::internal::GetCapturedStdout();
    return code;
  }

  SignalWatch signals_;
  TemporaryFolder folder_;
  std::string out_, err_;
};

TEST_F(SpecCommandsTest, InitWritesASpecThatSpecCheckTakes) {
  for (const std::string& network : networks::NetworkNames()) {
    const std::string file = folder_ / ("new/" + network + ".txt");
    EXPECT_EQ(Run({"init", network, "-o", file}), 0) << err_;
    EXPECT_EQ(Run({"spec", "check", file}), 0) << err_;
    EXPECT_EQ(err_, "");
    EXPECT_EQ(Run({"init", network}), 0);
    EXPECT_EQ(out_, ContentOf(file));
  }
}

TEST_F(SpecCommandsTest, InitReplacesNothingUnlessForced) {
  const std::string file = folder_.Write("mine.txt", "mine");
  EXPECT_EQ(Run({"init", "ssd", "-o", file}), 1);
  EXPECT_THAT(err_, AllOf(HasSubstr("mine.txt' is there"), HasSubstr("--force")));
  EXPECT_EQ(ContentOf(file), "mine");
  EXPECT_EQ(Run({"init", "ssd", "-o", file, "--force"}), 0);
  EXPECT_THAT(ContentOf(file), HasSubstr("ssd_config {"));
}

TEST_F(SpecCommandsTest, InitNamesTheNetworksThereAre) {
  EXPECT_EQ(Run({"init", "sdd"}), 2);
  EXPECT_THAT(err_, HasSubstr("did you mean 'ssd'?"));
}

TEST_F(SpecCommandsTest, MigrateShowsATableAndWritesWhatIsLeft) {
  const std::string old = folder_.Write(
      "old.txt", absl::StrReplaceAll(SmallSsdSpec(), {{"  num_epochs: 6\n",
                                                       "  num_epochs: 6  # enough\n  enable_qat: true\n"
                                                       "  use_multiprocessing: true\n"}}));
  const std::string file = folder_ / "new.txt";
  EXPECT_EQ(Run({"migrate", old, "-o", file}), 0) << err_;
  EXPECT_THAT(out_, AllOf(ContainsRegex("line +field +value +outcome +why"),
                          ContainsRegex("13 +training_config.num_epochs +6 +taken\n"),
                          ContainsRegex("14 +training_config.enable_qat +true +not offered +is not"),
                          ContainsRegex("15 +training_config.use_multiprocessing +true +no effect"),
                          HasSubstr(" taken, 1 without effect, 1 not offered, 0 wrong\n")));
  EXPECT_THAT(ContentOf(file), AllOf(Not(HasSubstr("qat")), Not(HasSubstr("enough")),
                                     HasSubstr("num_epochs: 6")));
  EXPECT_EQ(Run({"spec", "check", file}), 0);
  EXPECT_EQ(Run({"migrate", old, "--json"}), 0);
  EXPECT_THAT(out_, HasSubstr("\"field\":\"training_config.enable_qat\""));
}

TEST_F(SpecCommandsTest, MigrateWritesNothingThatCannotBeTrainedWith) {
  const std::string old = folder_.Write(
      "old.txt",
      absl::StrReplaceAll(SmallSsdSpec(), {{"nlayers: 10", "nlayers: 10 pred_num_channels: 256"},
                                           {"top_k:", "topk:"}}));
  const std::string file = folder_ / "new.txt";
  EXPECT_EQ(Run({"migrate", old, "-o", file}), 1);
  EXPECT_THAT(out_, AllOf(ContainsRegex("ssd_config.pred_num_channels +256 +not offered"),
                          ContainsRegex("nms_config.topk +wrong +.*did you mean 'top_k'")));
  EXPECT_THAT(err_, HasSubstr("so nothing was written"));
  EXPECT_FALSE(FileExists(file));
}

TEST_F(SpecCommandsTest, MigrateKnowsWhatIsNoExperiment) {
  EXPECT_EQ(Run({"migrate", folder_.Write("c.txt", "kitti_config { val_split: 20 }")}), 1);
  EXPECT_THAT(err_, AllOf(HasSubstr("c.txt:1:"), HasSubstr("expected an experiment of one of")));
  EXPECT_EQ(Run({"migrate", folder_.Write("d.txt", "random_seed: 3")}), 1);
  EXPECT_THAT(err_, HasSubstr("no field by which it is known"));
  EXPECT_EQ(Run({"migrate", folder_ / "none.txt"}), 2);
}

TEST_F(SpecCommandsTest, FitRefusesBeforeItLooksAtData) {
  EXPECT_EQ(Run({"fit", folder_.path(), "--network", "sdd"}), 2);
  EXPECT_THAT(err_, HasSubstr("did you mean 'ssd'?"));
  EXPECT_EQ(Run({"fit", folder_.path(), "--out", folder_ / "a${b}"}), 2);
  EXPECT_THAT(err_, HasSubstr("without '${'"));
  EXPECT_EQ(Run({"fit", folder_.path(), "--minutes", "0"}), 2);
  EXPECT_EQ(Run({"fit", folder_.path(), "--start", "efficientnet_lite0", "--store", folder_ / "none",
                 "--out", folder_ / "out"}),
            2);
  EXPECT_THAT(err_, HasSubstr("trainyard models get efficientnet_lite0"));
}

}  // namespace
}  // namespace trainyard::cli
