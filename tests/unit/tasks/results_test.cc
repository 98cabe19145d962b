#include "libs/tasks/results.h"

#include <cmath>
#include <limits>

#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "libs/base/files.h"
#include "libs/data/image_io.h"
#include "libs/tasks/detection/detection_evaluation.h"
#include "libs/tasks/status_json.h"
#include "tests/support/sealing_folder.h"
#include "tests/support/status_matchers.h"

namespace trainyard::tasks {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::IsOkAndHolds;
using ::testing::Not;
using testing::TestFolder;

DetectionEvaluation SmallEvaluation() {
  DetectionEvaluation found;
  ClassResult nut{.name = "nut",
                  .ap = 0.8125,
                  .ap50 = 0.8125,
                  .objects = 4,
                  .detections = 5,
                  .true_positives = 3,
                  .false_positives = 2};
  nut.curve = {
      .recall = {0.25, 0.5}, .precision = {1, 0.5}, .envelope = {1, 0.5}, .score = {0.9, 0.25}};
  ClassResult bolt{.name = "bo\"lt", .ap = std::numeric_limits<double>::quiet_NaN()};
  found.ap = {.classes = {nut, bolt}, .mean_ap = 0.8125, .mean_ap50 = 0.8125};
  found.matching = Matching::kVoc;
  found.beside = ApResult{.classes = {nut}, .mean_ap = 0.875};
  found.beside_matching = Matching::kTao;
  return found;
}

EvaluationResult ResultOf(DetectionEvaluation found) {
  return {.evaluation = std::make_shared<const DetectionEvaluation>(std::move(found)),
          .run = {.images = 7,
                  .latency = {.ms_per_image = 1.5, .batch_size = 8, .runs = 3},
                  .total_ms_per_image = 4}};
}

EvaluationResult SmallResult(bool pr_curve = false) {
  DetectionEvaluation found = SmallEvaluation();
  found.pr_curve = pr_curve;
  return ResultOf(std::move(found));
}

TEST(ResultsTableTest, LooksAsTaosDoes) {
  EXPECT_EQ(SmallEvaluation().Table(3),
            "*******************************\n"
            "nut           AP    0.812\n"
            "bo\"lt         AP    -\n"
            "              mAP   0.812\n"
            "*******************************\n");
  EXPECT_THAT(SmallEvaluation().Table(5), HasSubstr("nut           AP    0.81250\n"));
}

// Read by another JSON parser, not by ours.
TEST(ResultsJsonTest, IsJsonThatHoldsTheNumbers) {
  google::protobuf::Struct json;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(ResultsJson(SmallResult()), &json).ok());
  const auto& fields = json.fields();
  EXPECT_EQ(fields.at("AP_nut").number_value(), 0.8125);
  EXPECT_EQ(fields.at("mAP").number_value(), 0.8125);
  EXPECT_TRUE(fields.at("AP_bo\"lt").has_null_value());
  EXPECT_EQ(fields.at("matching").string_value(), "voc");
  EXPECT_EQ(fields.at("images").number_value(), 7);
  EXPECT_EQ(fields.at("ms_per_image").number_value(), 1.5);
  EXPECT_EQ(fields.at("latency_batch_size").number_value(), 8);
  EXPECT_EQ(fields.at("matching_tao").struct_value().fields().at("mAP").number_value(), 0.875);
  const auto& curve = fields.at("pr_curves").struct_value().fields().at("nut").struct_value();
  EXPECT_EQ(curve.fields().at("recall").list_value().values(1).number_value(), 0.5);
}

TEST(ResultsJsonTest, ThinsLongCurvesAndKeepsTheirEnds) {
  DetectionEvaluation found = SmallEvaluation();
  for (int i = 0; i < 1000; ++i) found.ap.classes[0].curve.recall.push_back(i / 1000.0);
  found.ap.classes[0].curve.recall.back() = 0.875;
  google::protobuf::Struct json;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(ResultsJson(ResultOf(found)), &json).ok());
  const auto& recall = json.fields()
                           .at("pr_curves")
                           .struct_value()
                           .fields()
                           .at("nut")
                           .struct_value()
                           .fields()
                           .at("recall")
                           .list_value();
  EXPECT_EQ(recall.values_size(), 200);
  EXPECT_EQ(recall.values(0).number_value(), 0.25);
  EXPECT_EQ(recall.values(199).number_value(), 0.875);
}

TEST(StatusLineTest, HasTaosKeysAndNoPadding) {
  StatusEntry entry{.status = "RUNNING", .message = "half way"};
  entry.fields.emplace_back("epoch", "3");
  entry.kpi.emplace_back("mAP", "0.5");
  const absl::Time now = absl::FromUnixSeconds(1767605463);  // 2026-01-05 09:31:03 UTC
  EXPECT_EQ(StatusLine(entry, now),
            "{\"date\": \"1/5/2026\", \"time\": \"9:31:3\", \"status\": \"RUNNING\", "
            "\"verbosity\": \"INFO\", \"message\": \"half way\", \"epoch\": 3, "
            "\"kpi\": {\"mAP\": 0.5}}\n");
}

TEST(WriteResultsTest, WritesTheFilesThatTaoWrites) {
  const TestFolder folder;
  const std::string results = folder / "deep/results";
  ASSERT_THAT(WriteResults(results, SmallResult(/*pr_curve=*/true), absl::FromUnixSeconds(0)), IsOk());
  ASSERT_THAT(WriteResults(results, SmallResult(), absl::FromUnixSeconds(0)), IsOk());
  EXPECT_THAT(ReadFile(JoinPath(results, "results.json")),
              IsOkAndHolds(ResultsJson(SmallResult())));
  const std::string status = ReadFile(JoinPath(results, "status.json")).value();
  EXPECT_EQ(std::count(status.begin(), status.end(), '\n'), 2);
  EXPECT_THAT(status, HasSubstr("\"kpi\": {\"mAP\": 0.8125}"));
  const auto png =
      data::DecodeImage(ReadFile(JoinPath(results, "PR_curve.png")).value(), "PR_curve.png");
  ASSERT_THAT(png, IsOk());
  EXPECT_THAT(png->data<uint8_t>(), Not(Each(255)));
}

}  // namespace
}  // namespace trainyard::tasks
