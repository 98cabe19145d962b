#include "libs/worker/rpc_status.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "google/rpc/error_details.pb.h"
#include "gtest/gtest.h"
#include "libs/base/log.h"
#include "libs/base/problems.h"
#include "tests/support/status_matchers.h"

namespace trainyard::worker {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::StatusIs;

template <typename Detail>
Detail DetailOf(const google::rpc::Status& status) {
  Detail detail;
  for (const auto& any : status.details()) {
    if (any.UnpackTo(&detail)) break;
  }
  return detail;
}

TEST(RpcStatusTest, OkHasNoDetails) {
  const google::rpc::Status rpc = RpcStatusFrom(absl::OkStatus());
  EXPECT_EQ(rpc.code(), 0);
  EXPECT_EQ(rpc.details_size(), 0);
  EXPECT_THAT(StatusFromRpc(rpc), IsOk());
}

TEST(RpcStatusTest, ErrorInfoIsAlwaysThere) {
  const auto info = DetailOf<google::rpc::ErrorInfo>(RpcStatusFrom(absl::DataLossError("CRC differs")));
  EXPECT_EQ(info.reason(), "DATA_LOSS");
  EXPECT_EQ(info.domain(), "trainyard.dev");
}

TEST(RpcStatusTest, ReasonProblemsAndRetryComeBack) {
  Problems problems;
  problems.Add("epochs", "is 0; expected at least 1");
  problems.AddProblem({"batch", "is -1", "spec.txt:3:1"});
  absl::Status status = WithReason(problems.ToStatus(), "BAD_SPEC", {{"spec", "spec.txt"}});
  status = WithRetry(status, absl::Milliseconds(2500));

  const absl::Status back = StatusFromRpc(RpcStatusFrom(status));
  EXPECT_THAT(back, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("epochs is 0")));
  EXPECT_EQ(ReasonOf(back), "BAD_SPEC");
  EXPECT_EQ(ReasonValueOf(back, "spec"), "spec.txt");
  EXPECT_EQ(RetryOf(back), absl::Milliseconds(2500));
  ASSERT_THAT(ProblemsFrom(back), SizeIs(2));
  EXPECT_EQ(ProblemsFrom(back)[0].field, "epochs");
  EXPECT_EQ(ProblemsFrom(back)[1].description, "spec.txt:3:1: is -1");
}

TEST(RpcStatusTest, ManyProblemsAreCutAndCounted) {
  Problems problems;
  for (int i = 0; i < 500; ++i) problems.Add(absl::StrCat("field", i), "is wrong in some way");
  const google::rpc::Status rpc = RpcStatusFrom(problems.ToStatus(), {.detail_bytes = 4096,
                                                                      .message_bytes = 1000});
  size_t details = 0;
  for (const auto& any : rpc.details()) details += any.ByteSizeLong();
  EXPECT_LE(details, 4096u);
  EXPECT_LE(rpc.message().size(), 1000u);
  EXPECT_THAT(rpc.message(), EndsWith("bytes in all)"));
  EXPECT_GT(DetailOf<google::rpc::BadRequest>(rpc).field_violations_size(), 30);
  EXPECT_EQ(DetailOf<google::rpc::ErrorInfo>(rpc).metadata().at("problemCount"), "500");
}

TEST(RpcStatusTest, SecretsAreRedactedEverywhere) {
  RegisterSecret("open-sesame");
  Problems problems;
  problems.Add("key", "'open-sesame' does not fit");
  const google::rpc::Status rpc =
      RpcStatusFrom(WithReason(problems.ToStatus(), "BAD_KEY", {{"key", "open-sesame"}}));
  EXPECT_THAT(rpc.SerializeAsString(), Not(HasSubstr("open-sesame")));
  EXPECT_THAT(rpc.message(), HasSubstr("[redacted]"));
}

TEST(RpcStatusTest, BytesThatAreNoUtf8AndControlCharactersAreEscaped) {
  const google::rpc::Status rpc =
      RpcStatusFrom(absl::NotFoundError(absl::string_view("no file 'a\xFF\xC3'\n\x1B[2J\0b", 20)));
  EXPECT_EQ(rpc.message(), "no file 'a\\xff\\xc3'\n\\x1b[2J\\x00b");
}

TEST(RpcStatusTest, AnUnknownCodeIsKept) {
  google::rpc::Status rpc;
  rpc.set_code(99);
  rpc.set_message("from elsewhere");
  EXPECT_THAT(StatusFromRpc(rpc), StatusIs(absl::StatusCode::kUnknown, "from elsewhere"));
  EXPECT_THAT(ReasonOf(StatusFromRpc(rpc)), IsEmpty());
  EXPECT_LT(RetryOf(StatusFromRpc(rpc)), absl::ZeroDuration());
}

}  // namespace
}  // namespace trainyard::worker
