#include "libs/data/formats/yolo.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/data_pictures.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::data {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsOk;
using testing::PlainPicture;
using ::testing::SizeIs;
using testing::StatusIs;
using testing::TemporaryFolder;

const YoloNames kNames{.names = {"car", "bus"}, .source = "data.yaml"};

KittiLabels Parse(const std::string& text, const YoloNames& names = kNames) {
  return ParseYoloLabels(text, "labels/a.txt", "images/a", {640, 480}, names);
}

TEST(ParseYoloLabelsTest, BoxesAreCentresAndSizesAsPartsOfThePicture) {
  const KittiLabels labels = Parse(
      "\xEF\xBB\xBF"
      "1 0.5 0.25 0.5 0.5\r\n\n0 0.1 0.1 0.1 0.1 0.9\n");
  EXPECT_THAT(labels.refused, IsEmpty());
  EXPECT_EQ(labels.lines, 2);
  ASSERT_THAT(labels.objects, SizeIs(2));
  EXPECT_EQ(labels.objects[0].type, "bus");
  EXPECT_EQ(labels.objects[0].box, (Box{160, 0, 480, 240}));
  EXPECT_EQ(labels.objects[1].type, "car");
  EXPECT_EQ(labels.objects[1].box, (Box{32, 24, 96, 72}));
  EXPECT_EQ(labels.objects[1].line, 3);
  EXPECT_EQ(labels.findings.scored.count, 1);
  EXPECT_THAT(labels.findings.Describe(), Contains(HasSubstr("label line ends in a score")));
}

// (101 + 204) / 2 / 640 and (204 - 101) / 640 by six decimals: 100.9999 would be another pixel.
TEST(ParseYoloLabelsTest, SixDecimalsAreAWholePixelAgain) {
  const KittiLabels labels =
      Parse("0 0.238281 0.500000 0.160938 0.002083\n0 0.5 0.5 0.30 0.0039\n");
  ASSERT_THAT(labels.objects, SizeIs(2));
  EXPECT_EQ(labels.objects[0].box.x1, 101);
  EXPECT_EQ(labels.objects[0].box.x2, 204);
  // 0.064 pixels from a whole one is what somebody drew.
  EXPECT_FLOAT_EQ(labels.objects[1].box.y1, 239.064f);
}

TEST(ParseYoloLabelsTest, TakesTheBoxAroundAnOutline) {
  const KittiLabels labels = Parse("0 0.5 0.5 0.25 0.75 0.125 0.25\n");
  ASSERT_THAT(labels.objects, SizeIs(1));
  EXPECT_EQ(labels.objects[0].box, (Box{80, 120, 320, 360}));
}

TEST(ParseYoloLabelsTest, ListsLinesThatCannotBeUsed) {
  const KittiLabels labels = Parse(
      "0 0.5 0.5 0.1\n2 0.5 0.5 0.1 0.1\ncar 0.5 0.5 0.1 0.1\n0 320 240 64 48\n0 0.5 nan 0.1 0.1\n"
      "0 0.5 0.5 0 0.1\n0 1.5 0.5 0.1 0.1\n-1 0.5 0.5 0.1 0.1\n0 0.1 0.1 0.2 0.2 0.3 0.3 0.4\n");
  EXPECT_THAT(labels.objects, IsEmpty());
  std::vector<std::string> seen;
  for (const LedgerEntry& entry : labels.refused) {
    seen.push_back(absl::StrCat(NameOf(entry.reason), " ", entry.place, " ", entry.text));
  }
  EXPECT_THAT(
      seen,
      ElementsAre(
          HasSubstr("wrong_column_count labels/a.txt:1 has 4 columns"),
          "unknown_class labels/a.txt:2 class 2 has no name: 'data.yaml' names 2 classes, from 0",
          "unknown_class labels/a.txt:3 column 1 (class) is 'car'; expected a number from 0",
          "not_a_number labels/a.txt:4 column 2 is '320'; expected a part of the picture's "
          "width, 0 to 1",
          HasSubstr("column 3 is 'nan'; expected a part of the picture's height"),
          HasSubstr("degenerate_box labels/a.txt:6"), HasSubstr("outside_picture labels/a.txt:7"),
          HasSubstr("column 1 (class) is '-1'"), HasSubstr("wrong_column_count labels/a.txt:9")));
  ASSERT_THAT(labels.degenerate, SizeIs(1));
  EXPECT_EQ(labels.degenerate[0].index, 5);
}

