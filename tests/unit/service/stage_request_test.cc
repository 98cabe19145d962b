#include "services/stage_request/stage_request.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/problems.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::service {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::trainyard::testing::StatusIs;
using ::trainyard::testing::TemporaryFolder;

TEST(StageRequestTest, OfManyProblemsTheRestIsCounted) {
  const TemporaryFolder folder;
  const service::Workspace workspace = *service::Workspace::Create(folder.path());
  v1::StageInput stage;
  for (int i = 0; i < 1500; ++i) stage.add_inputs()->set_name(absl::StrCat("none", i));
  services::StageRequest request(stage, workspace);
  request.NoOtherNames();
  const absl::Status status = request.Status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("'none0'")));
  const std::vector<Problem> problems = ProblemsFrom(status);
  ASSERT_THAT(problems, SizeIs(1001));
  EXPECT_EQ(problems.back().description, "and 500 more problems");
}

}  // namespace
}  // namespace trainyard::service
