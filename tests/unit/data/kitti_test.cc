#include "libs/data/kitti.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace trainyard::data {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr char kCar[] = "Car 0.25 1 -1.57 10.5 20.25 110.75 80 1.5 1.6 3.7 1 2 30 -1.5";

auto Refused(const std::string& place, Refusal reason, const std::string& text) {
  return AllOf(Field(&LedgerEntry::place, place), Field(&LedgerEntry::reason, reason),
               Field(&LedgerEntry::image, "images/7"), Field(&LedgerEntry::text, HasSubstr(text)));
}

KittiLabels Parse(const std::string& text) {
  return ParseKittiLabels(text, "labels/7.txt", "images/7");
}

TEST(ParseKittiLabelsTest, ReadsAllFifteenColumns) {
  const KittiLabels labels = Parse(std::string("\n") + kCar + "\n");
  EXPECT_THAT(labels.refused, IsEmpty());
  ASSERT_THAT(labels.objects, SizeIs(1));
  const KittiObject& car = labels.objects[0];
  EXPECT_EQ(car.type, "Car");
  EXPECT_EQ(car.truncated, 0.25);
  EXPECT_EQ(car.occluded, 1);
  EXPECT_TRUE(car.difficult());
  EXPECT_EQ(car.alpha, -1.57);
  EXPECT_EQ(car.box, (Box{10.5f, 20.25f, 110.75f, 80}));
  EXPECT_EQ(car.height, 1.5);
  EXPECT_EQ(car.width, 1.6);
  EXPECT_EQ(car.length, 3.7);
  EXPECT_EQ(car.x, 1);
  EXPECT_EQ(car.y, 2);
  EXPECT_EQ(car.z, 30);
  EXPECT_EQ(car.rotation_y, -1.5);
  EXPECT_EQ(car.score, std::nullopt);
  EXPECT_EQ(car.line, 2);
}

TEST(ParseKittiLabelsTest, ToleratesAScoreTabsCarriageReturnsAndAByteOrderMark) {
  const KittiLabels labels = Parse(
      "\xEF\xBB\xBF"
      "a\t0 0 0  1 2 3 4 0 0 0 0 0 0 0 0.75\r\n\r\n  b 0 0.0 0 1 2 3 4 0 0 0 0 0 0 0");
  EXPECT_THAT(labels.refused, IsEmpty());
  ASSERT_THAT(labels.objects, SizeIs(2));
  EXPECT_EQ(labels.objects[0].score, 0.75);
  EXPECT_EQ(labels.objects[0].type, "a");
  EXPECT_FALSE(labels.objects[1].difficult());
  EXPECT_EQ(labels.objects[1].line, 3);
  EXPECT_EQ(labels.lines, 2);
}

TEST(ParseKittiLabelsTest, NamesEachBadLineAndGoesOn) {
  const KittiLabels labels = Parse(
      "a 0 0 0 1 2 3 4\n"
      "a 0 0 0 1 2 3 4 0 0 0 0 0 0 zero\n"
      "a 0 0 0 nan 2 3 4 0 0 0 0 0 0 0\n"
      "a 0 0 0 1 2 3 4 0 0 0 0 0 0 0 0.5 9\n"
      "a 0 0 0 1 2 3e9 4 0 0 0 0 0 0 0\n"
      "a 0 0 0 1 2 3 4 0 0 0 0 0 0 0\n");
  EXPECT_THAT(labels.objects, SizeIs(1));
  EXPECT_EQ(labels.lines, 6);
  EXPECT_THAT(
      labels.refused,
      ElementsAre(
          Refused("labels/7.txt:1", Refusal::kWrongColumnCount, "has 8 columns; expected 15"),
          Refused("labels/7.txt:2", Refusal::kNotANumber, "column 15 (rotation_y) is 'zero'"),
          Refused("labels/7.txt:3", Refusal::kNotANumber, "column 5 (x1) is 'nan'"),
          Refused("labels/7.txt:4", Refusal::kWrongColumnCount, "has 17 columns"),
          Refused("labels/7.txt:5", Refusal::kNotANumber, "column 7 (x2) is 3e9")));
}

TEST(ParseKittiLabelsTest, RefusesBoxesWithoutAWholePixelWhateverTheirClass) {
  const KittiLabels labels = Parse(
      "DontCare 0 0 0 10 20 10.9 30 0 0 0 0 0 0 0\n"  // 10 < 10.9, but 10 == 10 in whole pixels.
      "a 0 0 0 9.9 20 10 30 0 0 0 0 0 0 0\n"          // 9 < 10.
      "a 0 0 0 5 30 9 20 0 0 0 0 0 0 0\n");
  EXPECT_THAT(labels.objects, SizeIs(1));
  EXPECT_THAT(labels.refused,
              ElementsAre(Refused("labels/7.txt:1", Refusal::kDegenerateBox, "has no width"),
                          Refused("labels/7.txt:3", Refusal::kDegenerateBox, "has no height")));
}

