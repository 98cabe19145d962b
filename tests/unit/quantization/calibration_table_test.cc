#include "libs/quantization/calibration_table.h"

#include <cmath>
#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/files.h"
#include "tests/support/status_matchers.h"

namespace trainyard::quantization {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::IsOkAndHolds;
using ::testing::Not;
using testing::StatusIs;

CalibrationTable SmallTable() {
  CalibrationTable table;
  table.weights_sha256 = std::string(64, 'a');
  table.images = 160;
  table.ranges["Input"] = {-123.68f, 151.061f};
  table.ranges["a name: with blanks:0"] = {0, 1.0f / 3};
  return table;
}

TEST(CalibrationTableTest, PrintsWhatTheDocumentationShows) {
  EXPECT_THAT(PrintCalibrationTable(SmallTable()),
              IsOkAndHolds("trainyard-calibration 1\n"
                           "weights " +
                           std::string(64, 'a') +
                           "\n"
                           "images 160\n"
                           "range -123.68 151.061005 Input\n"
                           "range 0 0.333333343 a name: with blanks:0\n"));
}

TEST(CalibrationTableTest, ComesBackBitForBit) {
  CalibrationTable table = SmallTable();
  table.ranges["tiny"] = {-std::numeric_limits<float>::denorm_min(), 1.17549435e-38f};
  table.ranges["huge"] = {-std::numeric_limits<float>::max(), 16777217.0f};
  const auto text = PrintCalibrationTable(table);
  ASSERT_THAT(text, IsOk());
  EXPECT_THAT(ParseCalibrationTable(*text, "t"), IsOkAndHolds(table));
}

TEST(CalibrationTableTest, SurvivesAFile) {
  const std::string path = ::testing::TempDir() + "/table_test.calibration";
  ASSERT_THAT(SaveCalibrationTable(SmallTable(), path), IsOk());
  EXPECT_THAT(LoadCalibrationTable(path), IsOkAndHolds(SmallTable()));
  ASSERT_THAT(RemoveTree(path), IsOk());
  EXPECT_THAT(LoadCalibrationTable(path), StatusIs(absl::StatusCode::kNotFound, HasSubstr(path)));
}

TEST(CalibrationTableTest, NamesEveryLineThatIsWrong) {
  EXPECT_THAT(ParseCalibrationTable("trainyard-calibration 1\n"
                                    "images many\n"
                                    "range 1 0 backwards\n"
                                    "range nan 1 broken\n"
                                    "range 0 1\n"
                                    "scale 0.5 x\n"
                                    "range 0 1 twice\n"
                                    "range 0 2 twice\n",
                                    "cal.txt"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("cal.txt:2"), HasSubstr("'many'"), HasSubstr("cal.txt:3"),
                             HasSubstr("smaller number first"), HasSubstr("cal.txt:4"),
                             HasSubstr("finite"), HasSubstr("cal.txt:5"), HasSubstr("cal.txt:6"),
                             HasSubstr("cal.txt:8"), HasSubstr("a second time"))));
}

TEST(CalibrationTableTest, LinesMayEndAsEditorsEndThem) {
  std::string text = *PrintCalibrationTable(SmallTable());
  text = absl::StrCat("\xEF\xBB\xBF", absl::StrReplaceAll(text, {{"\n", "\r\n"}}), "\r\n\r\n");
  EXPECT_THAT(ParseCalibrationTable(text, "t"), IsOkAndHolds(SmallTable()));
}

TEST(CalibrationTableTest, AFloodOfWrongLinesIsCounted) {
  std::string text = "trainyard-calibration 1\n";
  for (int i = 0; i < 100000; ++i) text += "rubbish\n";
  const absl::Status status = ParseCalibrationTable(text, "t").status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                               AllOf(HasSubstr("t:2"), HasSubstr("t:51"),
                                     HasSubstr("has 99950 more lines that are wrong"))));
  EXPECT_LT(status.message().size(), 10000u);
  EXPECT_THAT(ParseCalibrationTable(std::string(1 << 20, '\n'), "t"), Not(IsOk()));
}

TEST(CalibrationTableTest, WhatIsGivenTwiceOrIsNoDigestIsRefused) {
  const std::string digest(64, 'a');
  EXPECT_THAT(
      ParseCalibrationTable(absl::StrCat("trainyard-calibration 1\nweights ", digest, "\nweights ",
                                         digest, "\nimages 1\nimages 2\nrange 0 1 x\n"),
                            "t"),
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr("t:3"), HasSubstr("'weights' a second time"), HasSubstr("t:5"),
                     HasSubstr("'images' a second time"))));
  EXPECT_THAT(
      ParseCalibrationTable("trainyard-calibration 1\nweights " + std::string(64, 'z'), "t"),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("64 hexadecimal digits")));
}

TEST(CalibrationTableTest, MessagesAreTextWhateverTheFileHolds) {
  for (const std::string& text :
       {std::string("\xff\xfe\0binary", 9), std::string("TRT-\xff\x00", 6),
        "trainyard-calibration 1\nrange 0 1 " + std::string("\xe9\n") +
            "range 0 1 \xe9\nra\xff\n"}) {
    const absl::Status status = ParseCalibrationTable(text, "t").status();
    EXPECT_FALSE(status.ok());
    for (const char c : status.message())
      EXPECT_TRUE(c == '\n' || (c >= ' ' && c <= '~')) << status;
  }
}

TEST(CalibrationTableTest, RefusesOtherFormatsByName) {
  EXPECT_THAT(ParseCalibrationTable("TRT-8501-EntropyCalibration2\nInput: 3c010a14\n", "cal.bin"),
              StatusIs(absl::StatusCode::kUnimplemented,
                       AllOf(HasSubstr("TRT-8501-EntropyCalibration2"), HasSubstr("TensorRT"))));
  EXPECT_THAT(ParseCalibrationTable("trainyard-calibration 2\n", "t"),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("version 2")));
  EXPECT_THAT(ParseCalibrationTable("", "t"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("trainyard-calibration 1")));
  EXPECT_THAT(ParseCalibrationTable("trainyard-calibration 1\nimages 3\n", "t"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("holds no range")));
}

TEST(CalibrationTableTest, PrintsNothingThatCouldNotBeReadBack) {
  CalibrationTable table;
  table.ranges["line\nbreak"] = {0, 1};
  table.ranges["endless"] = {0, std::numeric_limits<float>::infinity()};
  EXPECT_THAT(PrintCalibrationTable(table),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("line break"), HasSubstr("endless"))));
}

}  // namespace
}  // namespace trainyard::quantization
