#include "libs/data/ledger.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/problems.h"
#include "tests/support/status_matchers.h"

namespace trainyard::data {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::IsOk;
using ::testing::SizeIs;
using testing::StatusIs;

LedgerEntry Line(int number) {
  return {.place = "labels/1.txt:" + std::to_string(number),
          .image = "images/1",
          .reason = Refusal::kDegenerateBox,
          .text = "box has no width"};
}

TEST(LedgerTest, AllowsATenthOfTheLinesAndNoMore) {
  Ledger ledger{.entries = {Line(1)}, .images = 1, .lines = 10};
  EXPECT_THAT(ledger.Check(false), IsOk());
  ledger.lines = 9;
  EXPECT_THAT(ledger.Check(false),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("0 of 1 images and 1 of 9 label lines"),
                             HasSubstr("labels/1.txt:1"), HasSubstr("box has no width"))));
}

TEST(LedgerTest, CountsImagesAndLinesApart) {
  Ledger ledger{.entries = {{"images/2.png", "images/2", Refusal::kUnreadableImage, "is empty"}},
                .images = 9,
                .lines = 1000};
  EXPECT_THAT(ledger.Check(false), StatusIs(absl::StatusCode::kInvalidArgument,
                                            HasSubstr("1 of 9 images and 0 of 1000 label lines")));
  ledger.images = 10;
  EXPECT_THAT(ledger.Check(false), IsOk());
}

TEST(LedgerTest, StrictAllowsNoneButListsAll) {
  const Ledger ledger{.entries = {Line(3), Line(5)}, .images = 100, .lines = 1000};
  const absl::Status status = ledger.Check(true);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                               AllOf(HasSubstr("labels/1.txt:3"), HasSubstr("labels/1.txt:5"))));
  EXPECT_THAT(ProblemsFrom(status), SizeIs(3));
  EXPECT_THAT(Ledger{}.Check(true), IsOk());
}

TEST(LedgerTest, ListsTwoHundredAndCountsTheRest) {
  Ledger ledger{.images = 1, .lines = 300};
  for (int i = 0; i < 250; ++i) ledger.entries.push_back(Line(i));
  const absl::Status status = ledger.Check(false);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("and 50 more")));
  EXPECT_THAT(ProblemsFrom(status), SizeIs(202));
}

TEST(LedgerTest, WritesOneJsonObjectALine) {
  const Ledger ledger{.entries = {{"a \"b\".txt:1", "x", Refusal::kNotANumber, "tab\tand \xFF"}}};
  EXPECT_EQ(ledger.ToJsonLines(),
            "{\"place\":\"a \\\"b\\\".txt:1\",\"image\":\"x\",\"reason\":\"not_a_number\","
            "\"text\":\"tab\\tand \\\\xff\"}\n");
}

TEST(LedgerTest, DescribesTheFirstEntriesHowManyMoreAndTheFindings) {
  Ledger ledger;
  for (int i = 1; i <= 5; ++i) ledger.entries.push_back(Line(i));
  ledger.findings.notes = {"a note"};
  EXPECT_THAT(ledger.Describe(2),
              ::testing::ElementsAre(HasSubstr("left out: labels/1.txt:1"), HasSubstr("labels/1.txt:2"),
                                     HasSubstr("3 more"), "a note"));
  EXPECT_THAT(ledger.Describe(5), SizeIs(6));
}

}  // namespace
}  // namespace trainyard::data
