#include "libs/tasks/detection/compare.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "libs/base/files.h"
#include "libs/base/json.h"
#include "libs/tasks/detection/average_precision.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/tasks/random_scenes.h"

namespace trainyard::tasks {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::RandomScenes;
using testing::Scene;
using testing::StatusIs;
using testing::TemporaryFolder;

NamedSet Judge(const std::vector<Scene>& scenes, const EvaluationPlan& plan = {},
               const std::vector<std::string>& classes = {"a", "b"}) {
  AveragePrecision ap(classes, plan);
  NamedSet named;
  for (const Scene& scene : scenes) {
    ap.Add(scene.objects, scene.detections);
    named.images.push_back(absl::StrCat("images/", named.images.size()));
  }
  named.set = ap.judged();
  return named;
}

// Every fifth image is empty handed in `b`.
std::vector<Scene> Worse(std::vector<Scene> scenes) {
  for (size_t i = 0; i < scenes.size(); i += 5) scenes[i].detections.clear();
  return scenes;
}

TEST(CompareJudgedTest, AnEvaluationDoesNotDifferFromItself) {
  const NamedSet a = Judge(RandomScenes(1, 40));
  const auto comparison = CompareJudged(a, a, {.resamples = 100});
  ASSERT_THAT(comparison, IsOk());
  ASSERT_EQ(comparison->numbers.size(), 3u);
  for (const ComparedNumber& one : comparison->numbers) {
    EXPECT_EQ(one.difference(), 0);
    EXPECT_EQ(one.difference_interval->low, 0);
    EXPECT_EQ(one.difference_interval->high, 0);
    EXPECT_FALSE(one.differs());
    EXPECT_LT(one.a_interval->low, one.a_interval->high);
  }
}

// 1 object an image. A finds those of even images, B the same but one of 20 of them, and no false
// positives: the difference of the areas is the part of images drawn that only A finds, binomial
// with p = .025, its standard deviation sqrt(.025 .975 / 400) = .0078. Kills: draws that are not
// paired (the deviation would be sqrt(2) .025 = .035, and the interval would hold 0), and A - B.
TEST(CompareJudgedTest, PairedDrawsSeeASmallDifferenceOfHardAndEasyImages) {
  std::vector<Scene> of_a(400), of_b;
  for (size_t i = 0; i < of_a.size(); ++i) {
    const data::Box box{0, 0, 10, 10};
    of_a[i].objects.push_back({.box = box, .class_id = 1});
    if (i % 2 == 0) of_a[i].detections.push_back({.box = box, .class_id = 1, .score = 0.5f});
  }
  of_b = of_a;
  for (size_t i = 0; i < of_b.size(); i += 40) of_b[i].detections.clear();
  const EvaluationPlan plan{.ap_mode = ApMode::kIntegrate};
  const auto comparison = CompareJudged(Judge(of_a, plan, {"a"}), Judge(of_b, plan, {"a"}));
  ASSERT_THAT(comparison, IsOk());
  const ComparedNumber& mean = comparison->numbers[0];
  EXPECT_NEAR(mean.difference(), -0.025, 1e-9);
  EXPECT_NEAR(mean.difference_interval->low, -0.025 - 1.96 * 0.0078, 0.003);
  EXPECT_NEAR(mean.difference_interval->high, -0.025 + 1.96 * 0.0078, 0.003);
  EXPECT_TRUE(mean.differs());
}

// Kills: images paired by their places.
TEST(CompareJudgedTest, ImagesArePairedByName) {
  const std::vector<Scene> scenes = RandomScenes(1, 40);
  const NamedSet a = Judge(scenes), b = Judge(Worse(scenes));
  std::vector<Scene> turned = Worse(scenes);
  std::reverse(turned.begin(), turned.end());
  NamedSet reversed = Judge(turned);
  std::reverse(reversed.images.begin(), reversed.images.end());
  const auto expected = CompareJudged(a, b, {.resamples = 50});
  const auto comparison = CompareJudged(a, reversed, {.resamples = 50});
  ASSERT_THAT(comparison, IsOk());
  EXPECT_EQ(ComparisonJson(*comparison), ComparisonJson(*expected));
  EXPECT_LT(expected->numbers[0].difference(), 0);
}

TEST(CompareJudgedTest, RefusesWhatCannotBeComparedWithAllProblems) {
  const std::vector<Scene> scenes = RandomScenes(1, 10);
  NamedSet other = Judge(
      scenes, {.ap_mode = ApMode::kIntegrate, .matching = Matching::kVoc, .iou_threshold = 0.75},
      {"a", "c"});
  other.images[3] = "images/new\x1B";
  EXPECT_THAT(
      CompareJudged(Judge(scenes), other),
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr("matching is tao in the first and voc in the second"),
                     HasSubstr("average_precision_mode is SAMPLE in the first and INTEGRATE"),
                     HasSubstr("matching_iou_threshold is 0.5 in the first and 0.75"),
                     HasSubstr("classes is a, b in the first and a, c in the second"),
                     HasSubstr("has 1 that only the first evaluation saw, 'images/3'"),
                     HasSubstr("has 1 that only the second evaluation saw, 'images/new\\x1b'"))));
}

