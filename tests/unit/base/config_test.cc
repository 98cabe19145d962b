#include "libs/base/config.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/problems.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::SizeIs;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::StatusIs;
using ::trainyard::testing::TemporaryFolder;

class SettingsTest : public ::testing::Test {
 protected:
  SettingsTest() {
    settings_.Bind("address", &address_, "where to listen");
    settings_.Bind("max-queue", &max_queue_, "how many wait", 0, 100);
    settings_.Bind("strict", &strict_, "stop at the first problem");
    settings_.Bind("drain-grace", &grace_, "how long calls get");
    settings_.Bind("networks", &networks_, "known networks");
    settings_.Bind("peers", &peers_, "other replicas");
  }
  std::string address_ = "127.0.0.1:0";
  int max_queue_ = 10;
  bool strict_ = false;
  absl::Duration grace_ = absl::Seconds(5);
  std::vector<std::string> networks_;
  std::map<std::string, std::string> peers_;
  Settings settings_;
  TemporaryFolder folder_;
};

TEST_F(SettingsTest, FlagsWinOverTheEnvironmentAndThatOverTheFile) {
  const std::string file = folder_.Write(
      "a.yaml", "address: file:1\nmax_queue: 1\nstrict: true\ndrain-grace: 250ms\n"
                "networks: [ssd, yolo]\npeers: {r2: 'host:2'}\n");
  ASSERT_THAT(settings_.Load({.file = file,
                              .environment_prefix = "TRAINYARD_",
                              .environment = {{"TRAINYARD_MAX_QUEUE", "2"},
                                              {"TRAINYARD_ADDRESS", "env:1"},
                                              {"TRAINYARD_SOMETHING_ELSE", "x"}},
                              .flags = {{"address", "flag:1"}}}),
              IsOk());
  EXPECT_EQ(address_, "flag:1");
  EXPECT_EQ(max_queue_, 2);
  EXPECT_TRUE(strict_);
  EXPECT_EQ(grace_, absl::Milliseconds(250));
  EXPECT_THAT(networks_, ElementsAre("ssd", "yolo"));
  EXPECT_THAT(peers_, ElementsAre(Pair("r2", "host:2")));
}

TEST_F(SettingsTest, EveryProblemIsNamedAndNothingChanges) {
  const std::string file =
      folder_.Write("a.yaml", "address: file:1\nmax_qeue: 1\nstrict: perhaps\nnetworks: [[1]]\n");
  const absl::Status status =
      settings_.Load({.file = file,
                      .environment_prefix = "TRAINYARD_",
                      .environment = {{"TRAINYARD_MAX_QUEUE", "101"}},
                      .flags = {{"drain-grace", "soon"}, {"adress", "x"}, {"peers", "r2"}}});
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                               AllOf(HasSubstr("a.yaml:2"), HasSubstr("did you mean 'max_queue'?"),
                                     HasSubstr("a.yaml:3"), HasSubstr("true or false"),
                                     HasSubstr("a.yaml:4"), HasSubstr("is nested"))));
  EXPECT_THAT(status.message(),
              AllOf(HasSubstr("TRAINYARD_MAX_QUEUE is '101'; expected a whole number of 0 to 100"),
                    HasSubstr("--drain-grace is 'soon'; expected a length of time"),
                    HasSubstr("did you mean 'address'?"), HasSubstr("key=value")));
  EXPECT_THAT(ProblemsFrom(status), SizeIs(7));
  EXPECT_EQ(address_, "127.0.0.1:0");
}

TEST_F(SettingsTest, AFileThatIsNoYamlNamesTheLine) {
  EXPECT_THAT(settings_.Load({.file = folder_.Write("a.yaml", "address: x\nmax_queue: [1\n")}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("a.yaml:")));
  EXPECT_THAT(settings_.Load({.file = folder_.Write("b.yaml", "- a\n")}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("expected a map")));
  EXPECT_THAT(settings_.Load({.file = folder_ / "none.yaml"}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("none.yaml")));
  EXPECT_THAT(settings_.Load({.file = folder_.Write("empty.yaml", "")}), IsOk());
}

TEST_F(SettingsTest, FlagsHaveValuesBesideOrBehindThem) {
  const auto parsed = settings_.ParseFlags({"run", "--address", "a:1", "--max-queue=3", "--strict",
                                            "--networks=ssd", "--networks", "yolo", "--address=b:2"});
  ASSERT_THAT(parsed, IsOk());
  EXPECT_THAT(parsed->rest, ElementsAre("run"));
  ASSERT_THAT(settings_.Load({.flags = parsed->flags}), IsOk());
  EXPECT_EQ(address_, "b:2");
  EXPECT_EQ(max_queue_, 3);
  EXPECT_TRUE(strict_);
  EXPECT_THAT(networks_, ElementsAre("ssd", "yolo"));
}

TEST_F(SettingsTest, UnknownFlagsAndMissingValuesAreListedTogether) {
  EXPECT_THAT(settings_.ParseFlags({"--adress", "a:1", "--max-queue"}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("--adress is no flag; did you mean 'address'?"),
                             HasSubstr("--max-queue has no value"))));
}

TEST_F(SettingsTest, TheHelpHasNameTextAndDefault) {
  EXPECT_THAT(settings_.Help(), AllOf(HasSubstr("--max-queue    how many wait [10]"),
                                      HasSubstr("--drain-grace  how long calls get [5s]")));
}

TEST(MisspeltSettingsTest, NamesVariablesThatLookLikeASetting) {
  int queue = 1;
  std::string workspace, state_dir;
  Settings settings;
  settings.Bind("max-queue", &queue, "");
  settings.Bind("workspace", &workspace, "");
  settings.Bind("state-dir", &state_dir, "");
  EXPECT_THAT(settings.Misspelt("TRAINYARD_", {{"TRAINYARD_MAX_QEUE", "2"},
                                               {"TRAINYARD_MAX_QUEUE", "2"},
                                               {"TRAINYARD_WORKER_DIR", "/opt"},
                                               {"TRAINYARD_MODEL_KEY", "k"},
                                               {"TRAINYARD_KEY", "k"},
                                               {"MAX_QEUE", "2"}}),
              ElementsAre("TRAINYARD_MAX_QEUE is no setting; did you mean 'TRAINYARD_MAX_QUEUE'?"));
}

}  // namespace
}  // namespace trainyard
