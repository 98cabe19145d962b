#include "libs/data/formats/write_set.h"

#include <cstdlib>
#include <map>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/files.h"
#include "tests/support/labelled_sets.h"
#include "tests/support/places.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::data {
namespace {

using testing::BloodCells;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsOk;
using testing::LabelledPicture;
using testing::StatusIs;
using testing::TemporaryFolder;

class WriteSetTest : public ::testing::Test {
 protected:
  absl::StatusOr<WriteSetReport> Convert(const std::string& from, DataFormat to,
                                         const std::string& out) {
    const auto found = RecognizeDataSet(folder_ / from);
    EXPECT_THAT(found.status(), IsOk());
    if (!found.ok()) return found.status();
    const DataCandidate& candidate = found->candidates.front();
    return WriteDataPart(folder_ / from, candidate.format, candidate.parts.front(), to,
                         {.output = folder_ / out, .threads = 2});
  }
  // The lines of all frames, by stem.
  std::map<std::string, std::string> Lines(const std::string& set) {
    std::map<std::string, std::string> lines;
    const auto found = RecognizeDataSet(folder_ / set);
    EXPECT_THAT(found.status(), IsOk());
    if (!found.ok()) return lines;
    const DataCandidate& candidate = found->candidates.front();
    const auto ledger = ScanDataPart(folder_ / set, candidate.format, candidate.parts.front(), 1,
                                     [&](const KittiFrame& frame) {
                                       std::string& text = lines[BaseName(frame.id)];
                                       for (const KittiObject& o : frame.labels.objects)
                                         absl::StrAppend(&text, FormatKittiLine(o), "\n");
                                     });
    EXPECT_THAT(ledger.status(), IsOk());
    return lines;
  }
  TemporaryFolder folder_;
};

TEST_F(WriteSetTest, ASetThatWentThroughCocoIsTheSame) {
  testing::WriteVocSet(folder_, "voc", BloodCells(20));
  ASSERT_THAT(Convert("voc", DataFormat::kCoco, "coco").status(), IsOk());
  const auto report = Convert("coco", DataFormat::kKitti, "kitti");
  ASSERT_THAT(report.status(), IsOk());
  EXPECT_EQ(report->pictures, 20);
  EXPECT_THAT(report->notes, IsEmpty());
  EXPECT_EQ(Lines("kitti"), Lines("voc"));
  EXPECT_THAT(ListFolder(folder_ / "kitti").value(),
              ElementsAre("images", "labels", "ledger.jsonl"));
  EXPECT_EQ(ReadFile(folder_ / "kitti/images/BloodImage_00003.png").value(),
            ReadFile(folder_ / "voc/JPEGImages/BloodImage_00003.png").value());
}

TEST_F(WriteSetTest, WritesAnnotationsOfCoco) {
  const std::vector<LabelledPicture> pictures = {
      {"a", 40, 30, {{"WBC", 1, 2, 11, 8}, {"RBC", 0, 0, 4, 4, true}}}, {"b", 50, 30, {}}};
  testing::WriteKittiSet(folder_, "k", pictures);
  folder_.Write("k/labels/b.txt", "RBC 0 0 0 0.1 0.25 7.5 3 0 0 0 0 0 0 0\n");
  ASSERT_THAT(Convert("k", DataFormat::kCoco, "c").status(), IsOk());
  EXPECT_EQ(ReadFile(folder_ / "c/annotations.json").value(),
            R"({"images": [
{"id": 1, "file_name": "a.png", "width": 40, "height": 30},
{"id": 2, "file_name": "b.png", "width": 50, "height": 30}
],
"annotations": [
{"id": 1, "image_id": 1, "category_id": 2, "bbox": [1, 2, 10, 6], "area": 60, "iscrowd": 0},
{"id": 2, "image_id": 1, "category_id": 1, "bbox": [0, 0, 4, 4], "area": 16, "iscrowd": 1},
{"id": 3, "image_id": 2, "category_id": 1, "bbox": [0.1, 0.25, 7.4, 2.75], "area": 20.35, "iscrowd": 0}
],
"categories": [
{"id": 1, "name": "RBC"},
{"id": 2, "name": "WBC"}
]}
)");
}