TEST(ParseKittiLabelsTest, GivesEqualDegenerateLinesThePlaceOfTheFirst) {
  const std::string flat = "a 0 0 0 4 5 4 9 0 0 0 0 0 0 0\n";
  const KittiLabels labels = Parse(std::string(kCar) + "\n\n" + flat + kCar + "\n" + flat);
  ASSERT_THAT(labels.degenerate, SizeIs(2));
  EXPECT_EQ(labels.degenerate[0].index, 1);
  EXPECT_EQ(labels.degenerate[1].index, 1);
  EXPECT_THAT(labels.degenerate[0].corners, ElementsAre(4, 5, 4, 9));
}

TEST(ParseKittiLabelsTest, AnEmptyFileHasNoObjects) {
  EXPECT_THAT(Parse("").objects, IsEmpty());
  EXPECT_THAT(Parse(" \n\t\r\n").refused, IsEmpty());
}

TEST(FormatKittiLineTest, WritesWhatTheParserReads) {
  const KittiObject car = Parse(kCar).objects.at(0);
  EXPECT_EQ(FormatKittiLine(car),
            "Car 0.25 1 -1.57 10.50 20.25 110.75 80.00 1.50 1.60 3.70 1.00 2.00 30.00 -1.50");
  EXPECT_EQ(Parse(FormatKittiLine(car)).objects.at(0).box, car.box);
}

// ---- What other tools and other editors write.

TEST(ParseKittiLabelsTest, LinesEndAsOldMacsEndThem) {
  const std::string one = kCar, two = "van 0 0 0 1 2 30 40 0 0 0 0 0 0 0";
  const KittiLabels labels = Parse(one + "\r" + two + "\r");
  EXPECT_THAT(labels.refused, IsEmpty());
  ASSERT_THAT(labels.objects, SizeIs(2));
  EXPECT_EQ(labels.objects[1].type, "van");
  EXPECT_EQ(labels.objects[1].line, 2);
}

TEST(ParseKittiLabelsTest, NoBreakSpacesSeparateColumnsAsInPython) {
  EXPECT_THAT(Parse("car\u00A00 0 0 1 2 30 40 0 0 0 0\u30000 0 0").objects, SizeIs(1));
}

TEST(ParseKittiLabelsTest, OtherFormsOfFilesLeaveTheImageOut) {
  const std::string line = kCar;
  std::string utf16 = "\xFF\xFE";
  for (const char c : line) utf16 += std::string{c, '\0'};
  for (const auto& [text, name] :
       {std::pair(utf16, "UTF-16"),
        std::pair(std::string("<annotation>\n<object/>\n"), "Pascal VOC"),
        std::pair(std::string("\xEF\xBB\xBF <?xml version='1.0'?>"), "XML"),
        std::pair(std::string("{\"images\": []}"), "COCO"),
        std::pair(std::string(" [\n"), "JSON")}) {
    const KittiLabels labels = Parse(text);
    EXPECT_THAT(labels.objects, IsEmpty());
    EXPECT_THAT(labels.refused,
                ElementsAre(Refused("labels/7.txt:1", Refusal::kWrongFormat, name)));
    EXPECT_TRUE(labels.refused[0].whole_image());
  }
}

TEST(ParseKittiLabelsTest, NamesTheFormOfLinesThatAreNotKitti) {
  const auto hint = [](const std::string& line) {
    const KittiLabels labels = Parse(line);
    EXPECT_THAT(labels.refused, SizeIs(1)) << line;
    return labels.refused.empty() ? "" : labels.refused[0].text;
  };
  EXPECT_THAT(hint("0 0.5 0.5 0.25 0.1"), AllOf(HasSubstr("has 5 columns"), HasSubstr("YOLO")));
  EXPECT_THAT(hint("3 0.1 0.1 0.2 0.1 0.2 0.2 0.1 0.2"), HasSubstr("YOLO"));
  EXPECT_THAT(hint("car,0.00,0,0.00,20,30,70,90,0,0,0,0,0,0,0"),
              AllOf(HasSubstr("has 1 column;"), HasSubstr("commas")));
  EXPECT_THAT(hint("car, 0.00, 0, 0.00, 20, 30, 70, 90, 0, 0, 0, 0, 0, 0, 0"), HasSubstr("commas"));
  EXPECT_THAT(hint("0 2 car 0 0 -1.79 20 30 70 90 2.0 1.82 4.43 -4.55 1.85 13.4 -2.1"),
              AllOf(HasSubstr("17 columns"), HasSubstr("tracking")));
  EXPECT_THAT(hint("traffic light 0 0 0 20 30 70 90 0 0 0 0 0 0 0"),
              AllOf(HasSubstr("column 2 (truncated) is 'light'"), HasSubstr("(traffic_light)")));
  EXPECT_THAT(hint("big red bus 0 0 0 20 30 70 90 0 0 0 0 0 0 0"),
              AllOf(HasSubstr("17 columns"), HasSubstr("'big red bus'")));
  EXPECT_THAT(hint("\"traffic light\" 0 0 0 20 30 70 90 0 0 0 0 0 0 0"), HasSubstr("blanks in it"));
}

