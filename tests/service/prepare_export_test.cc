#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/files.h"
#include "libs/sealing/model_store.h"
#include "libs/service/client.h"
#include "services/export/prepare.h"
#include "tests/support/service_operations.h"
#include "tests/support/small_ssd.h"
#include "tests/support/ssd_spec_text.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard {
namespace {

using service::Occasion;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::trainyard::testing::AwaitDone;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::SmallSsd;
using ::trainyard::testing::SmallSsdSpec;
using ::trainyard::testing::StatusIs;
using ::trainyard::testing::TemporaryFolder;

void AddArtifact(const char* uri, v1::Artifact* artifact) {
  artifact->set_name("model");
  artifact->set_uri(uri);
}

// The service dies after the file got its name and before the operation's end was stored.
TEST(PrepareExportTest, OnlyAnOperationThatIsTakenUpMayFindItsOutput) {
  const TemporaryFolder folder;
  const auto workspace = service::Workspace::Create(folder.path());
  ASSERT_THAT(workspace, IsOk());
  for (const char* name : {"model.tlt", "model.etlt"}) {
    ASSERT_THAT(WriteFileAtomically(folder / name, "x"), IsOk());
  }
  v1::ExportRequest request;
  request.mutable_stage()->set_network("ssd");
  AddArtifact("model.tlt", request.mutable_stage()->add_inputs());
  AddArtifact("model.etlt", request.mutable_stage()->add_outputs());
  EXPECT_THAT(PrepareExport(request, *workspace, Occasion::kNew),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("set force")));
  EXPECT_THAT(PrepareExport(request, *workspace, Occasion::kTakenUp), IsOk());
  request.mutable_options()->set_force(true);
  EXPECT_THAT(PrepareExport(request, *workspace, Occasion::kNew), IsOk());
}

// Exports of a model of the classes car and person, to their end.
class ExportOperationTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_THAT(SaveModel(folder_ / "model.tlt", SealedKind::kCheckpoint, SmallSsd(), {}, ""),
                IsOk());
    ASSERT_THAT(MakeFolders(folder_ / "images"), IsOk());
    auto manager = service::OperationManager::Create(
        {.service = "export", .replica = "r1", .state_dir = folder_ / "state"});
    ASSERT_THAT(manager, IsOk());
    manager_ = *std::move(manager);
    manager_->AddStage(
        service::StageOf<v1::ExportRequest>("export", [this](const v1::ExportRequest& request) {
          return PrepareExport(request, workspace_, Occasion::kNew);
        }));
    ASSERT_THAT(manager_->Begin("host:7004"), IsOk());
    request_.mutable_stage()->set_network("ssd");
    AddArtifact("model.tlt", request_.mutable_stage()->add_inputs());
    AddArtifact("model.etlt", request_.mutable_stage()->add_outputs());
  }

  service::Operation Run() {
    const auto started = manager_->Start("export", request_);
    EXPECT_THAT(started, IsOk());
    return started.ok() ? AwaitDone(*manager_, started->name()) : service::Operation();
  }

  const TemporaryFolder folder_;
  const service::Workspace workspace_ = *service::Workspace::Create(folder_.path());
  std::unique_ptr<service::OperationManager> manager_;
  v1::ExportRequest request_;
};

TEST_F(ExportOperationTest, SaysWhatHasNoEffect) {
  v1::Artifact* images = request_.mutable_stage()->add_inputs();
  AddArtifact("images", images);
  images->set_name("cal_images");
  request_.mutable_options()->set_data_type("fp16");
  const service::Operation done = Run();
  const auto result = service::ResultOf(done);
  ASSERT_THAT(result, IsOk());
  EXPECT_THAT(result->notes(), ElementsAre(HasSubstr("weights stay f32")));
  const v1::OperationMetadata metadata = service::MetadataOf(done);
  ASSERT_EQ(metadata.warnings_size(), 1);
  EXPECT_THAT(metadata.warnings(0).message(), HasSubstr("'cal_images' has no effect"));
}

TEST_F(ExportOperationTest, ASpecForOtherClassesIsRefused) {
  const std::string spec = absl::StrReplaceAll(SmallSsdSpec(), {{"\"/data/", "\"data/"}});
  request_.mutable_stage()->set_spec_text(
      absl::StrReplaceAll(spec, {{"\"Person\"", "\"bicycle\""}}));
  EXPECT_THAT(service::ResultOf(Run()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("are car, person"), HasSubstr("bicycle, car"))));
  request_.mutable_stage()->set_spec_text(spec);
  EXPECT_THAT(service::ResultOf(Run()), IsOk());
}

}  // namespace
}  // namespace trainyard