// The reader that everybody uses finds the same boxes in it.
TEST_F(WriteSetTest, PycocotoolsReadsIt) {
  testing::WriteVocSet(folder_, "voc", BloodCells(20));
  ASSERT_THAT(Convert("voc", DataFormat::kCoco, "coco").status(), IsOk());
  folder_.Write("read.py", R"(import sys
from pycocotools.coco import COCO
coco = COCO(sys.argv[1])
with open(sys.argv[2], "w") as out:
    for image in coco.loadImgs(coco.getImgIds()):
        for a in coco.loadAnns(coco.getAnnIds(imgIds=image["id"])):
            x, y, w, h = a["bbox"]
            name = coco.loadCats(a["category_id"])[0]["name"]
            print(image["file_name"], name, x, y, x + w, y + h, a["iscrowd"], file=out)
)");
  const std::string command =
      absl::StrCat(SourceDir(), "/.deps/venv/bin/python ", folder_ / "read.py", " ",
                   folder_ / "coco/annotations.json", " ", folder_ / "seen.txt", " > ",
                   folder_ / "log.txt", " 2>&1");
  ASSERT_EQ(std::system(command.c_str()), 0) << ReadFile(folder_ / "log.txt").value_or("");
  std::string expected;
  for (const LabelledPicture& picture : BloodCells(20)) {
    for (const auto& o : picture.objects) {
      absl::StrAppend(&expected, picture.stem, ".png ", o.type, " ", o.x1, " ", o.y1, " ", o.x2,
                      " ", o.y2, " ", o.difficult ? 1 : 0, "\n");
    }
  }
  EXPECT_EQ(ReadFile(folder_ / "seen.txt").value(), expected);
}

TEST_F(WriteSetTest, PicturesOfOneNameGetAnother) {
  testing::WritePicture(folder_, "c/img/x", BloodCells(1)[0]);
  testing::WritePicture(folder_, "c/img", BloodCells(1)[0]);
  const std::string stem = BloodCells(1)[0].stem;
  folder_.Write("c/a.json", absl::StrCat(R"({"images": [{"id": 1, "file_name": "x/)", stem,
                                         R"(.png"}, {"id": 2, "file_name": ")", stem,
                                         R"(.png"}, {"id": 3, "file_name": "x/)", stem,
                                         R"(.png"}], "categories": [{"id": 1, "name": "n"}],
      "annotations": [{"id": 1, "image_id": 3, "category_id": 1, "bbox": [1, 1, 3, 3]}]})"));
  const auto report = Convert("c", DataFormat::kKitti, "k");
  ASSERT_THAT(report.status(), IsOk());
  EXPECT_THAT(ListFolder(folder_ / "k/images").value(),
              ElementsAre(stem + ".png", "x_" + stem + ".png", "x_" + stem + "_2.png"));
  EXPECT_THAT(ReadFile(folder_ / ("k/labels/x_" + stem + "_2.txt")).value(), HasSubstr("n 0.00 0"));
  EXPECT_THAT(report->notes, ElementsAre(HasSubstr("2 pictures got another name (x/" + stem)));
}

// A folder of pictures is read by their endings.
TEST_F(WriteSetTest, PicturesWithoutAnEndingGetOne) {
  testing::WritePicture(folder_, "c", BloodCells(1)[0]);
  const std::string stem = BloodCells(1)[0].stem;
  folder_.Write("c/0001.raw", ReadFile(folder_ / absl::StrCat("c/", stem, ".png")).value());
  folder_.Write("c/a.json", R"({"images": [{"id": 1, "file_name": "0001.raw"}],
      "categories": [{"id": 1, "name": "n"}],
      "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 3, 3]}]})");
  const auto report = Convert("c", DataFormat::kKitti, "k");
  ASSERT_THAT(report.status(), IsOk());
  EXPECT_THAT(ListFolder(folder_ / "k/images").value(), ElementsAre("0001.raw.png"));
  EXPECT_THAT(ListFolder(folder_ / "k/labels").value(), ElementsAre("0001.raw.txt"));
  EXPECT_THAT(report->notes, ElementsAre(HasSubstr("0001.raw as 0001.raw.png")));
}

TEST_F(WriteSetTest, AnOutputMayEndInASlash) {
  testing::WriteKittiSet(folder_, "k", BloodCells(3));
  ASSERT_THAT(Convert("k", DataFormat::kCoco, "out/").status(), IsOk());
  EXPECT_THAT(ListFolder(folder_ / "out").value(),
              ElementsAre("annotations.json", "images", "ledger.jsonl"));
  EXPECT_THAT(Convert("k/", DataFormat::kCoco, "k/inner"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("lies in the set")));
}

TEST_F(WriteSetTest, LeavesNothingBehindWhenItFails) {
  testing::WriteKittiSet(folder_, "k", BloodCells(3));
  folder_.Write("k/labels/BloodImage_00001.txt", "bad line\n");
  EXPECT_THAT(Convert("k", DataFormat::kCoco, "out"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("label lines are refused")));
  EXPECT_THAT(ListFolder(folder_.path()).value(), ElementsAre("k"));
  EXPECT_THAT(Convert("k", DataFormat::kKitti, "k/inner"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("lies in the set")));
  folder_.Write("full/file", "");
  EXPECT_THAT(Convert("k", DataFormat::kKitti, "full"),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("not empty")));
  EXPECT_THAT(Convert("k", DataFormat::kVoc, "v"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("expected kitti or coco")));
}

}  // namespace
}  // namespace trainyard::data
