// ConvertKitti with a coco_config.

#include <filesystem>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/files.h"
#include "libs/base/records.h"
#include "libs/data/convert.h"
#include "libs/data/tfrecord/example.h"
#include "tests/support/labelled_sets.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::data {
namespace {

using ::testing::AllOf;
using testing::BloodCells;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::LabelledPicture;
using ::testing::Not;
using ::testing::Pair;
using ::testing::SizeIs;
using testing::StatusIs;
using testing::TemporaryFolder;
using testing::WriteCocoSet;

class ConvertCocoTest : public ::testing::Test {
 protected:
  ConvertCocoTest() {
    auto& coco = *config_.mutable_coco_config();
    coco.set_root_directory_path(folder_.path());
    for (const char* part : {"val", "train"}) {
      coco.add_img_dir_names(absl::StrCat(part, "/images"));
      coco.add_annotation_files(absl::StrCat(part, "/annotations.json"));
    }
    coco.add_num_shards(2);
    coco.add_num_shards(3);
    options_.output_prefix = folder_ / "out/set";
  }

  absl::StatusOr<ConvertReport> Convert() { return ConvertKitti(config_, options_); }

  std::vector<DetectionExample> Records(const std::string& shard) {
    std::vector<DetectionExample> examples;
    auto reader = RecordReader::Open(folder_ / ("out/" + shard));
    EXPECT_THAT(reader.status(), IsOk());
    while (reader.ok()) {
      const auto record = reader->Next();
      if (absl::IsOutOfRange(record.status())) break;
      EXPECT_THAT(record.status(), IsOk());
      if (!record.ok()) break;
      const auto example = DecodeExample(*record);
      EXPECT_THAT(example.status(), IsOk());
      if (example.ok()) examples.push_back(*example);
    }
    return examples;
  }

