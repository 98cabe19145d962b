#include "libs/base/json.h"

#include <limits>

#include "gtest/gtest.h"

namespace trainyard {
namespace {

TEST(JsonTextTest, EscapesWhatJsonForbids) {
  EXPECT_EQ(JsonText("a\"b\\c\n\t\r\x01\x7F"), "\"a\\\"b\\\\c\\n\\t\\r\\u0001\\u007f\"");
  EXPECT_EQ(JsonText(""), "\"\"");
}

TEST(JsonTextTest, KeepsWhatIsUtf8AndReplacesWhatIsNot) {
  EXPECT_EQ(JsonText("Gr\xC3\xBC\xC3\x9F"
                     "e \xF0\x9F\x9A\x82"),
            "\"Gr\xC3\xBC\xC3\x9F"
            "e \xF0\x9F\x9A\x82\"");
  EXPECT_EQ(JsonText("\xC3"), "\"\\ufffd\"");                        // Cut short.
  EXPECT_EQ(JsonText("\xC0\x80"), "\"\\ufffd\\ufffd\"");             // Overlong.
  EXPECT_EQ(JsonText("\xED\xA0\x80"), "\"\\ufffd\\ufffd\\ufffd\"");  // A surrogate.
  EXPECT_EQ(JsonText("\xF4\x90\x80\x80"), "\"\\ufffd\\ufffd\\ufffd\\ufffd\"");  // U+110000.
}

TEST(JsonNumberTest, IsTheShortestThatReadsBackTheSame) {
  EXPECT_EQ(JsonNumber(0.1), "0.1");
  EXPECT_EQ(JsonNumber(1.0 / 3), "0.3333333333333333");
  EXPECT_EQ(JsonNumber(std::numeric_limits<double>::quiet_NaN()), "null");
  EXPECT_EQ(JsonNumber(-std::numeric_limits<double>::infinity()), "null");
}

}  // namespace
}  // namespace trainyard
