#include "libs/base/printable.h"

#include "gtest/gtest.h"
#include "libs/base/utf8.h"

namespace trainyard {
namespace {

using std::string_view_literals::operator""sv;

std::string Print(std::string_view text) { return Printable({text.data(), text.size()}); }

TEST(PrintableTest, LeavesTextOfAllLanguagesAsItIs) {
  for (const char* text :
       {"", "two\nlines\twith a tab", "Fu\u00DFg\u00E4nger \u6C7D\u8F66 \U0001F697",
        "a 'quote' and a \\ backslash"}) {
    EXPECT_EQ(Print(text), text);
  }
}

TEST(PrintableTest, EscapesWhatSteersATerminal) {
  EXPECT_EQ(Print("a\x1B[2Jb"), "a\\x1b[2Jb");
  EXPECT_EQ(Print("0.\0\0 20"sv), "0.\\x00\\x00 20");
  EXPECT_EQ(Print("x\rover"), "x\\rover");
  EXPECT_EQ(Print("\x7F\x08"), "\\x7f\\x08");
  EXPECT_EQ(Print("\u009B2J"), "\\u009b2J");  // CSI in one character.
}

TEST(PrintableTest, EscapesWhatCannotBeSeenOrTurnsTheDirection) {
  EXPECT_EQ(Print("a\u200Bb\uFEFF\u202Egpj"), "a\\u200bb\\ufeff\\u202egpj");
}

TEST(PrintableTest, EscapesBytesThatAreNotUtf8) {
  EXPECT_EQ(Print("Fu\xDFg\xE4nger"), "Fu\\xdfg\\xe4nger");
  EXPECT_EQ(Print("cut \xE6\xB1"), "cut \\xe6\\xb1");
  EXPECT_EQ(Print("\xC0\x80\xED\xA0\x80"), "\\xc0\\x80\\xed\\xa0\\x80");
  for (int byte = 0; byte < 256; ++byte) {
    EXPECT_TRUE(IsUtf8(Printable(std::string(2, static_cast<char>(byte))))) << byte;
  }
}

TEST(ShownTest, IsOneLineOfAtMostSoManyBytes) {
  EXPECT_EQ(Shown("a\nb\tc"), "a\\nb\\tc");
  EXPECT_EQ(Shown(std::string(80, 'x')), std::string(80, 'x'));
  EXPECT_EQ(Shown(std::string(81, 'x')), std::string(80, 'x') + "...");
  // No character and no escape is cut in two.
  EXPECT_EQ(Shown("\u6C7D\u8F66", 5), "\u6C7D...");
  EXPECT_EQ(Shown("ab\x1B", 5), "ab...");
  EXPECT_EQ(Shown("ab\x1B", 6), "ab\\x1b");
}

}  // namespace
}  // namespace trainyard
