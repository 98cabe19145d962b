#include "libs/service/status.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/problems.h"
#include "libs/worker/rpc_status.h"
#include "tests/support/status_matchers.h"

namespace trainyard::service {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::StatusIs;

TEST(GrpcStatusTest, GoesThereAndBack) {
  Problems problems;
  problems.Add("stage.network", "is 'sdd'; did you mean 'ssd'?");
  const absl::Status back = StatusFrom(GrpcStatusFrom(problems.ToStatus()));
  EXPECT_THAT(back, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("'sdd'")));
  EXPECT_THAT(ProblemsFrom(back), SizeIs(1));
  EXPECT_THAT(StatusFrom(GrpcStatusFrom(absl::OkStatus())), IsOk());
}

TEST(GrpcStatusTest, AStatusWithoutDetailsKeepsItsWords) {
  EXPECT_THAT(StatusFrom(grpc::Status(grpc::StatusCode::UNAVAILABLE, "connection refused")),
              StatusIs(absl::StatusCode::kUnavailable, "connection refused"));
}

TEST(GrpcStatusTest, NeverOutgrowsATrailer) {
  Problems problems;
  // Letters that are not ASCII are sent as three bytes each.
  for (int i = 0; i < 1000; ++i) problems.Add(absl::StrCat("räder", i), "ist größer als ährig");
  const grpc::Status status = GrpcStatusFrom(problems.ToStatus());
  EXPECT_LE(status.error_details().size(), 4200u);
  EXPECT_LE(status.error_message().size(), 1024u);
  const absl::Status back = StatusFrom(status);
  EXPECT_EQ(worker::ReasonValueOf(back, "problemCount"), "1000");
  EXPECT_GT(ProblemsFrom(back).size(), 20u);
}

TEST(GrpcStatusTest, NeitherDoWordsOfACallerThatItRepeats) {
  const std::string name(100000, 'n');
  const grpc::Status status = GrpcStatusFrom(
      worker::WithReason(absl::NotFoundError(name), "OPERATION_NOT_FOUND", {{"operation", name}}));
  EXPECT_LE(status.error_details().size(), 4200u);
  EXPECT_THAT(worker::ReasonValueOf(StatusFrom(status), "operation"),
              HasSubstr("cut; 100000 bytes"));
}

}  // namespace
}  // namespace trainyard::service
