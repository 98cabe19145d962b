#include "libs/data/formats/data_set.h"

#include <map>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/files.h"
#include "tests/support/labelled_sets.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::data {
namespace {

using ::testing::AllOf;
using testing::BloodCells;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsOk;
using testing::LabelledPicture;
using ::testing::SizeIs;
using testing::StatusIs;
using testing::TemporaryFolder;
using testing::WriteCocoSet;
using testing::WriteKittiSet;
using testing::WriteVocSet;
using testing::WriteYoloSet;

class DataSetTest : public ::testing::Test {
 protected:
  // The one format and part of a folder.
  DataCandidate Only(const std::string& dir) const {
    const auto found = RecognizeDataSet(folder_ / dir);
    EXPECT_THAT(found.status(), IsOk());
    if (!found.ok()) return {};
    EXPECT_THAT(found->candidates, SizeIs(1));
    return found->candidates.front();
  }

  // "RBC 1 2 3 4 difficult" of all frames, by stem.
  std::map<std::string, std::vector<std::string>> Records(const std::string& dir,
                                                          const DataCandidate& candidate) {
    std::map<std::string, std::vector<std::string>> records;
    const auto ledger = ScanDataPart(
        folder_ / dir, candidate.format, candidate.parts.front(), 2, [&](const KittiFrame& frame) {
          auto& lines = records[absl::StrCat(BaseName(frame.id), " ", frame.size.width, "x",
                                             frame.size.height)];
          for (const KittiObject& o : frame.labels.objects) {
            lines.push_back(absl::StrCat(o.type, " ", o.box.x1, " ", o.box.y1, " ", o.box.x2, " ",
                                         o.box.y2, o.difficult() ? " difficult" : ""));
          }
        });
    EXPECT_THAT(ledger.status(), IsOk());
    EXPECT_THAT(ledger.ok() ? ledger->Describe(100) : std::vector<std::string>(), IsEmpty());
    return records;
  }

