#include "libs/data/formats/coco.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/data_pictures.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::data {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsOk;
using testing::PlainPicture;
using ::testing::SizeIs;
using testing::StatusIs;
using testing::TemporaryFolder;

constexpr char kCategories[] = R"("categories": [{"id": 90, "name": "toothbrush"},
  {"id": 10, "name": "traffic light", "supercategory": "outdoor"}])";

// A file with one image, 7, and these annotations.
std::string WithAnnotations(const std::string& annotations) {
  return absl::StrCat(R"({"images": [{"id": 7, "file_name": "a.png"}], "annotations": [)",
                      annotations, "], ", kCategories, "}");
}

std::vector<std::string> Texts(const std::vector<LedgerEntry>& entries) {
  std::vector<std::string> texts;
  for (const LedgerEntry& entry : entries) {
    texts.push_back(absl::StrCat(NameOf(entry.reason), " ", entry.place, ": ", entry.text));
  }
  return texts;
}

TEST(ParseCocoTest, ReadsImagesCategoriesAndBoxesInAnyOrder) {
  const auto file = ParseCoco(R"({"info": {"year": 2017}, "annotations": [
      {"id": 1, "image_id": 8, "category_id": 90, "bbox": [1.5, 2, 3, 4.25], "iscrowd": 1,
       "segmentation": {"counts": [1, 2], "size": [3, 4]}, "area": 1},
      {"id": 2, "image_id": 7, "category_id": 10, "bbox": [0, 0, 5, 6], "segmentation": [[1, 2]]},
      {"id": 3, "image_id": 8, "category_id": 10, "bbox": [1, 1, 2, 2], "iscrowd": 0}],
    "images": [{"file_name": "b/c.d.jpg", "id": 8, "width": 640, "height": 480}, {"id": 7,
      "file_name": "a.png"}, {"id": 9, "file_name": "empty.png"}],
    "categories": [{"id": 90, "name": "tooth brush"}, {"id": 10, "name": " traffic light"}]})",
                              "a.json");
  ASSERT_THAT(file.status(), IsOk());
  EXPECT_THAT(file->refused, IsEmpty());
  ASSERT_THAT(file->categories, SizeIs(2));
  EXPECT_EQ(file->categories[0].name, "trafficlight");
  EXPECT_EQ(file->categories[1].id, 90);
  EXPECT_THAT(file->Of(2), IsEmpty());
  const KittiLabels labels = CocoLabels(*file, 0, "x", {640, 480});
  ASSERT_THAT(labels.objects, SizeIs(2));
  EXPECT_EQ(labels.objects[0].type, "toothbrush");
  EXPECT_EQ(labels.objects[0].box, (Box{1.5f, 2, 4.5f, 6.25f}));
  EXPECT_TRUE(labels.objects[0].difficult());
  EXPECT_EQ(labels.objects[1].type, "trafficlight");
  EXPECT_EQ(labels.objects[1].box, (Box{1, 1, 3, 3}));
  EXPECT_FALSE(labels.objects[1].difficult());
  const KittiFrame frame = CocoFrame(*file, {.image_dir = "/d/val", .id_prefix = "val"}, 0);
  EXPECT_EQ(frame.id, "val/b/c.d");
  EXPECT_EQ(frame.image_path, "/d/val/b/c.d.jpg");
}

