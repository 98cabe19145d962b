#include "libs/data/formats/voc.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/data_pictures.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsOk;
using testing::PlainPicture;
using ::testing::SizeIs;
using testing::TemporaryFolder;

constexpr ImageSize kSize{500, 375};

KittiLabels Parse(const std::string& text, ImageSize size = kSize) {
  return ParseVocLabels(text, "Annotations/a.xml", "JPEGImages/a", size);
}

std::string Object(const std::string& name, const std::string& box, const std::string& more = "") {
  return absl::StrCat("<object><name>", name, "</name>", more, "<bndbox>", box,
                      "</bndbox></object>");
}

constexpr char kBox[] = "<xmin>8</xmin><ymin>12</ymin><xmax>352</xmax><ymax>375</ymax>";

TEST(ParseVocLabelsTest, CornersCountFromOneAndBelongToTheBox) {
  const KittiLabels labels = Parse(
      "<?xml version=\"1.0\"?><!-- by hand --><annotation><folder>VOC2012</folder>"
      "<size><width>500</width><height>375</height><depth>3</depth></size>" +
      Object("dog", "<xmin>1</xmin><ymin>1</ymin><xmax>500</xmax><ymax>375</ymax>",
             "<truncated>1</truncated><difficult>0</difficult>") +
      Object(
          " traffic\n light ", "<ymax> 40.5 </ymax><xmax>30</xmax><ymin>20</ymin><xmin>11</xmin>",
          "<part><name>head</name><bndbox><xmin>1</xmin></bndbox></part><difficult>1</difficult>") +
      Object("R&amp;D", kBox) + "</annotation>");
  EXPECT_THAT(labels.refused, IsEmpty());
  EXPECT_THAT(labels.findings.Describe(), IsEmpty());
  EXPECT_EQ(labels.lines, 3);
  ASSERT_THAT(labels.objects, SizeIs(3));
  EXPECT_EQ(labels.objects[0].box, (Box{0, 0, 500, 375}));  // The whole picture.
  EXPECT_EQ(labels.objects[0].truncated, 1);
  EXPECT_FALSE(labels.objects[0].difficult());
  EXPECT_EQ(labels.objects[1].type, "trafficlight");
  EXPECT_EQ(labels.objects[1].box, (Box{10, 19, 30, 40.5f}));
  EXPECT_EQ(labels.objects[1].truncated, 0);
  EXPECT_TRUE(labels.objects[1].difficult());
  EXPECT_EQ(labels.objects[2].type, "R&D");
}

TEST(ParseVocLabelsTest, ListsObjectsThatCannotBeUsed) {
  const KittiLabels labels =
      Parse("<annotation><size><width>375</width><height>500</height></size>" + Object("", kBox) +
            Object("dog", "<xmin>8</xmin><ymin>?</ymin><xmax>352</xmax><ymax>375</ymax>") +
            "<object><name>cat</name></object>" +
            Object("cow", "<xmin>9</xmin><ymin>9</ymin><xmax>8</xmax><ymax>20</ymax>") +
            Object("pig", "<xmin>600</xmin><ymin>9</ymin><xmax>700</xmax><ymax>20</ymax>") +
            Object("nan", "<xmin>nan</xmin><ymin>9</ymin><xmax>700</xmax><ymax>20</ymax>") +
            "</annotation>");
  EXPECT_THAT(labels.objects, IsEmpty());
  EXPECT_EQ(labels.lines, 6);
  std::vector<std::string> seen;
  for (const LedgerEntry& entry : labels.refused) {
    seen.push_back(absl::StrCat(NameOf(entry.reason), " ", entry.place, " ", entry.text));
  }
  EXPECT_THAT(seen, ElementsAre(HasSubstr("unknown_class Annotations/a.xml: object 1"),
                                HasSubstr("object 2 <bndbox><ymin> of 'dog' is '?'"),
                                HasSubstr("object 3 <bndbox><xmin> of 'cat' is ''"),
                                HasSubstr("degenerate_box Annotations/a.xml: object 4"),
                                HasSubstr("outside_picture Annotations/a.xml: object 5"),
                                HasSubstr("<xmin> of 'nan' is 'nan'")));
  ASSERT_THAT(labels.degenerate, SizeIs(1));
  EXPECT_EQ(labels.degenerate[0].index, 3);
  EXPECT_EQ(labels.findings.other_size.example, "Annotations/a.xml: 500 x 375, stated 375 x 500");
}