  TemporaryFolder folder_;
};

TEST_F(DataSetTest, TheSameSetIsTheSameInEveryFormat) {
  const std::vector<LabelledPicture> cells = BloodCells(70);
  std::map<std::string, std::vector<std::string>> hard, plain;
  for (const LabelledPicture& picture : cells) {
    const std::string key = absl::StrCat(picture.stem, " ", picture.width, "x", picture.height);
    hard[key] = plain[key] = {};
    for (const auto& o : picture.objects) {
      plain[key].push_back(absl::StrCat(o.type, " ", o.x1, " ", o.y1, " ", o.x2, " ", o.y2));
      hard[key].push_back(absl::StrCat(plain[key].back(), o.difficult ? " difficult" : ""));
    }
  }
  WriteKittiSet(folder_, "kitti", cells);
  WriteCocoSet(folder_, "coco", cells);
  WriteVocSet(folder_, "voc", cells);
  WriteYoloSet(folder_, "yolo", cells);
  for (const DataFormat format :
       {DataFormat::kKitti, DataFormat::kCoco, DataFormat::kVoc, DataFormat::kYolo}) {
    const std::string name(NameOf(format));
    const DataCandidate candidate = Only(name);
    EXPECT_EQ(NameOf(candidate.format), name);
    const bool tells_difficult = format != DataFormat::kYolo;
    EXPECT_EQ(Records(name, candidate), tells_difficult ? hard : plain) << name;
  }
}

TEST_F(DataSetTest, FindsThePartsOfASet) {
  const std::vector<LabelledPicture> cells = BloodCells(4);
  WriteYoloSet(folder_, "a/train", cells);
  WriteYoloSet(folder_, "a/valid", cells);
  DataCandidate found = Only("a");
  ASSERT_THAT(found.parts, SizeIs(2));
  EXPECT_EQ(found.parts[0].name, "train");
  EXPECT_EQ(found.parts[0].image_dir, "train/images");
  EXPECT_EQ(found.parts[0].labels, "train/labels");
  EXPECT_EQ(found.parts[1].name, "valid");
  EXPECT_EQ(found.parts[1].labels, "valid/labels");
  EXPECT_THAT(FindPart(found, ""), StatusIs(absl::StatusCode::kInvalidArgument,
                                            HasSubstr("has 2 parts (train, valid); name one")));
  EXPECT_THAT(FindPart(found, "vali"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("did you mean 'valid'")));
  EXPECT_EQ(FindPart(found, "valid")->image_dir, "valid/images");

  // The other way round: images/train beside labels/train, in which the names are the same.
  for (const char* part : {"train", "val"}) {
    WriteKittiSet(folder_, "scratch", cells);
    folder_.Folder("b/images");
    folder_.Folder("b/labels");
    std::filesystem::rename(folder_ / "scratch/images", folder_ / absl::StrCat("b/images/", part));
    std::filesystem::rename(folder_ / "scratch/labels", folder_ / absl::StrCat("b/labels/", part));
  }
  found = Only("b");
  EXPECT_EQ(found.format, DataFormat::kKitti);
  ASSERT_THAT(found.parts, SizeIs(2));
  EXPECT_EQ(found.parts[0].image_dir, "images/train");
  EXPECT_EQ(found.parts[0].labels, "labels/train");
  EXPECT_EQ(found.parts[1].image_dir, "images/val");
}

TEST_F(DataSetTest, TakesOneFolderForPicturesAndLabels) {
  const std::vector<LabelledPicture> cells = BloodCells(3);
  WriteVocSet(folder_, "v", cells);
  for (const LabelledPicture& picture : cells) {
    std::filesystem::rename(folder_ / absl::StrCat("v/Annotations/", picture.stem, ".xml"),
                            folder_ / absl::StrCat("v/JPEGImages/", picture.stem, ".xml"));
  }
  const DataCandidate found = Only("v");
  ASSERT_THAT(found.parts, SizeIs(1));
  EXPECT_EQ(found.parts[0].name, "");
  EXPECT_EQ(found.parts[0].image_dir, "JPEGImages");
  EXPECT_EQ(found.parts[0].labels, "JPEGImages");
  EXPECT_THAT(Records("v", found), SizeIs(3));
}

TEST_F(DataSetTest, SaysWhatIsAmbiguous) {
  const std::vector<LabelledPicture> cells = BloodCells(3);
  WriteKittiSet(folder_, "s", cells);
  WriteCocoSet(folder_, "s", cells);
  folder_.Write("s/instances.json", ReadFile(folder_ / "s/annotations.json").value());
  testing::WritePicture(folder_, "s/more", BloodCells(5).back());
  const auto found = RecognizeDataSet(folder_ / "s");
  ASSERT_THAT(found.status(), IsOk());
  ASSERT_THAT(found->candidates, SizeIs(2));
  EXPECT_EQ(found->candidates[0].format, DataFormat::kKitti);
  EXPECT_THAT(found->candidates[0].reasons,
              ElementsAre("3 label files in 'labels' for pictures in 'images'; 3 of 3 that were "
                          "looked into are of kitti"));
  EXPECT_EQ(found->Find(DataFormat::kCoco)->parts[0].labels, "instances.json");
  EXPECT_THAT(
      found->ambiguities,
      ElementsAre("the folder can be read as kitti and as coco; name the one that is meant",
                  "'instances.json' and 'annotations.json' are about the same pictures; the "
                  "first is taken",
                  "1 picture in 'more' belong to no labels"));
}

TEST_F(DataSetTest, NamesOtherKindsOfSets) {
  folder_.Write("t/set-fold-000-of-002-shard-00000-of-00001", "");
  folder_.Write("t/idx-set-fold-000-of-002-shard-00000-of-00001", "");
  EXPECT_EQ(Only("t").format, DataFormat::kTfrecord);
  testing::WritePicture(folder_, "c/cat", BloodCells(1)[0]);
  testing::WritePicture(folder_, "c/dog", BloodCells(1)[0]);
  EXPECT_EQ(Only("c").format, DataFormat::kClassFolders);
  EXPECT_THAT(ScanDataPart(folder_ / "c", DataFormat::kClassFolders, {}, 1, nullptr),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("class_folders")));
}

TEST_F(DataSetTest, SaysWhatIsThereWhenNothingIsKnown) {
  EXPECT_THAT(RecognizeDataSet(folder_ / "none"), StatusIs(absl::StatusCode::kNotFound));
  testing::WritePicture(folder_, "x", BloodCells(1)[0]);
  folder_.Write("x/BloodImage_00000.txt", "a sentence about it\n");
  folder_.Write("x/notes.json", "{}");
  EXPECT_THAT(RecognizeDataSet(folder_ / "x"),
              StatusIs(absl::StatusCode::kNotFound,
                       AllOf(HasSubstr("no data set of a format that is known"),
                             HasSubstr("1 .json, 1 .txt, 0 .xml, 1 pictures in 1 folder"))));
  folder_.Write("y/a.json", R"({"images": [{"file_name": "gone.jpg"}], "categories": []})");
  EXPECT_THAT(RecognizeDataSet(folder_ / "y"),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("'a.json' looks like annotations of COCO, but no folder holds its "
                                 "pictures such as 'gone.jpg'")));
}

TEST_F(DataSetTest, HasANameForEachFormat) {
  EXPECT_EQ(FindDataFormat("voc").value(), DataFormat::kVoc);
  EXPECT_THAT(FindDataFormat("yol"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("did you mean 'yolo'")));
}

}  // namespace
}  // namespace trainyard::data