TEST(ParseCocoTest, ListsAnnotationsThatCannotBeUsed) {
  const auto file = ParseCoco(WithAnnotations(R"(
      {"id": 1, "image_id": 7, "category_id": 10},
      {"id": 2, "image_id": 7, "category_id": 10, "bbox": [1, 2, 3]},
      {"id": 3, "image_id": 7, "category_id": 10, "bbox": [1, 2, 3, "4"]},
      {"id": 4, "image_id": 7, "category_id": 10, "bbox": [1, 2, 3, 1e8]},
      {"id": 5, "image_id": 8, "category_id": 10, "bbox": [1, 2, 3, 4]},
      {"id": 6, "image_id": 7, "category_id": 11, "bbox": [1, 2, 3, 4]},
      {"image_id": "7", "category_id": 10, "bbox": [1, 2, 3, 4]},
      {"id": 8, "image_id": 7, "bbox": [1, 2, 3, 4]},
      {"id": 9, "image_id": 7, "category_id": 10, "bbox": [1, 2, 3, 4]})"),
                              "a.json");
  ASSERT_THAT(file.status(), IsOk());
  EXPECT_THAT(
      Texts(file->refused),
      ElementsAre(
          "wrong_column_count a.json: annotation 1: has no bbox",
          "wrong_column_count a.json: annotation 2: its bbox has 3 numbers; expected x, y, "
          "width, height",
          "wrong_column_count a.json: annotation 3: its bbox holds what is no number, or is "
          "beyond 1e7",
          "wrong_column_count a.json: annotation 4: its bbox holds what is no number, or is "
          "beyond 1e7",
          "wrong_column_count a.json: annotation number 7: has no image_id that is a whole "
          "number",
          "wrong_column_count a.json: annotation 8: has no category_id that is a whole number",
          "unknown_image a.json: annotation 5: its image_id 8 is no image of the file",
          "unknown_class a.json: annotation 6: its category_id 11 is no category of the "
          "file"));
  EXPECT_THAT(file->annotations, SizeIs(1));
}

TEST(ParseCocoTest, ListsImagesThatCannotBeUsed) {
  const auto file = ParseCoco(
      absl::StrCat(
          R"({"images": [{"id": 1, "file_name": "../a.png"}, {"id": 2, "file_name": "/a.png"},
        {"id": 3, "file_name": "x"}, {"id": 3, "file_name": "y"}, {"file_name": "z"}, {"id": 4},
        {"id": 5, "file_name": "..a/b..png"}, {"id": 6, "file_name": "a.png\u0000x"}],
        "annotations": [{"id": 1, "image_id": 3, "category_id": 10, "bbox": [1, 2, 3, 4]},
        {"id": 2, "image_id": 1, "category_id": 10, "bbox": [1, 2, 3, 4]}], )",
          kCategories, "}"),
      "a.json");
  ASSERT_THAT(file.status(), IsOk());
  EXPECT_THAT(
      Texts(file->refused),
      ElementsAre(AllOf(HasSubstr("a.json: image 1:"), HasSubstr("leads out of the folder")),
                  AllOf(HasSubstr("a.json: image 2:"), HasSubstr("leads out of the folder")),
                  HasSubstr("a.json: image number 5: has no id"),
                  HasSubstr("a.json: image 4: has no file_name"),
                  AllOf(HasSubstr("a.json: image 6:"), HasSubstr("leads out of the folder")),
                  HasSubstr("shared_label a.json: image 3: 'x' has the id of 1 other image"),
                  HasSubstr("shared_label a.json: image 3: 'y' has the id of 1 other image")));
  ASSERT_THAT(file->images, SizeIs(1));
  EXPECT_EQ(file->images[0].id, 5);
  EXPECT_THAT(file->annotations, IsEmpty());
}

TEST(ParseCocoTest, RefusesFilesThatAreNoAnnotations) {
  const auto fails = [](const std::string& text) {
    return StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(text));
  };
  EXPECT_THAT(ParseCoco("[{\"image_id\": 1}]", "r.json"),
              fails("'r.json': line 1, column 1: is a list, as files of results are"));
  EXPECT_THAT(ParseCoco("{\"images\": [],\n\"annotations\": 7}", "a.json"),
              fails("'a.json': line 2, column 16: expected an array"));
  EXPECT_THAT(ParseCoco("{\"images\": []}", "a.json"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("images is not there or empty"),
                             HasSubstr("annotations is not there or empty"),
                             HasSubstr("categories is not there or empty"))));
  EXPECT_THAT(
      ParseCoco(R"({"categories": [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]})", "a.json"),
      fails("category id 1 is both 'a' and 'b'"));
  EXPECT_THAT(ParseCoco(R"({"categories": [{"id": 1, "name": " "}]})", "a.json"),
              fails("no id that is a whole number, or no name"));
}