TEST(ParseKittiLabelsTest, ANameOfAWordAndANumberDoesNotShiftTheBox) {
  for (const char* line :
       {"bay 2 0.00 0 0.00 20 30 70 90 0 0 0 0 0 0 0",  // truncated would be 2.
        "camera 17 0 0 0 20 30 70 90 0 0 0 0 0 0 0",
        "bay 2 0.00 0 0.00 20 90 70 30 0 0 0 0 0 0 0",  // Its own box is upside down.
        "bay 1 0.00 0 0.00 20 30 70 90 0 0 0 0 0 0 0",  // All columns could be meant.
        "bay 0 0 0 -1.57 20 30 70 90 1.5 1.6 3.7 1 2 30 0.1",
        "bay 1 0.30 2 1.2 600.5 130 720 260 -1 -1 -1 -1000 -1000 -1000 -10"}) {
    EXPECT_THAT(Parse(line).objects, IsEmpty()) << line;
    EXPECT_THAT(Parse(line).refused,
                ElementsAre(Refused("labels/7.txt:1", Refusal::kWrongColumnCount,
                                    "one column to the left")))
        << line;
  }
  // Detections: of TAO, of KITTI's benchmark, of tools that write each number alike.
  for (const char* line :
       {"car 0 0 0 5.0 10.5 60.0 70.25 0 0 0 0 0 0 0 0.9",
        "Car -1 -1 -10 600.5 130.2 720.1 260 -1 -1 -1 -1000 -1000 -1000 -10 0.87",
        "car 0.0 0.0 0 5 10 60 70 0 0 0 0 0 0 0 0.5",
        "Car 0.00 0 -1.57 1 2 30 40 1.5 1.6 3.7 1.8 1.7 13.2 -1.5 1"}) {
    const KittiLabels labels = Parse(line);
    EXPECT_THAT(labels.objects, SizeIs(1)) << line;
    EXPECT_EQ(labels.findings.scored.count, 1);
    EXPECT_EQ(labels.findings.scored.example, "labels/7.txt:1");
  }
}

TEST(ParseKittiLabelsTest, ShowsOddBytesEscapedAndShortened) {
  const KittiLabels labels =
      Parse(std::string("car 0.00 0 0.\0\0 20 30 70 90 0 0 0 0 0 0 0\n", 42) +
            "car \x1B[2J 0 0 20 30 70 90 0 0 0 0 0 0 0\ncar " + std::string(500, '9') +
            "x 0 0 20 30 70 90 0 0 0 0 0 0 0\n");
  ASSERT_THAT(labels.refused, SizeIs(3));
  EXPECT_THAT(labels.refused[0].text, HasSubstr("'0.\\x00\\x00'"));
  EXPECT_THAT(labels.refused[1].text, HasSubstr("'\\x1b[2J'"));
  EXPECT_LT(labels.refused[2].text.size(), 400u);
}

TEST(ParseKittiLabelsTest, CornersInPartsOfThePictureAreNamed) {
  EXPECT_THAT(
      Parse("a 0 0 0 0.1 0.2 0.5 1 0 0 0 0 0 0 0").refused,
      ElementsAre(Refused("labels/7.txt:1", Refusal::kDegenerateBox, "parts of the picture")));
  EXPECT_THAT(Parse("a 0 0 0 0.1 0.2 0.1 1 0 0 0 0 0 0 0").refused[0].text,
              Not(HasSubstr("parts of the picture")));
}

TEST(ParseKittiLabelsTest, NumbersThatNoFloatHoldsAreRefused) {
  EXPECT_THAT(Parse("a 0 0 0 1 2 3 4 1e300 0 0 0 0 0 0").refused,
              ElementsAre(Refused("labels/7.txt:1", Refusal::kNotANumber, "'1e300'")));
}

TEST(ParseKittiLabelsTest, LinesThatAreSaidTwiceAreFound) {
  const std::string car = kCar;
  const KittiLabels labels = Parse(car + "\n" + car + "\nvan 0 0 0 1 2 3 4 0 0 0 0 0 0 0\n  " +
                                   car + "\nbus 0 0 0 1 2 3 4 0 0 0 0 0 0 0\n");
  EXPECT_THAT(labels.objects, SizeIs(5));  // TAO takes them all.
  EXPECT_EQ(labels.findings.duplicate.count, 2);
  EXPECT_EQ(labels.findings.duplicate.example, "labels/7.txt:2");
}

