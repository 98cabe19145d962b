#include "libs/base/expression.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace trainyard {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsOk;
using ::testing::SizeIs;
using testing::StatusIs;

double NumberOf(absl::string_view text) {
  const auto value = ParseExpression(text);
  EXPECT_THAT(value, IsOk()) << text;
  EXPECT_FALSE(value.ok() && value->is_list) << text;
  return value.ok() ? value->number : -999;
}

std::vector<double> ListOf(absl::string_view text) {
  const auto value = ParseExpression(text);
  EXPECT_THAT(value, IsOk()) << text;
  std::vector<double> numbers;
  if (value.ok()) {
    for (const ExpressionValue& item : value->items) numbers.push_back(item.number);
  }
  return numbers;
}

// Expected values were worked out with Python 3.
TEST(ParseExpressionTest, HasThePrecedenceOfPython) {
  EXPECT_EQ(NumberOf("1.0/3.0"), 1.0 / 3.0);
  EXPECT_EQ(NumberOf("1 + 2 * 3"), 7);
  EXPECT_EQ(NumberOf("(1 + 2) * 3"), 9);
  EXPECT_EQ(NumberOf("7/2"), 3.5);
  EXPECT_EQ(NumberOf("8/2/2"), 2);
  EXPECT_EQ(NumberOf("1-2-3"), -4);
  EXPECT_EQ(NumberOf("-2**2"), -4);
  EXPECT_EQ(NumberOf("2**-1"), 0.5);
  EXPECT_EQ(NumberOf("2**3**2"), 512);
  EXPECT_EQ(NumberOf("--+1"), 1);
  EXPECT_EQ(NumberOf("2*-3"), -6);
}

TEST(ParseExpressionTest, ReadsNumbersAsPythonWritesThem) {
  EXPECT_EQ(NumberOf(" 5e-5 "), 5e-5);
  EXPECT_EQ(NumberOf("2E+2"), 200);
  EXPECT_EQ(NumberOf(".5"), 0.5);
  EXPECT_EQ(NumberOf("1."), 1);
  EXPECT_EQ(NumberOf("\t1\n"), 1);
}

TEST(ParseExpressionTest, ReadsListsAndTuplesAtAnyDepth) {
  EXPECT_THAT(ListOf("[0.07, 0.15, 1.05]"), ::testing::ElementsAre(0.07, 0.15, 1.05));
  EXPECT_THAT(ListOf("(1, 2,)"), ::testing::ElementsAre(1, 2));
  EXPECT_THAT(ListOf("1, 2"), ::testing::ElementsAre(1, 2));
  EXPECT_THAT(ListOf("(1,)"), ::testing::ElementsAre(1));
  const auto nested = ParseExpression("[[1.0, 2.0], (8, 16), [], 3]");
  ASSERT_THAT(nested, IsOk());
  ASSERT_THAT(nested->items, SizeIs(4));
  EXPECT_EQ(nested->items[1].items[1].number, 16);
  EXPECT_TRUE(nested->items[2].is_list);
  EXPECT_THAT(nested->items[2].items, IsEmpty());
  EXPECT_FALSE(nested->items[3].is_list);
}

TEST(ParseExpressionTest, ParenthesesAroundANumberAreNoTuple) { EXPECT_EQ(NumberOf("((4))"), 4); }

TEST(ParseExpressionTest, RemembersColumns) {
  const auto value = ParseExpression("[1, (2 + 3), [4]]");
  ASSERT_THAT(value, IsOk());
  EXPECT_EQ(value->items[0].column, 2);
  EXPECT_EQ(value->items[1].column, 5);
  EXPECT_EQ(value->items[2].column, 14);
}

TEST(ParseExpressionTest, SaysWhereAndWhatWasExpected) {
  const auto fails = [](absl::string_view text, const std::string& words) {
    EXPECT_THAT(ParseExpression(text),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(words)))
        << text;
  };
  fails("", "column 1: the text ends; expected a number");
  fails("[1.0, 2.0", "column 10: the text ends; expected ']'");
  fails("[1.0; 2.0]", "column 5: found ';'; expected ']'");
  fails("[1, 2)", "column 6: found ')'; expected ']'");
  fails("1 2", "column 3: found '2'; expected an operator");
  fails("[1,,2]", "column 4: found ','; expected a number");
  fails("1.2.3", "'1.2.' is not a number");
  fails("1e", "'1e' is not a number");
  fails("sqrt(2)", "column 1: found 's'; expected a number");
  fails("1e999", "not finite");
}

TEST(ParseExpressionTest, RefusesArithmeticThatHasNoNumber) {
  EXPECT_THAT(ParseExpression("1/(2-2)"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("column 2: divides by zero")));
  EXPECT_THAT(ParseExpression("[1]*2"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("column 4: a list stands")));
  EXPECT_THAT(ParseExpression("10**400"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("finite")));
  EXPECT_THAT(ParseExpression("(-8)**(1/3)"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("finite")));
}

TEST(ParseExpressionTest, LimitsDepthAndLength) {
  const auto brackets = [](int n) { return std::string(n, '[') + std::string(n, ']'); };
  EXPECT_THAT(ParseExpression(brackets(32)), IsOk());
  EXPECT_THAT(ParseExpression(brackets(33)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("more than 32 levels")));
  EXPECT_THAT(ParseExpression(std::string(60000, '-')),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("more than 32 levels")));
  EXPECT_THAT(
      ParseExpression(std::string(70000, ' ')),
      StatusIs(absl::StatusCode::kInvalidArgument, AllOf(HasSubstr("70000"), HasSubstr("65536"))));
}

}  // namespace
}  // namespace trainyard
