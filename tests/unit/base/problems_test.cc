#include "libs/base/problems.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/status.h"
#include "tests/support/status_matchers.h"

namespace trainyard {
namespace {

using ::testing::IsEmpty;
using testing::IsOk;
using ::testing::SizeIs;
using testing::StatusIs;

TEST(ProblemsTest, NoneIsOk) {
  EXPECT_THAT(Problems().ToStatus(), IsOk());
  EXPECT_THAT(ProblemsFrom(absl::OkStatus()), IsEmpty());
  EXPECT_THAT(ProblemsFrom(absl::InternalError("x")), IsEmpty());
}

TEST(ProblemsTest, EachIsALineWithPlaceFieldAndDescription) {
  Problems problems;
  problems.Add("threshold", "is %g; expected a finite number", 0.5);
  problems.AddProblem({"num_epochs", "is 0", "train.txt:14:3"});
  EXPECT_THAT(problems.ToStatus(), StatusIs(absl::StatusCode::kInvalidArgument,
                                            "threshold is 0.5; expected a finite number\n"
                                            "train.txt:14:3: num_epochs is 0"));
  EXPECT_EQ(problems.ToStatus(absl::StatusCode::kUnimplemented).code(),
            absl::StatusCode::kUnimplemented);
}

TEST(ProblemsTest, SurviveTheStatusAndItsAnnotation) {
  Problems problems;
  problems.AddProblem({"a.b", "has 'x', \"y\"\nand more", "f:1:2"});
  problems.AddProblem({"", "", ""});
  const std::vector<Problem> read = ProblemsFrom(Annotate(problems.ToStatus(), "specs/train.txt"));
  ASSERT_THAT(read, SizeIs(2));
  EXPECT_EQ(read[0].field, "a.b");
  // A problem is one line: a line break in a user's text is shown as such.
  EXPECT_EQ(read[0].description, "has 'x', \"y\"\\nand more");
  EXPECT_EQ(read[0].place, "f:1:2");
  EXPECT_EQ(read[1].description, "");
}

TEST(ProblemsTest, MergePutsFieldsBelowAPrefix) {
  Problems inner, outer;
  inner.Add("x", "is bad");
  inner.Add("", "is empty");
  outer.Merge(inner, "spec");
  outer.Merge(inner);
  EXPECT_EQ(outer.list()[0].field, "spec.x");
  EXPECT_EQ(outer.list()[1].field, "spec");
  EXPECT_EQ(outer.list()[2].field, "x");
}

TEST(NearestNameTest, IsTheOneWithTheFewestEdits) {
  const std::vector<std::string> names = {"num_epochs", "num_images", "top_k"};
  EXPECT_EQ(NearestName("num_epoch", names), "num_epochs");
  EXPECT_EQ(NearestName("nmu_images", names), "num_images");
  EXPECT_EQ(NearestName("topk", names), "top_k");
  EXPECT_EQ(NearestName("learning_rate", names), "");
  EXPECT_EQ(NearestName("x", {}), "");
  EXPECT_EQ(DidYouMean("top_j", names), "; did you mean 'top_k'?");
  EXPECT_EQ(DidYouMean("learning_rate", names), "");
}

TEST(AnnotateTest, PutsWhereInFrontAndKeepsTheCode) {
  EXPECT_THAT(Annotate(Annotate(absl::DataLossError("CRC differs"), "shard 3"), "data set 'a'"),
              StatusIs(absl::StatusCode::kDataLoss, "data set 'a': shard 3: CRC differs"));
  EXPECT_THAT(Annotate(absl::OkStatus(), "x"), IsOk());
}

TEST(ProblemsTest, TextOfUsersIsPrintableAndEndsNoList) {
  Problems problems;
  problems.AddProblem({std::string("a\0b", 3), "is '\x1E\x1F\x1B[2J'", "labels/\xDF.txt:1"});
  problems.Add("second", "is missing");
  const absl::Status status = problems.ToStatus();
  EXPECT_EQ(status.message(),
            "labels/\\xdf.txt:1: a\\x00b is '\\x1e\\x1f\\x1b[2J'\nsecond is missing");
  const std::vector<Problem> list = ProblemsFrom(status);
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0].field, "a\\x00b");
  EXPECT_EQ(list[1].field, "second");
}

}  // namespace
}  // namespace trainyard
