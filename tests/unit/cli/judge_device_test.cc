// What --device and --gpu_index of evaluate and inference come to: the worker's job.
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_replace.h"
#include "cli/command_line.h"
#include "cli/house.h"
#include "cli/signal_watch.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/service/server.h"
#include "tests/support/ssd_spec_text.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"
#include "trainyard/worker/v1/worker.pb.h"

namespace trainyard::cli {
namespace {

using ::testing::HasSubstr;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::SmallSsdSpec;
using ::trainyard::testing::TemporaryFolder;

class JudgeDeviceTest : public ::testing::Test {
 protected:
  // The train service, with a worker that keeps its job and fails.
  void SetUp() override {
    const std::string program =
        folder_.Write("bin/trainyard-train-worker",
                      "#!/bin/sh\ncp \"$2/job.pb\" '" + folder_ / "job.pb" + "'\nexit 1\n");
    std::filesystem::permissions(program, std::filesystem::perms::owner_all);
    ASSERT_EQ(setenv("TRAINYARD_WORKER_DIR", (folder_ / "bin").c_str(), /*overwrite=*/1), 0);
    // The data that the spec names must be there; nothing looks into it.
    for (const char* name : {"data/val_images", "data/val_labels"}) folder_.Folder(name);
    spec_ = folder_.Write("spec.txt", absl::StrReplaceAll(SmallSsdSpec(),
                                                          {{"/data/", folder_ / "data/"}}));
    model_ = folder_.Write("model.tlt", "a model");
    folder_.Folder("images");
    const auto train = ProgramOf("train");
    ASSERT_THAT(train, IsOk());
    service::ServerOptions options;
    options.service = "train";
    options.workspace = "/";
    options.state_dir = folder_ / "state";
    auto server = service::Server::Start(options, train->factory);
    ASSERT_THAT(server, IsOk());
    server_ = *std::move(server);
  }

  worker::v1::WorkerJob JobOf(std::vector<std::string> words) {
    for (const std::string& word : {std::string("-e"), spec_, std::string("-q"),
                                    std::string("--endpoint"), server_->address()}) {
      words.push_back(word);
    }
    EXPECT_EQ(RunCommandLine(words), 1) << "the worker fails";
    worker::v1::WorkerJob job;
    std::ifstream file(folder_ / "job.pb", std::ios::binary);
    EXPECT_TRUE(job.ParseFromIstream(&file));
    return job;
  }

  SignalWatch signals_;
  TemporaryFolder folder_;
  std::string spec_, model_;
  std::unique_ptr<service::Server> server_;
};

TEST_F(JudgeDeviceTest, EvaluateHandsThemToTheWorker) {
  const auto task =
      JobOf({"ssd", "evaluate", "-m", model_, "--device", "cuda", "--gpu_index", "2"}).evaluate();
  EXPECT_EQ(task.device(), "cuda");
  EXPECT_EQ(task.device_index(), 2);
}

TEST_F(JudgeDeviceTest, InferenceHandsThemToTheWorker) {
  const auto task = JobOf({"ssd", "inference", "-m", model_, "-i", folder_ / "images", "-r",
                           folder_ / "found", "--device", "cuda", "--gpu_index", "3"})
                        .infer();
  EXPECT_EQ(task.device(), "cuda");
  EXPECT_EQ(task.device_index(), 3);
  EXPECT_EQ(task.annotated_dir(), folder_ / "found/images_annotated");
  EXPECT_EQ(task.labels_dir(), folder_ / "found/labels");
}

TEST_F(JudgeDeviceTest, TheFirstOfWhateverIsThereIsTheDefault) {
  const auto task = JobOf({"ssd", "evaluate", "-m", model_}).evaluate();
  EXPECT_EQ(task.device(), "auto");
  EXPECT_EQ(task.device_index(), 0);
}

TEST_F(JudgeDeviceTest, TheServiceRefusesAnIndexThatNoMachineHas) {
  EXPECT_EQ(RunCommandLine({"ssd", "evaluate", "-m", model_, "-e", spec_, "--gpu_index", "5000",
                            "--endpoint", server_->address()}),
            64 + 3);
}

TEST_F(JudgeDeviceTest, AnEngineTakesNone) {
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(RunCommandLine({"ssd", "evaluate", "-m", "a.engine", "-e", spec_, "--gpu_index", "1"}),
            2);
  EXPECT_EQ(RunCommandLine({"ssd", "inference", "-m", "a.engine", "-e", spec_, "-i", "images",
                            "--device", "cuda"}),
            2);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              HasSubstr("'a.engine' runs on the device that it was built for"));
}

}  // namespace
}  // namespace trainyard::cli