// What is refused takes more room than it has in the file, so there is an end to it.
TEST(ParseCocoTest, NoFileFillsTheMemoryWithRefusals) {
  std::string entries = "{}";
  for (int i = 0; i < 100'001; ++i) entries += ",{}";
  EXPECT_THAT(ParseCoco(WithAnnotations(entries), "a.json"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("100001 of the first 100002 entries cannot be used")));
}

TEST(ParseCocoTest, NorDoAnnotationsOfNoImage) {
  std::string entries = R"({"image_id": 8, "category_id": 10, "bbox": [1, 2, 3, 4]})";
  const std::string one = "," + entries;
  for (int i = 0; i < 100'001; ++i) entries += one;
  EXPECT_THAT(ParseCoco(WithAnnotations(entries), "a.json"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("100001 of the first"), HasSubstr("image_id 8 is no image"))));
}

// A name that is spelt in two ways would be one picture that is taken for two.
TEST(ParseCocoTest, PathsOfPicturesHaveOneSpelling) {
  const auto file = ParseCoco(
      absl::StrCat(R"({"images": [{"id": 1, "file_name": "./b//c/./a.png"},
        {"id": 2, "file_name": "./"}], "annotations": [
        {"id": 1, "image_id": 1, "category_id": 10, "bbox": [1, 2, 3, 4]}], )",
                   kCategories, "}"),
      "a.json");
  ASSERT_THAT(file.status(), IsOk());
  ASSERT_THAT(file->images, SizeIs(1));
  EXPECT_EQ(file->images[0].file_name, "b/c/a.png");
  EXPECT_THAT(Texts(file->refused), ElementsAre(HasSubstr("image 2: has no file_name")));
}

TEST(ScanCocoTest, HoldsTheFileAgainstItsPictures) {
  TemporaryFolder folder;
  folder.Write("img/b.png", EncodePng(PlainPicture(20, 10, {})).value());
  folder.Write("img/a.png", EncodePng(PlainPicture(20, 10, {})).value());
  const auto file = ParseCoco(R"({"images": [
      {"id": 1, "file_name": "b.png", "width": 10, "height": 20}, {"id": 2, "file_name": "gone.png"},
      {"id": 3, "file_name": "a.png", "width": 20, "height": 10}],
    "categories": [{"id": 1, "name": "x"}], "annotations": [
      {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]},
      {"id": 2, "image_id": 1, "category_id": 1, "bbox": [1, 2, 0.5, 4]},
      {"id": 3, "image_id": 3, "category_id": 1, "bbox": [30, 2, 3, 4]},
      {"id": 4, "image_id": 3, "category_id": 1, "bbox": [15, 2, 13, 4]},
      {"id": 5, "image_id": 9, "category_id": 1, "bbox": [15, 2, 13, 4]}]})",
                              "a.json");
  ASSERT_THAT(file.status(), IsOk());
  std::vector<std::string> kept;
  std::vector<int64_t> degenerate;
  const auto ledger = ScanCoco(
      *file, {.image_dir = folder / "img", .id_prefix = "img", .image_dir_shown = "img"}, 2,
      [&](const KittiFrame& frame, int64_t index) {
        kept.push_back(absl::StrCat(index, " ", frame.id, " ", frame.labels.objects.size()));
        for (const DegenerateBox& box : frame.labels.degenerate) degenerate.push_back(box.index);
      });
  ASSERT_THAT(ledger.status(), IsOk());
  EXPECT_THAT(kept, ElementsAre("0 img/b 1", "2 img/a 1"));
  EXPECT_THAT(degenerate, ElementsAre(2));
  EXPECT_EQ(ledger->images, 3);
  EXPECT_EQ(ledger->lines, 5);
  EXPECT_THAT(
      Texts(ledger->entries),
      ElementsAre(HasSubstr("unknown_image a.json: annotation 5"),
                  HasSubstr("degenerate_box a.json: annotation 2: box (1, 2, 1.5, 6) of 'x'"),
                  HasSubstr("unreadable_image img/gone.png"),
                  HasSubstr("outside_picture a.json: annotation 3")));
  EXPECT_THAT(ledger->findings.other_size.example, "img/b.png: 20 x 10, stated 10 x 20");
  EXPECT_EQ(ledger->findings.beyond.count, 1);
  EXPECT_THAT(ScanCoco(*file, {.image_dir = folder / "none"}, 1, nullptr),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("no image folder")));
}

}  // namespace
}  // namespace trainyard::data