TEST(ScanYoloFolderTest, AnImageWithoutLabelFileHasNoObjects) {
  TemporaryFolder folder;
  for (const char* name : {"a.png", "b.png", "c.png"}) {
    folder.Write(absl::StrCat("d/", name), EncodePng(PlainPicture(640, 480, {})).value());
  }
  folder.Write("d/a.txt", "0 0.5 0.5 0.1 0.1\n");
  folder.Write("d/classes.txt", "car\n");
  folder.Write("d/README.dataset.txt", "by somebody\n");
  std::vector<std::string> seen;
  const auto ledger =
      ScanYoloFolder({.image_dir = folder / "d", .label_dir = folder / "d"}, kNames, 2,
                     [&](const KittiFrame& frame) {
                       seen.push_back(absl::StrCat(frame.id, " ", frame.labels.objects.size(), " ",
                                                   frame.size.width));
                     });
  ASSERT_THAT(ledger.status(), IsOk());
  EXPECT_THAT(seen, ElementsAre("a 1 640", "b 0 640", "c 0 640"));
  EXPECT_THAT(ledger->entries, IsEmpty());
  EXPECT_THAT(
      ledger->findings.notes,
      ElementsAre("2 images have no label file (b.png, c.png) and count as without objects"));
}

TEST(YoloNamesTest, ReadsListsAndMaps) {
  const auto list =
      ParseYoloYaml("train: ../train\nnc: 2\nnames: ['traffic light', \"b\"]\n", "d.yaml");
  ASSERT_THAT(list.status(), IsOk());
  EXPECT_THAT(list->names, ElementsAre("trafficlight", "b"));
  EXPECT_EQ(list->Of(1), "b");
  EXPECT_EQ(list->Of(2), "");
  EXPECT_EQ(list->Of(-1), "");
  EXPECT_THAT(ParseYoloYaml("names:\n  1: b\n  0: a\n", "d.yaml")->names, ElementsAre("a", "b"));
  EXPECT_THAT(ParseYoloList("a\r\nb c\n\n", "classes.txt")->names, ElementsAre("a", "bc"));
  EXPECT_EQ(ParseYoloYaml("train: x\n", "d.yaml")->source, "");
  EXPECT_EQ(YoloNames().Of(3), "class3");
}

TEST(YoloNamesTest, SaysWhatIsWrong) {
  const auto fails = [](const std::string& text) {
    return StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(text));
  };
  EXPECT_THAT(ParseYoloYaml("nc: 3\nnames: [a, b]", "d.yaml"),
              fails("'d.yaml': nc is 3, but names has 2"));
  EXPECT_THAT(ParseYoloYaml("names: {0: a, 2: b}", "d.yaml"),
              fails("has no class 1, but a class 2"));
  EXPECT_THAT(ParseYoloYaml("names: {a: b}", "d.yaml"), fails("a key of names is no number"));
  EXPECT_THAT(ParseYoloYaml("names: [a, '']", "d.yaml"), fails("the name of class 1 is empty"));
  EXPECT_THAT(ParseYoloYaml("names: 7", "d.yaml"), fails("neither a list nor a map"));
  EXPECT_THAT(ParseYoloYaml("a: [\nb", "d.yaml"), fails("d.yaml:"));
  EXPECT_THAT(ParseYoloYaml(std::string(100'000, '['), "d.yaml"),
              fails("lists and mappings inside each other"));
  EXPECT_THAT(ParseYoloYaml("names: [a]\n---\nnames: [b]\n", "d.yaml"),
              fails("is a second document"));
  EXPECT_THAT(ParseYoloList("a\n\nb\n", "classes.txt"), fails("line 2 is blank, but names follow"));
}

TEST(YoloNamesTest, LooksInTheNearestFolderFirst) {
  TemporaryFolder folder;
  folder.Write("data.yaml", "names: [outer]");
  folder.Write("labels/classes.txt", "inner\n");
  folder.Write("labels/data.yaml", "path: here\n");
  EXPECT_THAT(FindYoloNames({folder / "labels", folder.path()})->names, ElementsAre("inner"));
  EXPECT_THAT(FindYoloNames({folder.path()})->names, ElementsAre("outer"));
  EXPECT_EQ(FindYoloNames({folder / "none"})->source, "");
}

}  // namespace
}  // namespace trainyard::data
