#include "libs/base/csv.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace trainyard {
namespace {

using ::testing::ElementsAre;

TEST(CsvTest, ACellIsQuotedWhereItNeedsIt) {
  EXPECT_EQ(CsvCell("AP_nut"), "AP_nut");
  EXPECT_EQ(CsvCell("AP_nut, hex"), "\"AP_nut, hex\"");
  EXPECT_EQ(CsvCell("3\" pipe"), "\"3\"\" pipe\"");
}

TEST(CsvTest, ALineIsSplitAtCommasOutsideOfQuotes) {
  EXPECT_THAT(SplitCsv("epoch,\"AP_nut, hex\",\"AP_3\"\" pipe\",lr"),
              ElementsAre("epoch", "AP_nut, hex", "AP_3\" pipe", "lr"));
  EXPECT_THAT(SplitCsv("1,,"), ElementsAre("1", "", ""));
  EXPECT_THAT(SplitCsv(""), ElementsAre(""));
}

}  // namespace
}  // namespace trainyard
