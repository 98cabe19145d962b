#include "libs/base/text_file.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace trainyard {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsOk;
using testing::StatusIs;
using std::string_view_literals::operator""sv;

std::string Wide(std::string_view bytes) { return WideEncoding({bytes.data(), bytes.size()}); }

// ASCII in an encoding of `size` bytes a letter.
std::string Spread(absl::string_view text, size_t size, bool big_endian) {
  std::string out;
  for (const char c : text) {
    std::string letter(size, '\0');
    letter[big_endian ? size - 1 : 0] = c;
    out += letter;
  }
  return out;
}

TEST(TextLinesTest, EndWithAnyOfThreeEnds) {
  EXPECT_THAT(TextLines("a\nb\r\nc\rd"), ElementsAre("a", "b", "c", "d"));
  EXPECT_THAT(TextLines("a\r\r\nb\n"), ElementsAre("a", "", "b"));
  EXPECT_THAT(TextLines("\n\r\n\r"), ElementsAre("", "", ""));
  EXPECT_THAT(TextLines(""), IsEmpty());
}

TEST(TextLinesTest, LeaveOutAByteOrderMarkAtTheBeginningOnly) {
  EXPECT_THAT(TextLines("\xEF\xBB\xBF"
                        "a\n\xEF\xBB\xBF"),
              ElementsAre("a", "\xEF\xBB\xBF"));
}

TEST(WideEncodingTest, KnowsMarksAndZeros) {
  const std::string line = "car 0.00 0 0.00 20.00\r\n";
  EXPECT_THAT(Wide("\xFF\xFE" + Spread(line, 2, false)), HasSubstr("UTF-16"));
  EXPECT_THAT(Wide("\xFE\xFF" + Spread(line, 2, true)), HasSubstr("UTF-16"));
  EXPECT_THAT(Wide(Spread(line, 2, false)), HasSubstr("UTF-16"));
  EXPECT_THAT(Wide(Spread(line, 2, true)), HasSubstr("UTF-16"));
  EXPECT_THAT(Wide("\xFF\xFE\0\0"sv), HasSubstr("UTF-32"));
  EXPECT_THAT(Wide(Spread(line, 4, true)), HasSubstr("UTF-32"));
}

TEST(WideEncodingTest, TakesAllElseForBytesALetter) {
  for (const std::string_view text :
       {""sv, "car"sv, "Fu\xDF"sv, "\0\0\0\0\0\0\0\0\0\0"sv, "car 0.\0\0\0\0\0 20 30 70 90"sv}) {
    EXPECT_EQ(Wide(text), "") << text;
  }
}

TEST(SplitAtBlanksTest, SplitsWherePythonDoes) {
  EXPECT_THAT(SplitAtBlanks("  a\tb \v c\f"), ElementsAre("a", "b", "c"));
  EXPECT_THAT(SplitAtBlanks("a\u00A0b\u3000c\u2009d\u2028"), ElementsAre("a", "b", "c", "d"));
  // Not blanks: a zero-width space, a lone byte of Latin-1.
  EXPECT_THAT(SplitAtBlanks("a\u200Bb \xA0"), ElementsAre("a\u200Bb", "\xA0"));
  EXPECT_THAT(SplitAtBlanks(" \t "), IsEmpty());
  EXPECT_THAT(SplitAtBlanks("last"), ElementsAre("last"));
}

TEST(ParseNameListTest, TakesAFileOfAnyEditor) {
  const auto names = ParseNameList(
      "\xEF\xBB\xBF"
      "Car\r\n\r\n  bus \rTruck");
  ASSERT_THAT(names, IsOk());
  EXPECT_THAT(*names, ElementsAre("Car", "bus", "Truck"));
  EXPECT_THAT(ParseNameList(absl::string_view("\xFF\xFE"
                                              "c\0a\0r\0",
                                              8)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("UTF-16")));
  EXPECT_THAT(ParseNameList("car\nFu\xDF\n"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("line 2"), HasSubstr("Fu\\xdf"), HasSubstr("UTF-8"))));
}

}  // namespace
}  // namespace trainyard
