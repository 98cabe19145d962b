#include "libs/tasks/detection/judged_file.h"

#include "absl/strings/str_cat.h"
#include "libs/base/files.h"
#include "libs/base/records.h"
#include "libs/tasks/detection/average_precision.h"
#include "libs/tasks/detection/bootstrap.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/tasks/random_scenes.h"
#include "trainyard/tasks/v1/judged.pb.h"

namespace trainyard::tasks {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::RandomScenes;
using testing::StatusIs;
using testing::TemporaryFolder;

AveragePrecision Judge(const EvaluationPlan& plan) {
  AveragePrecision ap({"a", "b"}, plan);
  for (const testing::Scene& scene : RandomScenes(9, 15)) ap.Add(scene.objects, scene.detections);
  return ap;
}

std::vector<std::string> Names(size_t count) {
  std::vector<std::string> names;
  for (size_t i = 0; i < count; ++i) names.push_back(absl::StrCat("images/\xFF", i));
  return names;
}

// Kills: detections cut before the last one that finds something, at any threshold; lost images.
TEST(JudgedFileTest, WhatIsReadHasTheSameAveragePrecisionInEveryResample) {
  const TemporaryFolder folder;
  for (const Matching matching : {Matching::kTao, Matching::kVoc, Matching::kCoco}) {
    const AveragePrecision ap =
        Judge({.ap_mode = ApMode::kIntegrate, .matching = matching, .iou_threshold = 0.6});
    folder.Write(kJudgedFile, *EncodeJudged(ap.judged(), Names(15)));
    const auto read = ReadJudged(folder.path());
    ASSERT_THAT(read, IsOk());
    EXPECT_EQ(read->images, Names(15));
    EXPECT_EQ(read->set.matching, matching);
    EXPECT_EQ(read->set.ap_mode, ApMode::kIntegrate);
    EXPECT_EQ(read->set.thresholds, ap.judged().thresholds);
    EXPECT_EQ(read->set.classes[1].name, "b");
    EXPECT_EQ(ComputeAp(read->set).mean_ap, ap.Compute().mean_ap);
    EXPECT_EQ(ResampleAp(read->set, {.resamples = 20}).mean,
              ResampleAp(ap.judged(), {.resamples = 20}).mean);
  }
}

TEST(JudgedFileTest, LeavesOutWhatChangesNothing) {
  AveragePrecision ap({"a"}, {});
  const data::Box box{0, 0, 10, 10}, elsewhere{50, 0, 60, 10};
  std::vector<data::Detection> found = {{.box = elsewhere, .class_id = 1, .score = 0.9f},
                                        {.box = box, .class_id = 1, .score = 0.8f}};
  for (int i = 0; i < 1000; ++i) found.push_back({.box = elsewhere, .class_id = 1, .score = 0.1f});
  ap.Add({{.box = box, .class_id = 1}}, found);
  const TemporaryFolder folder;
  folder.Write(kJudgedFile, *EncodeJudged(ap.judged(), {"x"}));
  EXPECT_EQ(ReadJudged(folder / "results.json")->set.classes[0].detections.size(), 2u);
  EXPECT_LT(*FileSize(folder / kJudgedFile), 150);
}

TEST(JudgedFileTest, IsNotWrittenWhenThereIsTooMuch) {
  JudgedSet set{.thresholds = {0.5}, .classes = {{.name = "a"}}, .images = 1};
  set.classes[0].detections.resize(kMostJudged, {.score = 0.5f, .found = 1});
  EXPECT_TRUE(EncodeJudged(set, {"x"}).has_value());
  set.classes[0].detections.push_back({.score = 0.5f, .found = 1});
  EXPECT_FALSE(EncodeJudged(set, {"x"}).has_value());
}

TEST(ReadJudgedTest, SaysWhatToDoWhenThereIsNone) {
  const TemporaryFolder folder;
  EXPECT_THAT(ReadJudged(folder.path()),
              StatusIs(absl::StatusCode::kNotFound,
                       AllOf(HasSubstr(folder.path()), HasSubstr("evaluate the detector again"))));
}

// A file of a header, changed by `change`, and one image.
std::string FileWith(
    const std::function<void(tasks::v1::JudgedHeader&, tasks::v1::JudgedImage&)>& change) {
  tasks::v1::JudgedHeader header;
  header.set_version(1);
  header.add_classes("a");
  header.set_matching("tao");
  header.set_average_precision_mode("SAMPLE");
  header.add_iou_thresholds(0.5);
  header.set_images(1);
  tasks::v1::JudgedImage image;
  image.add_objects(1);
  image.add_class_index(0);
  image.add_score(0.5);
  image.add_found(1);
  image.add_dropped(0);
  change(header, image);
  return FrameRecord(header.SerializeAsString()) + FrameRecord(image.SerializeAsString());
}

absl::Status ReadWith(
    const std::function<void(tasks::v1::JudgedHeader&, tasks::v1::JudgedImage&)>& change) {
  const TemporaryFolder folder;
  folder.Write(kJudgedFile, FileWith(change));
  return ReadJudged(folder.path()).status();
}

TEST(ReadJudgedTest, RefusesWhatNobodyWroteInWords) {
  EXPECT_THAT(ReadWith([](auto&, auto&) {}), IsOk());
  const auto lost = [](const char* words) {
    return StatusIs(absl::StatusCode::kDataLoss, HasSubstr(words));
  };
  EXPECT_THAT(ReadWith([](auto& h, auto&) { h.set_version(2); }),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("of version 2")));
  EXPECT_THAT(ReadWith([](auto& h, auto&) { h.set_matching("other"); }), lost("first record"));
  EXPECT_THAT(ReadWith([](auto& h, auto&) { h.clear_iou_thresholds(); }), lost("first record"));
  EXPECT_THAT(ReadWith([](auto& h, auto&) { h.set_matching("coco"); }), lost("first record"));
  EXPECT_THAT(ReadWith([](auto& h, auto&) { h.set_images(int64_t{1} << 40); }),
              lost("first record"));
  EXPECT_THAT(ReadWith([](auto& h, auto&) { h.set_images(2); }),
              lost("ends before its last image"));
  EXPECT_THAT(ReadWith([](auto&, auto& i) { i.set_class_index(0, 1); }), lost("unknown class"));
  EXPECT_THAT(ReadWith([](auto&, auto& i) { i.add_found(1); }), lost("image 0: has lists"));
  EXPECT_THAT(ReadWith([](auto&, auto& i) { i.add_objects(1); }), lost("lists"));
  EXPECT_THAT(ReadWith([](auto&, auto& i) { i.set_score(0, std::nanf("")); }), lost("score"));
  const TemporaryFolder folder;
  std::string damaged = FileWith([](auto&, auto&) {});
  damaged[damaged.size() - 6] ^= 1;
  folder.Write(kJudgedFile, damaged);
  EXPECT_THAT(ReadJudged(folder.path()), lost("CRC"));
}

}  // namespace
}  // namespace trainyard::tasks
