// Stages whose work trainyard-stage-worker does, to the end of their operations: what they give, and that
// no input takes the service with it.
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/files.h"
#include "libs/sealing/model_store.h"
#include "libs/service/client.h"
#include "libs/worker/rpc_status.h"
#include "services/convert/prepare.h"
#include "services/prune/prepare.h"
#include "tests/support/data_pictures.h"
#include "tests/support/service_operations.h"
#include "tests/support/small_ssd.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::services {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Property;
using ::trainyard::testing::AwaitDone;
using ::trainyard::testing::AwaitOperation;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::KittiLine;
using ::trainyard::testing::PlainPicture;
using ::trainyard::testing::SmallSsd;
using ::trainyard::testing::StatusIs;
using ::trainyard::testing::TemporaryFolder;
using ::trainyard::testing::WriteKittiFrame;

class StageWorkerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(setenv("TRAINYARD_WORKER_DIR", DirName(TRAINYARD_STAGE_WORKER).c_str(), 1), 0);
    ASSERT_THAT(sealing::SaveModel(folder_ / "model.tlt", sealing::SealedKind::kCheckpoint,
                                   SmallSsd(), {}, ""),
                IsOk());
    Begin();
  }

  void Begin() {
    auto manager = service::OperationManager::Create(
        {.service = "stages", .replica = "r1", .state_dir = folder_ / "state", .threads = 1});
    ASSERT_THAT(manager, IsOk());
    manager_ = *std::move(manager);
    AddStage<v1::PruneRequest>("prune", PreparePrune);
    AddStage<v1::ConvertRequest>("convert", PrepareConvert);
    AddStage<v1::AugmentRequest>("augment", PrepareAugment);
    ASSERT_THAT(manager_->Begin("host:7003"), IsOk());
  }

  template <typename Request>
  void AddStage(const std::string& name,
                absl::StatusOr<service::StageRun> (*prepare)(const Request&,
                                                             const service::Workspace&)) {
    manager_->AddStage(service::StageOf<Request>(name, [this, prepare](const Request& request) {
      return prepare(request, workspace_);
    }));
  }

  // Worker programs that do as `script` says, where $job is job.pb; the real one is $real.
  void ReplaceWorker(const std::string& script) {
    const std::string program = folder_.Write(
        "bin/trainyard-stage-worker",
        absl::StrCat("#!/bin/sh\nreal='", TRAINYARD_STAGE_WORKER,
                     "'\nfor word; do [ -f \"$word/job.pb\" ] && job=$word/job.pb; done\n", script));
    std::filesystem::permissions(program, std::filesystem::perms::owner_all);
    ASSERT_EQ(setenv("TRAINYARD_WORKER_DIR", (folder_ / "bin").c_str(), 1), 0);
  }

  template <typename Request>
  static Request RequestOf(const std::string& input_name, const std::string& input,
                           const std::string& output_name, const std::string& output) {
    Request request;
    request.mutable_stage()->set_network("ssd");
    v1::Artifact& in = *request.mutable_stage()->add_inputs();
    in.set_name(input_name);
    in.set_uri(input);
    v1::Artifact& out = *request.mutable_stage()->add_outputs();
    out.set_name(output_name);
    out.set_uri(output);
    return request;
  }

  static v1::PruneRequest PruneOf(const std::string& input) {
    return RequestOf<v1::PruneRequest>("model", input, "model", "pruned.tlt");
  }

  std::string Start(const std::string& stage, const google::protobuf::Message& request) {
    const auto started = manager_->Start(stage, request);
    EXPECT_THAT(started, IsOk());
    return started.ok() ? started->name() : "";
  }
  service::Operation Run(const std::string& stage, const google::protobuf::Message& request) {
    return AwaitDone(*manager_, Start(stage, request));
  }

  const TemporaryFolder folder_;
  const service::Workspace workspace_ = *service::Workspace::Create(folder_.path());
  std::unique_ptr<service::OperationManager> manager_;
};

TEST_F(StageWorkerTest, PruneGivesModelMetricsAndNote) {
  v1::PruneRequest request = PruneOf("model.tlt");
  request.mutable_options()->set_remove(0.3);
  request.mutable_options()->add_excluded_layers("no_such_layer");
  const service::Operation done = Run("prune", request);
  const auto result = service::ResultOf(done);
  ASSERT_THAT(result, IsOk());
  ASSERT_EQ(result->outputs_size(), 1);
  EXPECT_EQ(result->outputs(0).name(), "model");
  EXPECT_EQ(result->outputs(0).uri(), "pruned.tlt");
  EXPECT_EQ(result->outputs(0).kind(), "tlt");
  std::vector<std::string> names;
  for (const v1::Metric& metric : result->metrics()) names.push_back(metric.name());
  EXPECT_THAT(names, ElementsAre("pruning_ratio", "parameters", "parameters_before", "macs",
                                 "bytes", "threshold"));
  EXPECT_TRUE(result->metrics(0).primary());
  EXPECT_LE(result->metrics(0).value(), 0.7);
  EXPECT_THAT(result->notes(), ElementsAre(HasSubstr("Pruning ratio (pruned model")));
  const v1::OperationMetadata metadata = service::MetadataOf(done);
  EXPECT_THAT(metadata.warnings(),
              Contains(Property(&google::rpc::Status::message, HasSubstr("no_such_layer"))));
  EXPECT_EQ(metadata.progress().done(), 3);
  EXPECT_THAT(sealing::LoadModel(folder_ / "pruned.tlt", {sealing::SealedKind::kCheckpoint}, ""),
              IsOk());
}