// Kills: lists that are compared as they are shown, and then walked side by side.
TEST(CompareJudgedTest, ANameWithACommaIsNotTwoClasses) {
  const std::vector<Scene> scenes = RandomScenes(1, 10);
  EXPECT_THAT(
      CompareJudged(Judge(scenes, {}, {"a", "b"}), Judge(scenes, {}, {"a, b"})),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("classes is a, b in the first and \"a, b\" in the second")));
}

TEST(CompareJudgedTest, RefusesOtherLabels) {
  const std::vector<Scene> scenes = RandomScenes(1, 10);
  std::vector<Scene> relabelled = scenes;
  relabelled[4].objects.push_back({.box = {0, 0, 1, 1}, .class_id = 2});
  EXPECT_THAT(CompareJudged(Judge(scenes), Judge(relabelled)),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("objects differ in 1 of 10 images, of class 'b' in 'images/4'")));
}

std::string ResultsOf(const NamedSet& named, double more = 0) {
  return absl::StrCat(R"({"mAP": )", JsonNumber(ComputeAp(named.set).mean_ap + more),
                      R"(, "ms_per_image": 2.5, "f1": {"all": {"f1": 0.5}}})");
}

class CompareResultsTest : public ::testing::Test {
 protected:
  CompareResultsTest() {
    Write("a", Judge(scenes_));
    Write("b", Judge(Worse(scenes_)));
  }
  void Write(const std::string& name, const NamedSet& named, double more = 0) {
    folder_.Write(name + "/results.json", ResultsOf(named, more));
    folder_.Write(name + "/" + kJudgedFile, *EncodeJudged(named.set, named.images));
  }
  const std::vector<Scene> scenes_ = RandomScenes(1, 40);
  TemporaryFolder folder_;
};

TEST_F(CompareResultsTest, ReadsFoldersAndFiles) {
  const auto comparison = CompareResults(folder_ / "a", folder_ / "b/results.json");
  ASSERT_THAT(comparison, IsOk());
  google::protobuf::Struct json;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(ComparisonJson(*comparison), &json).ok());
  EXPECT_EQ(json.fields().at("images").number_value(), 40);
  const auto& numbers = json.fields().at("numbers").list_value();
  ASSERT_EQ(numbers.values_size(), 5);
  const auto& speed = numbers.values(4).struct_value().fields();
  EXPECT_EQ(speed.at("name").string_value(), "ms_per_image");
  EXPECT_EQ(speed.at("a").number_value(), 2.5);
  EXPECT_FALSE(speed.contains("difference_interval"));
  EXPECT_FALSE(speed.contains("differs"));
  EXPECT_TRUE(numbers.values(0).struct_value().fields().contains("differs"));
  const std::string table = ComparisonTable(*comparison);
  EXPECT_THAT(table,
              AllOf(HasSubstr("mAP  "), HasSubstr("AP_b  "), HasSubstr("2.5000"),
                    HasSubstr("+0.0000\n"), HasSubstr("tao matching, SAMPLE, IoU 0.5, 40 images")));
}

TEST_F(CompareResultsTest, RefusesFilesOfTwoEvaluations) {
  Write("b", Judge(Worse(scenes_)), /*more=*/0.01);
  EXPECT_THAT(CompareResults(folder_ / "a", folder_ / "b"),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr(folder_ / "b"), HasSubstr("of two evaluations"))));
}

TEST_F(CompareResultsTest, NamesWhatIsNotThere) {
  EXPECT_THAT(CompareResults(folder_ / "a", folder_ / "none"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("none")));
  ASSERT_THAT(RemoveTree(folder_ / "a/judged.tfrecord"), IsOk());
  EXPECT_THAT(CompareResults(folder_ / "a", folder_ / "b"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("evaluate the detector again")));
  folder_.Write("b/results.json", "{");
  EXPECT_THAT(CompareResults(folder_ / "b", folder_ / "b"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is no JSON")));
}

}  // namespace
}  // namespace trainyard::tasks
