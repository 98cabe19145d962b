// What a request and its spec make of where a training begins.

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/train/prepare.h"
#include "tests/support/ssd_spec_text.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::services {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::SmallSsdSpec;
using ::trainyard::testing::StatusIs;
using ::trainyard::testing::TemporaryFolder;

class PrepareTrainTest : public ::testing::Test {
 protected:
  PrepareTrainTest() : workspace_(*service::Workspace::Create(folder_.Folder("work"))) {
    for (const char* name : {"data/labels", "data/images", "data/val_labels", "data/val_images"}) {
      folder_.Folder(absl::StrCat("work/", name));
    }
    folder_.Write("work/a.tlt", "a");
    folder_.Write("work/b.tlt", "b");
    request_.mutable_stage()->set_network("ssd");
    request_.mutable_stage()->set_spec_text(SmallSsdSpec());
    (*request_.mutable_stage()->mutable_path_map())["/data"] = "data";
    v1::Artifact& results = *request_.mutable_stage()->add_outputs();
    results.set_name("results");
    results.set_uri("run");
  }

  void InSpec(const std::string& field, const std::string& path) {
    request_.mutable_stage()->add_overrides(
        absl::StrCat("training_config.", field, " = \"", path, "\""));
  }
  void WithModel(const std::string& path) {
    v1::Artifact& model = *request_.mutable_stage()->add_inputs();
    model.set_name("model");
    model.set_uri(path);
  }
  absl::StatusOr<worker::v1::TrainTask> Task() {
    absl::StatusOr<worker::v1::WorkerJob> job = TrainJob(request_, workspace_, warnings_);
    if (!job.ok()) return job.status();
    return job->train();
  }

  TemporaryFolder folder_;
  service::Workspace workspace_;
  v1::TrainRequest request_;
  std::vector<std::string> warnings_;
};

TEST_F(PrepareTrainTest, AModelIsAStartUnlessALaterEpochIsAskedFor) {
  WithModel("a.tlt");
  auto task = Task();
  ASSERT_THAT(task, IsOk());
  EXPECT_EQ(task->initial_model(), folder_ / "work/a.tlt");
  EXPECT_EQ(task->resume_model(), "");
  request_.mutable_options()->set_initial_epoch(3);
  task = Task();
  ASSERT_THAT(task, IsOk());
  EXPECT_EQ(task->initial_model(), "");
  EXPECT_EQ(task->resume_model(), folder_ / "work/a.tlt");
}

TEST_F(PrepareTrainTest, ResumeModelPathGoesOnAsTheModelOfAResume) {
  InSpec("resume_model_path", "a.tlt");
  auto task = Task();
  ASSERT_THAT(task, IsOk());
  EXPECT_EQ(task->resume_model(), folder_ / "work/a.tlt");
  EXPECT_EQ(task->initial_model(), "");

  request_.mutable_options()->set_initial_epoch(4);  // Without a model in the request.
  EXPECT_THAT(Task(), IsOk());

  // With --resume the folder's newest comes first.
  request_.mutable_options()->set_resume(true);
  task = Task();
  ASSERT_THAT(task, IsOk());
  EXPECT_EQ(task->resume_model(), folder_ / "work/run");
  EXPECT_EQ(task->resume_fallback(), folder_ / "work/a.tlt");
  EXPECT_EQ(task->initial_model(), "");
}

TEST_F(PrepareTrainTest, TheRequestAndTheSpecMayNotDisagree) {
  InSpec("resume_model_path", "a.tlt");
  WithModel("b.tlt");
  EXPECT_THAT(Task(), StatusIs(absl::StatusCode::kInvalidArgument,
                               AllOf(HasSubstr("b.tlt"), HasSubstr("a.tlt"),
                                     HasSubstr("resume_model_path"), HasSubstr("name one"))));
  request_.mutable_stage()->mutable_inputs(0)->set_uri("a.tlt");
  const auto task = Task();
  ASSERT_THAT(task, IsOk());
  EXPECT_EQ(task->resume_model(), folder_ / "work/a.tlt");

  request_.mutable_stage()->clear_overrides();
  InSpec("pretrain_model_path", "b.tlt");
  EXPECT_THAT(Task(), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("starts from")));
}

TEST_F(PrepareTrainTest, AMissingModelOfTheSpecIsRefusedByItsField) {
  InSpec("resume_model_path", "none.tlt");
  EXPECT_THAT(Task(), StatusIs(absl::StatusCode::kNotFound,
                               AllOf(HasSubstr("training_config.resume_model_path"),
                                     HasSubstr("none.tlt"), HasSubstr("not there"))));
  request_.mutable_stage()->clear_overrides();
  InSpec("pruned_model_path", "none.tlt");
  EXPECT_THAT(Task(), StatusIs(absl::StatusCode::kNotFound,
                               AllOf(HasSubstr("pruned_model_path"), HasSubstr("none.tlt"))));
}

TEST_F(PrepareTrainTest, ACheckNamesAModelOfTheSpecThatIsNone) {
  InSpec("pretrain_model_path", "a.tlt");
  EXPECT_THAT(Task(), IsOk()) << "the work says it";
  request_.set_validate_only(true);
  EXPECT_THAT(Task(), StatusIs(absl::StatusCode::kInvalidArgument,
                               AllOf(HasSubstr("training_config.pretrain_model_path"),
                                     HasSubstr("a.tlt"))));
}

TEST_F(PrepareTrainTest, FrozenRandomWeightsAreWarnedOf) {
  request_.mutable_stage()->add_overrides("ssd_config.freeze_blocks = [0]");
  ASSERT_THAT(Task(), IsOk());
  EXPECT_THAT(warnings_, Contains(HasSubstr("random weights are frozen")));
  warnings_.clear();
  WithModel("a.tlt");
  ASSERT_THAT(Task(), IsOk());
  EXPECT_THAT(warnings_, ::testing::Not(Contains(HasSubstr("random weights are frozen"))));
}

}  // namespace
}  // namespace trainyard::services