TEST_F(StageWorkerTest, PruneSaysThatNothingWasRemoved) {
  v1::PruneRequest request = PruneOf("model.tlt");
  request.mutable_options()->set_threshold(-1);
  const service::Operation done = Run("prune", request);
  ASSERT_THAT(service::ResultOf(done), IsOk());
  EXPECT_THAT(service::MetadataOf(done).warnings(),
              Contains(Property(&google::rpc::Status::message,
                                AllOf(HasSubstr("nothing was removed"), HasSubstr("-pth")))));
}

// TAO's --results_dir: a line for the end, be it good or bad.
TEST_F(StageWorkerTest, PruneKeepsAStatusFile) {
  v1::PruneRequest request = PruneOf("model.tlt");
  v1::Artifact& results = *request.mutable_stage()->add_outputs();
  results.set_name("results");
  results.set_uri("log");
  ASSERT_THAT(service::ResultOf(Run("prune", request)), IsOk());
  folder_.Write("damaged.tlt", "TYSF\n");
  request.mutable_stage()->mutable_inputs(0)->set_uri("damaged.tlt");
  EXPECT_FALSE(service::ResultOf(Run("prune", request)).ok());
  EXPECT_THAT(ReadFile(folder_ / "log/status.json").value_or(""),
              MatchesRegex(".*\"SUCCESS\".*\"Pruning finished successfully.\".*\"pruning_ratio\".*"
                           "\"size\".*\"param_count\".*\n.*\"FAILURE\".*damaged.tlt.*\n"));
}

TEST_F(StageWorkerTest, ConvertAndAugmentGiveTheirSets) {
  for (int i = 0; i < 4; ++i) {
    WriteKittiFrame(folder_ / "data", absl::StrCat("f", i), PlainPicture(40, 30, {9, 9, 9}),
                    KittiLine("nut", {5, 5, 20, 20}));
  }
  auto convert = RequestOf<v1::ConvertRequest>("root", "data", "dataset", "records/train");
  convert.mutable_stage()->set_spec_text(
      R"(kitti_config { image_dir_name: "images" label_dir_name: "labels" image_extension: ".png"
         partition_mode: "random" num_shards: 1 val_split: 50 })");
  const auto converted = service::ResultOf(Run("convert", convert));
  ASSERT_THAT(converted, IsOk());
  EXPECT_EQ(converted->outputs(0).kind(), "tfrecords");
  EXPECT_EQ(converted->outputs(0).uri(), "records/train");
  EXPECT_EQ(converted->metrics(0).name(), "images");
  EXPECT_EQ(converted->metrics(0).value(), 4);
  EXPECT_THAT(converted->notes(), Contains(HasSubstr("nut x 4")));

  auto augment = RequestOf<v1::AugmentRequest>("root", "data", "dataset", "turned");
  augment.mutable_stage()->set_spec_text(
      R"(image_extension: ".png" dataset_config { image_path: "images" label_path: "labels" }
         spatial_config { flip_config { flip_horizontal: true } })");
  const auto augmented = service::ResultOf(Run("augment", augment));
  ASSERT_THAT(augmented, IsOk());
  EXPECT_EQ(augmented->outputs(0).kind(), "kitti");
  EXPECT_TRUE(FileExists(folder_ / "turned/images/f3.png"));
}

// A model that the libraries below cannot digest ends its operation, with its name, and nothing else.
TEST_F(StageWorkerTest, ACrashEndsItsOperationAlone) {
  ReplaceWorker("if grep -q poison \"$job\"; then kill -SEGV $$; fi\nexec \"$real\" \"$@\"\n");
  std::filesystem::copy(folder_ / "model.tlt", folder_ / "poison.tlt");
  const std::string poisoned = Start("prune", PruneOf("poison.tlt"));
  const std::string innocent = Start("prune", PruneOf("model.tlt"));
  const auto crashed = service::ResultOf(AwaitDone(*manager_, poisoned));
  EXPECT_THAT(crashed, StatusIs(absl::StatusCode::kInternal,
                                AllOf(HasSubstr("while working on 'poison.tlt'"),
                                      HasSubstr("trainyard-stage-worker"), HasSubstr("signal 11"))));
  EXPECT_EQ(worker::ReasonOf(crashed.status()), "WORKER_CRASHED");
  EXPECT_THAT(service::ResultOf(AwaitDone(*manager_, innocent)), IsOk());
}

class StuckWorkerTest : public StageWorkerTest {
 protected:
  // Starts a pruning whose worker takes no SIGTERM; returns when it is deaf.
  std::string StartStuck() {
    EXPECT_EQ(mkfifo((folder_ / "deaf").c_str(), 0600), 0);
    ReplaceWorker(absl::StrCat("trap '' TERM\necho > '", folder_ / "deaf", "'\nexec sleep 600\n"));
    const std::string name = Start("prune", PruneOf("model.tlt"));
    std::string line;
    std::ifstream deaf(folder_ / "deaf");
    std::getline(deaf, line);
    return name;
  }
};

TEST_F(StuckWorkerTest, IsKilledSoonAfterACancel) {
  const std::string name = StartStuck();
  const absl::Time asked = absl::Now();
  ASSERT_THAT(manager_->Cancel(name), IsOk());
  const service::Operation done = AwaitDone(*manager_, name);
  EXPECT_LT(absl::Now() - asked, absl::Seconds(4)) << "1.5 s, and what a busy machine adds";
  EXPECT_EQ(service::MetadataOf(done).state(), v1::OperationMetadata::CANCELLED);
}

// A drain gives a training 10 s for its checkpoint; what has nothing to save is begun anew anyway.
TEST_F(StuckWorkerTest, IsKilledSoonInADrain) {
  StartStuck();
  const absl::Time asked = absl::Now();
  manager_->Drain();
  EXPECT_LT(absl::Now() - asked, absl::Seconds(6));
}

}  // namespace
}  // namespace trainyard::services