KittiLabels ParseIn(const std::string& text, int64_t width, int64_t height) {
  return ParseKittiLabels(text, "labels/7.txt", "images/7", ImageSize{width, height});
}

std::string BoxLine(const std::string& corners) {
  return "car 0 0 0 " + corners + " 0 0 0 0 0 0 0\n";
}

TEST(ParseKittiLabelsTest, BoxesWithoutAPixelInThePictureAreRefused) {
  for (const char* corners : {"160 30 170 90", "400 300 470 390", "-50 30 -1 90", "-50 30 0.9 90",
                              "20 -9 70 0", "20 120 70 130"}) {
    EXPECT_THAT(ParseIn(BoxLine(corners), 160, 120).refused,
                ElementsAre(Refused("labels/7.txt:1", Refusal::kOutsidePicture, "160 x 120")))
        << corners;
    EXPECT_THAT(Parse(BoxLine(corners)).objects, SizeIs(1)) << corners;
  }
  EXPECT_THAT(ParseIn(BoxLine("159 119 400 400"), 160, 120).objects, SizeIs(1));
}

TEST(ParseKittiLabelsTest, BoxesBeyondThePictureAreKeptAndTheFarthestIsTold) {
  const KittiLabels labels = ParseIn(BoxLine("20 30 70 90") + BoxLine("-0.4 -0.3 160.5 120.4") +
                                         BoxLine("-1 -1 100000 100000") + BoxLine("0 0 160 120"),
                                     160, 120);
  EXPECT_THAT(labels.objects, SizeIs(4));
  EXPECT_EQ(labels.objects[1].box.x1, -0.4f);
  EXPECT_EQ(labels.findings.boxes, 4);
  EXPECT_EQ(labels.findings.beyond.count, 2);
  EXPECT_THAT(labels.findings.beyond.example,
              HasSubstr("labels/7.txt:3: (-1, -1, 100000, 100000)"));
  EXPECT_THAT(labels.findings.Describe(), ElementsAre(AllOf(HasSubstr("2 of 4 boxes reach beyond"),
                                                            Not(HasSubstr("another size")))));
  const KittiLabels scaled = ParseIn(BoxLine("80 60 280 230"), 160, 120);
  EXPECT_THAT(scaled.findings.Describe(), ElementsAre(HasSubstr("pictures of another size")));
}

TEST(FindingsTest, MergeKeepsCountsAndTheWorstExample) {
  Findings one, two;
  one.AddPicture({.orientation = 6}, "a.jpg");
  one.AddPicture({}, "b.jpg");
  two.AddPicture({.orientation = 3, .lacks_end = true}, "c.jpg");
  one.beyond.Add("near", 0.1);
  two.beyond.Add("far", 0.2);
  one.notes = {"same"};
  two.notes = {"same", "other"};
  one.Merge(two);
  EXPECT_THAT(one.Describe(), ElementsAre(AllOf(HasSubstr("2 pictures are stored turned"),
                                                HasSubstr("a.jpg: orientation 6")),
                                          AllOf(HasSubstr("1 JPEG lacks"), HasSubstr("c.jpg")),
                                          HasSubstr("far"), "same", "other"));
}

TEST(FormatKittiLineTest, KeepsEveryDigitBesideTheBox) {
  const std::string line =
      "a 0.123 1.7 -1.5708 1.00 2.00 3.00 4.00 0.001 1e-07 3.00 4.00 5.00 6.00 7.00 0.123456";
  EXPECT_EQ(FormatKittiLine(Parse(line).objects.at(0)), line);
}

TEST(ParseKittiLabelsTest, CountsFractionsOfOccluded) {
  const KittiLabels labels =
      Parse("a 0 0.7 0 1 2 30 40 0 0 0 0 0 0 0\nb 0 2.0 0 1 2 30 40 0 0 0 0 0 0 0\n");
  EXPECT_EQ(labels.findings.fraction.count, 1);
  EXPECT_THAT(labels.findings.Describe(),
              ElementsAre(AllOf(HasSubstr("occluded"), HasSubstr("labels/7.txt:1"))));
}

TEST(ParseKittiLabelsTest, SaysThatThereAreNoComments) {
  const KittiLabels labels = Parse(std::string("# ") + kCar + "\n");
  ASSERT_THAT(labels.refused, SizeIs(1));
  EXPECT_THAT(labels.refused[0].text, AllOf(HasSubstr("no comments"), Not(HasSubstr("one word"))));
}

}  // namespace
}  // namespace trainyard::data