std::string WhyNot(const std::string& text) {
  const KittiLabels labels = Parse(text);
  EXPECT_THAT(labels.objects, IsEmpty());
  if (labels.refused.size() != 1) return "";
  EXPECT_EQ(labels.refused[0].reason, Refusal::kWrongFormat);
  EXPECT_TRUE(labels.refused[0].whole_image());
  return labels.refused[0].text;
}

TEST(ParseVocLabelsTest, LeavesOutFilesThatAreNone) {
  EXPECT_THAT(WhyNot("<annotation><object></annotation>"), HasSubstr("is no XML"));
  EXPECT_THAT(WhyNot(""), HasSubstr("is no XML"));
  EXPECT_THAT(WhyNot("dog 0 0 0 1 2 3 4"), HasSubstr("is no XML"));
  EXPECT_THAT(WhyNot("<svg/>"),
              HasSubstr("has no <annotation>, as files of Pascal VOC do, but <svg>"));
  std::string deep = "<annotation>", wide = "<annotation>";
  for (int i = 0; i < 200'000; ++i) deep += "<a>";
  for (int i = 0; i < 200'000; ++i) wide += "<a/>";
  for (int i = 0; i < 200'000; ++i) deep += "</a>";
  EXPECT_THAT(WhyNot(deep + "</annotation>"), HasSubstr("is deeper than 32 elements"));
  EXPECT_THAT(WhyNot(wide + "</annotation>"), HasSubstr("holds more than 100000 elements"));
}

// Neither files of others nor texts that grow by repetition come in by a declaration.
TEST(ParseVocLabelsTest, ExpandsNoEntityOfTheFile) {
  const KittiLabels labels = Parse(
      "<!DOCTYPE annotation [<!ENTITY a \"aaaaaaaa\"><!ENTITY b \"&a;&a;&a;\">"
      "<!ENTITY file SYSTEM \"file:///etc/passwd\">]><annotation>" +
      Object("&b;&file;", kBox) + "</annotation>");
  ASSERT_THAT(labels.objects, SizeIs(1));
  EXPECT_EQ(labels.objects[0].type, "&b;&file;");
}

TEST(ScanVocFolderTest, NamesImagesWithoutLabelFile) {
  TemporaryFolder folder;
  for (const char* name : {"a.png", "b.png", "c.png"}) {
    folder.Write(absl::StrCat("d/", name), EncodePng(PlainPicture(500, 375, {})).value());
  }
  folder.Write("d/a.xml", "<annotation>" + Object("dog", kBox) + "</annotation>");
  folder.Write("d/b.txt", "0 0.5 0.5 0.1 0.1");
  folder.Write("d/c.xml", "no");
  folder.Write("d/e.xml", "<annotation/>");
  std::vector<std::string> ids;
  const auto ledger = ScanVocFolder({.image_dir = folder / "d",
                                     .label_dir = folder / "d",
                                     .id_prefix = "d",
                                     .image_dir_shown = "d",
                                     .label_dir_shown = "d"},
                                    1, [&](const KittiFrame& frame) { ids.push_back(frame.id); });
  ASSERT_THAT(ledger.status(), IsOk());
  EXPECT_THAT(ids, ElementsAre("d/a"));
  ASSERT_THAT(ledger->entries, SizeIs(2));
  EXPECT_EQ(ledger->entries[0].text,
            "its label file 'd/b.xml' is missing; there is 'b.txt', but labels "
            "are read in Pascal VOC's form, from .xml");
  EXPECT_EQ(ledger->entries[1].reason, Refusal::kWrongFormat);
  EXPECT_THAT(ledger->findings.notes, ElementsAre("1 label file has no image (d/e.xml)"));
}

}  // namespace
}  // namespace trainyard::data