  TemporaryFolder folder_;
  spec::dataset::v1::DatasetExportConfig config_;
  ConvertOptions options_;
};

TEST_F(ConvertCocoTest, EachFileIsAFoldInTheOrderOfItsImagesWithItsOwnShards) {
  WriteCocoSet(folder_, "val", BloodCells(5));
  WriteCocoSet(folder_, "train", BloodCells(7));
  const auto report = Convert();
  ASSERT_THAT(report.status(), IsOk());
  EXPECT_THAT(report->manifest.classes, ElementsAre("platelets", "rbc", "wbc"));
  EXPECT_THAT(report->manifest.options, ::testing::Contains(Pair("num_shards", "2,3")));
  std::vector<std::string> ids;
  for (const auto& shard : report->manifest.shards) {
    for (const DetectionExample& example : Records(shard.file)) {
      ids.push_back(absl::StrCat(shard.file.substr(4), " ", example.id));
    }
  }
  EXPECT_THAT(ids,
              ElementsAre("fold-000-of-002-shard-00000-of-00002 val/images/BloodImage_00000",
                          "fold-000-of-002-shard-00000-of-00002 val/images/BloodImage_00001",
                          "fold-000-of-002-shard-00001-of-00002 val/images/BloodImage_00002",
                          "fold-000-of-002-shard-00001-of-00002 val/images/BloodImage_00003",
                          "fold-000-of-002-shard-00001-of-00002 val/images/BloodImage_00004",
                          "fold-001-of-002-shard-00000-of-00003 train/images/BloodImage_00000",
                          "fold-001-of-002-shard-00000-of-00003 train/images/BloodImage_00001",
                          "fold-001-of-002-shard-00001-of-00003 train/images/BloodImage_00002",
                          "fold-001-of-002-shard-00001-of-00003 train/images/BloodImage_00003",
                          "fold-001-of-002-shard-00002-of-00003 train/images/BloodImage_00004",
                          "fold-001-of-002-shard-00002-of-00003 train/images/BloodImage_00005",
                          "fold-001-of-002-shard-00002-of-00003 train/images/BloodImage_00006"));
}

TEST_F(ConvertCocoTest, ARecordHasPartsOfThePictureAndCrowdsAreDifficult) {
  const std::vector<LabelledPicture> one = {
      {"a", 40, 20, {{"WBC", 10, 5, 30, 15}, {"RBC", 0, 0, 4, 4, true}}}};
  WriteCocoSet(folder_, "val", one);
  WriteCocoSet(folder_, "train", one);
  config_.mutable_coco_config()->clear_num_shards();
  config_.mutable_coco_config()->add_num_shards(1);
  ASSERT_THAT(Convert().status(), IsOk());
  const auto records = Records("set-fold-001-of-002-shard-00000-of-00001");
  ASSERT_THAT(records, SizeIs(1));
  EXPECT_EQ(records[0].width, 40);
  EXPECT_EQ(records[0].encoded, ReadFile(folder_ / "train/images/a.png").value());
  EXPECT_THAT(records[0].class_ids, ElementsAre(2, 1));
  EXPECT_THAT(records[0].x1, ElementsAre(0.25f, 0));
  EXPECT_THAT(records[0].y2, ElementsAre(0.75f, 0.2f));
  EXPECT_THAT(records[0].occlusion, ElementsAre(0, 1));
  EXPECT_THAT(records[0].truncation, ElementsAre(0, 0));
}

TEST_F(ConvertCocoTest, TellsOfPicturesThatSeveralImagesAreOf) {
  WriteCocoSet(folder_, "val", BloodCells(2));
  WriteCocoSet(folder_, "train", BloodCells(4));
  const auto none = Convert();
  ASSERT_THAT(none.status(), IsOk());
  EXPECT_THAT(none->notes, Not(::testing::Contains(HasSubstr("of a picture that"))));
  // Of the training images one is now the first of the validation data, and one the one before it.
  const std::string text = ReadFile(folder_ / "train/annotations.json").value();
  folder_.Write("train/annotations.json",
                absl::StrReplaceAll(text, {{"BloodImage_00001.png", "link.png"},
                                           {"BloodImage_00003.png", "./BloodImage_00002.png"}}));
  std::filesystem::create_symlink(folder_ / "val/images/BloodImage_00000.png",
                                  folder_ / "train/images/link.png");
  const auto report = Convert();
  ASSERT_THAT(report.status(), IsOk());
  EXPECT_THAT(report->notes,
              AllOf(::testing::Contains(AllOf(HasSubstr("1 image is of a picture that another entry"),
                                              HasSubstr("train/images/BloodImage_00002"))),
                    ::testing::Contains(AllOf(HasSubstr("validation and training share them"),
                                              HasSubstr("train/images/link")))));
}

TEST_F(ConvertCocoTest, CategoriesAreTheSameInAllPartitions) {
  WriteCocoSet(folder_, "val", BloodCells(2));
  WriteCocoSet(folder_, "train", BloodCells(2));
  const std::string text = ReadFile(folder_ / "train/annotations.json").value();
  folder_.Write(
      "train/annotations.json",
      absl::StrReplaceAll(text, {{"\"id\": 3, \"name\": \"Plate", "\"id\": 4, \"name\": \"Plate"},
                                 {"\"category_id\": 3", "\"category_id\": 4"}}));
  EXPECT_THAT(Convert(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("'val/annotations.json' and 'train/annotations.json' "
                                       "have different categories"),
                             HasSubstr("3 'Platelets'"), HasSubstr("4 'Platelets'"))));
  EXPECT_FALSE(FolderExists(folder_ / "out"));
}

TEST_F(ConvertCocoTest, TellsOfDegenerateBoxesByTheIdOfTheirAnnotation) {
  std::vector<LabelledPicture> cells = BloodCells(12);
  cells[1].objects[0].x2 = cells[1].objects[0].x1;
  WriteCocoSet(folder_, "val", BloodCells(2));
  WriteCocoSet(folder_, "train", cells);
  const auto report = Convert();
  ASSERT_THAT(report.status(), IsOk());
  EXPECT_THAT(report->ledger.entries,
              ElementsAre(AllOf(
                  Field(&LedgerEntry::reason, Refusal::kDegenerateBox),
                  Field(&LedgerEntry::place, absl::StrCat("train/annotations.json: annotation ",
                                                          cells[0].objects.size() + 1)))));
  EXPECT_THAT(ReadFile(folder_ / "out/set_warning.json").value(),
              HasSubstr(absl::StrCat("\"", cells[0].objects.size() + 1, "\": [\n    ",
                                     cells[1].objects[0].x1)));
}

TEST_F(ConvertCocoTest, SaysWhichFileIsWrong) {
  WriteCocoSet(folder_, "val", BloodCells(2));
  EXPECT_THAT(Convert(), StatusIs(absl::StatusCode::kNotFound,
                                  HasSubstr("coco_config.annotation_files[1]: ")));
  folder_.Write("train/annotations.json", "{\"images\": [}");
  EXPECT_THAT(Convert(), StatusIs(absl::StatusCode::kInvalidArgument,
                                  HasSubstr("coco_config.annotation_files[1]: "
                                            "'train/annotations.json': line 1, column 13")));
}

}  // namespace
}  // namespace trainyard::data
