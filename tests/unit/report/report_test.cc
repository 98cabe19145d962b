#include "libs/report/report.h"

#include <stdlib.h>

#include <cmath>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "libs/base/files.h"
#include "libs/data/image_io.h"
#include "libs/report/chart.h"
#include "libs/report/curves.h"
#include "libs/report/details.h"
#include "libs/report/shrink.h"
#include "libs/tensor/tensor.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::report {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;
using ::testing::SizeIs;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::StatusIs;

void AddMetric(v1::Run::Stage& stage, const char* name, double value, const char* class_name = "") {
  v1::Metric& metric = *stage.add_metrics();
  metric.set_name(name);
  metric.set_class_name(class_name);
  metric.set_value(value);
}

enum class Better { kHigher, kLower };

void AddPrimary(v1::Run::Stage& stage, const char* name, double value, Better better = Better::kHigher,
                const char* unit = "") {
  AddMetric(stage, name, value);
  v1::Metric& metric = *stage.mutable_metrics()->rbegin();
  metric.set_primary(true);
  metric.set_higher_is_better(better == Better::kHigher);
  metric.set_unit(unit);
}

v1::Artifact Artifact(const char* name, const std::string& uri, const char* kind,
                      int64_t size_bytes = 0) {
  v1::Artifact artifact;
  artifact.set_name(name);
  artifact.set_uri(uri);
  artifact.set_kind(kind);
  artifact.set_size_bytes(size_bytes);
  artifact.set_sha256(std::string(64, 'a'));
  return artifact;
}

v1::Run::Stage& AddStage(v1::Run& run, const char* name, const char* kind) {
  v1::Run::Stage& stage = *run.add_stages();
  stage.set_name(name);
  stage.set_kind(kind);
  stage.set_state(v1::Run::SUCCEEDED);
  return stage;
}

// Training, its evaluation, pruning and the evaluation of that.
struct SmallRun {
  v1::Run run;
  std::map<std::string, std::vector<v1::Artifact>> inputs;

  SmallRun() {
    run.set_name("runs/r1");
    run.set_pipeline("small <run>");
    run.set_state(v1::Run::SUCCEEDED);
    v1::Run::Stage& train = AddStage(run, "train", "train");
    *train.add_outputs() = Artifact("last", "out/last.tlt", "tlt", 900);
    *train.add_outputs() = Artifact("best", "out/best.tlt", "tlt", 1000);
    AddMetric(train, "parameters", 5'000'000);
    AddMetric(train, "macs", 2'000'000'000);
    v1::Run::Stage& evaluate = AddStage(run, "evaluate", "evaluate");
    AddPrimary(evaluate, "mAP", 0.8);
    AddMetric(evaluate, "AP", 0.9, "nut");
    AddMetric(evaluate, "AP", 0.7, "bolt");
    AddMetric(evaluate, "ms_per_image", 3.5);
    inputs["evaluate"] = {Artifact("model", "out/best.tlt", "tlt")};
    v1::Run::Stage& prune = AddStage(run, "prune", "prune");
    *prune.add_outputs() = Artifact("model", "out/pruned.tlt", "tlt", 400);
    AddPrimary(prune, "pruning_ratio", 0.4, Better::kLower);
    AddMetric(prune, "parameters", 2'000'000);
    inputs["prune"] = {Artifact("model", "out/best.tlt", "tlt")};
    v1::Run::Stage& again = AddStage(run, "evaluate-pruned", "evaluate");
    AddPrimary(again, "mAP", 0.75);
    inputs["evaluate-pruned"] = {Artifact("model", "out/pruned.tlt", "tlt")};
  }
};

TEST(MakeLedgerTest, JudgedModelsHaveTheNumbersOfTheirMakers) {
  const SmallRun small;
  const Ledger ledger = MakeLedger(small.run, small.inputs);
  ASSERT_THAT(ledger.rows, SizeIs(4));
  EXPECT_EQ(ledger.rows[0].artifact, "out/best.tlt");
  EXPECT_EQ(ledger.rows[0].bytes, 1000);
  EXPECT_EQ(ledger.rows[1].parameters, 5'000'000);
  EXPECT_EQ(ledger.rows[1].bytes, 1000);
  EXPECT_EQ(ledger.rows[1].ms_per_image, 3.5);
  EXPECT_EQ(ledger.rows[2].parameters, 2'000'000);
  EXPECT_EQ(ledger.rows[3].parameters, 2'000'000);
  EXPECT_EQ(ledger.rows[3].bytes, 400);
  ASSERT_THAT(ledger.Measures(), SizeIs(1));
  EXPECT_THAT(ledger.Measures()[0].classes, ElementsAre("nut", "bolt"));
  EXPECT_EQ(ledger.Measures()[0].reference, &ledger.rows[1]);
}

// A training, its evaluation and that of an engine, judged by a metric of which less is better.
v1::Run SpeechRun() {
  v1::Run run;
  AddPrimary(AddStage(run, "train", "train"), "WER", std::nan(""), Better::kLower, "%");
  AddPrimary(AddStage(run, "evaluate", "evaluate"), "WER", 30, Better::kLower, "%");
  v1::Run::Stage& build = AddStage(run, "build", "build");
  *build.add_outputs() = Artifact("engine", "out/a.engine", "engine", 100);
  AddPrimary(build, "ms_per_image", 2, Better::kLower, "ms");
  AddPrimary(AddStage(run, "retrained", "evaluate"), "WER", 25, Better::kLower, "%");
  AddPrimary(AddStage(run, "int8", "evaluate_engine"), "WER", 31, Better::kLower, "%");
  return run;
}

TEST(MakeLedgerTest, WhatJudgesAModelIsKnownByBeingPrimary) {
  const Ledger ledger = MakeLedger(SpeechRun());
  const std::vector<Measure> measures = ledger.Measures();
  ASSERT_THAT(measures, SizeIs(1));
  EXPECT_EQ(measures[0].metric.name(), "WER");
  EXPECT_FALSE(measures[0].metric.higher_is_better());
  // The first row that has a number.
  EXPECT_EQ(measures[0].reference, &ledger.rows[1]);
  EXPECT_THAT(measures[0].classes, IsEmpty());
  EXPECT_EQ(measures[0].Change(ledger.rows[3]), -5);
  EXPECT_EQ(measures[0].Change(ledger.rows[1]), std::nullopt);
  EXPECT_EQ(measures[0].Change(ledger.rows[2]), std::nullopt);
}

TEST(MakeLedgerTest, TheOrderOfThePipelineDoesNotMatter) {
  SmallRun small;
  small.run.mutable_stages()->SwapElements(0, 3);
  const Ledger ledger = MakeLedger(small.run, small.inputs);
  EXPECT_EQ(ledger.rows[0].stage, "evaluate-pruned");
  EXPECT_EQ(ledger.rows[0].parameters, 2'000'000);
}

TEST(LedgerJsonTest, ReadsBackWhatItWrote) {
  const SmallRun small;
  Ledger ledger = MakeLedger(small.run, small.inputs);
  ledger.rows[0].metrics[0].set_value(std::nan(""));
  const auto read = ParseLedger(LedgerJson(ledger));
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(LedgerJson(*read), LedgerJson(ledger));
  EXPECT_EQ(read->rows[1].Value("AP", "bolt"), 0.7);
  EXPECT_FALSE(read->rows[0].Value("parameters").has_value());
  EXPECT_EQ(LedgerTable(*read), LedgerTable(ledger));
}

// As Trainyard wrote it when ledgers did not yet say by which metric a model is judged.
TEST(ParseLedgerTest, ReadsLedgersThatNameNoPrimaryMetric) {
  const auto old = ParseLedger(R"({
  "run": "runs/r1",
  "pipeline": "p",
  "stages": [
    {"stage": "train", "kind": "train", "artifact": "out/best.tlt",
     "metrics": [{"name": "mAP", "class": "", "value": 0.8, "unit": ""}, {"name": "AP", "class": "nut", "value": 0.9, "unit": ""}],
     "parameters": 5000000, "macs": null, "bytes": 1000, "ms_per_image": null, "cached": true}
  ]
})");
  ASSERT_THAT(old, IsOk());
  EXPECT_EQ(LedgerTable(*old),
            "stage     mAP  change  AP nut  params  MACs    size  ms/image        \n"
            "train  0.8000       -  0.9000  5.00 M     -  1000 B         -  cached\n");
}

TEST(ParseLedgerTest, RefusesOtherTexts) {
  EXPECT_THAT(ParseLedger("{"), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no JSON")));
  EXPECT_THAT(ParseLedger("{}"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no list 'stages'")));
}

TEST(LedgerTableTest, ShowsEachRowWithItsChange) {
  const SmallRun small;
  const std::string table = LedgerTable(MakeLedger(small.run, small.inputs));
  EXPECT_EQ(table,
            "stage               mAP   change  AP nut  AP bolt  params    MACs    size  ms/image  \n"
            "train                 -        -       -        -  5.00 M  2.00 G  1000 B         -  \n"
            "evaluate         0.8000        -  0.9000   0.7000  5.00 M  2.00 G  1000 B     3.500  \n"
            "prune                 -        -       -        -  2.00 M  2.00 G   400 B         -  \n"
            "evaluate-pruned  0.7500  -0.0500       -        -  2.00 M  2.00 G   400 B         -  \n");
}

TEST(LedgerTableTest, TitlesAreOfTheMetricAndSayWhereLowerIsBetter) {
  EXPECT_THAT(LedgerTable(MakeLedger(SpeechRun())),
              AllOf(HasSubstr("stage      WER (%)  change (lower is better)  params"),
                    HasSubstr("evaluate   30.0000                         -"),
                    HasSubstr("build            -                         -"),
                    HasSubstr("retrained  25.0000                   -5.0000"),
                    HasSubstr("int8       31.0000                   +1.0000")));
}

TEST(LedgerTableTest, StagesOfTwoNetworksHaveTheirOwnColumns) {
  v1::Run run = SpeechRun();
  v1::Run::Stage& stage = AddStage(run, "classify", "evaluate");
  AddPrimary(stage, "top1", 0.9);
  AddMetric(stage, "recall", 0.7, "cat");
  EXPECT_THAT(LedgerTable(MakeLedger(run)),
              AllOf(HasSubstr("change (lower is better)    top1  change  recall cat  params"),
                    HasSubstr("-  0.9000       -      0.7000")));
}

TEST(LedgerTableTest, WhatNobodyMeasuredHasNoColumn) {
  v1::Run run;
  AddPrimary(AddStage(run, "prune", "prune"), "pruning_ratio", 0.4, Better::kLower);
  EXPECT_EQ(LedgerTable(MakeLedger(run)),
            "stage  params  MACs  size  ms/image  \n"
            "prune       -     -     -         -  \n");
}

TEST(ShortCountTest, KeepsThreeDigits) {
  EXPECT_EQ(ShortCount(96), "96");
  EXPECT_EQ(ShortCount(999), "999");
  EXPECT_EQ(ShortCount(999'600), "1.00 M");
  EXPECT_EQ(ShortCount(412'345), "412 k");
  EXPECT_EQ(ShortCount(5'713'072), "5.71 M");
  EXPECT_EQ(ShortBytes(22'860'000), "21.8 MiB");
}

TEST(TicksTest, AreRoundAndCoverTheRange) {
  EXPECT_THAT(Ticks(0, 1, 5), ElementsAre(0, 0.2, 0.4, ::testing::DoubleNear(0.6, 1e-12), 0.8, 1));
  EXPECT_THAT(Ticks(1, 37, 6), ElementsAre(0, 10, 20, 30, 40));
  EXPECT_THAT(Ticks(3, 3, 2), SizeIs(::testing::Ge(2u)));
}

TEST(DrawChartTest, BreaksLinesWhereNothingWasMeasured) {
  const std::string svg = DrawChart(
      {.title = "a<b", .series = {{"s", {{1, 1}, {2, 2}, {3, std::nan("")}, {4, 3}, {5, 4}}}}});
  const size_t path = svg.find("<path d=\"");
  ASSERT_NE(path, std::string::npos);
  const std::string d = svg.substr(path + 9, svg.find('"', path + 9) - path - 9);
  EXPECT_EQ(std::count(d.begin(), d.end(), 'M'), 2);
  EXPECT_THAT(svg, AllOf(HasSubstr("a&lt;b"), Not(HasSubstr("nan")), Not(HasSubstr("a<b"))));
}

TEST(DrawChartTest, NothingMeasuredIsNoChart) {
  EXPECT_EQ(DrawChart({.title = "t", .series = {{"s", {{1, std::nan("")}}}}}), "");
}

// The scales differ by 10: each line fills its own axis. Kills: points at the right placed by the
// left range (then the second would lie far above the chart).
TEST(DrawChartTest, ASecondAxisHasARangeOfItsOwn) {
  std::vector<Series> losses = {{"loss", {{1, 10}, {2, 20}}},
                                {"validation_loss", {{1, 1}, {2, 2}}}};
  PartAxes(losses);
  EXPECT_FALSE(losses[0].right_axis);
  ASSERT_TRUE(losses[1].right_axis);
  const std::string svg = DrawChart({.title = "t", .series = losses});
  EXPECT_THAT(svg,
              AllOf(HasSubstr("class=\"line right\""), HasSubstr("validation_loss (right axis)"),
                    HasSubstr("text-anchor=\"start\" class=\"tick\">1.8</text>"),
                    HasSubstr("text-anchor=\"end\" class=\"tick\">18</text>")));
  // Both go from the lower left to the upper right of the same frame.
  EXPECT_THAT(svg, AllOf(HasSubstr("<path d=\"M52.0 220.0L408.0 30.0\" style=\"stroke:var(--s0)"),
                         HasSubstr("<path d=\"M52.0 220.0L408.0 30.0\" style=\"stroke:var(--s1)")));
}

TEST(PartAxesTest, WhatIsOfOneSizeStaysComparable) {
  std::vector<Series> losses = {{"loss", {{1, 3}}},
                                {"validation_loss", {{1, 5}, {2, std::nan("")}}}};
  PartAxes(losses);
  EXPECT_FALSE(losses[1].right_axis);
  EXPECT_THAT(DrawChart({.title = "t", .series = losses}), Not(HasSubstr("right")));
}

TEST(DrawChartTest, PointsAtTheRightAloneAreDrawn) {
  EXPECT_THAT(DrawChart({.title = "t", .series = {{"s", {{1, 1}, {2, 2}}, true}}}),
              HasSubstr("L408.0 30.0"));
}

TEST(OpenTableTest, ScrollsByKeyboardAndHasAName) {
  EXPECT_EQ(OpenTable("a<b"),
            "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"a&lt;b\"><table>");
}

constexpr char kDetails[] = R"({"mAP": 0.8, "AP_n<t": 0.75,
  "intervals": {"level": 0.95, "resamples": 1000, "mAP": [0.7, 0.9], "AP_n<t": [null, null]},
  "sizes": {"small": {"mAP": 0.125, "AP_n<t": null}, "medium": {"mAP": 0.5}},
  "confusion": {"iou": 0.5, "score": 0.3, "labels": ["n<t", "background"], "counts": [[6, 2], [1, 0]]},
  "f1": {"all": {"f1": 0.625, "score": 0.4375, "curve": [0.5, 0.625, 0]}, "classes": {"n<t": {"f1": 0.6}}},
  "calibration": {"all": {"error": 0.0625, "bins": [{"detections": 0, "score": null, "precision": null},
    {"detections": 4, "score": 0.75, "precision": 0.5}]}},
  "worst": {"false_positives": [
      {"image": "images/ü", "class": "n<t", "score": 0.9, "best_iou": 0.25, "picture": "one.jpg"},
      {"image": "x", "class": "n<t", "score": 0.9, "best_iou": 0, "picture": "../two.jpg"},
      {"image": "y", "class": "n<t", "score": 0.9, "best_iou": 0, "picture": "three.jpg"}], "misses": []}})";

std::optional<std::string> JpegOf(const std::string& name) {
  return name == "three.jpg" ? "<svg>" : "\xFF\xD8\xFF picture";
}

TEST(EvaluationDetailsTest, ShowsEachMeasure) {
  const std::string html = EvaluationDetails("eva<l", kDetails, JpegOf);
  EXPECT_THAT(html, AllOf(HasSubstr("<h3>eva&lt;l</h3>"), HasSubstr("<th>n&lt;t</th>"),
                          HasSubstr("<td>0.800 <span class=\"interval\">0.700–0.900</span></td>"
                                    "<td>0.125</td><td>0.500</td><td>–</td>"
                                    "<td>0.625</td><td>0.438</td><td>0.062</td>"),
                          HasSubstr("<td>0.750</td><td>–</td>")));
  EXPECT_THAT(html, AllOf(HasSubstr("F1 over the least score"), HasSubstr("what scores mean"),
                          HasSubstr("style=\"--share:0.750\">6</td>"),
                          HasSubstr("95 % of resamples"), Not(HasSubstr("n<t"))));
}

// Kills: paths out of the folder, other kinds of file in the page.
TEST(EvaluationDetailsTest, HoldsPicturesOfItsOwnFolderAlone) {
  const std::string html = EvaluationDetails("evaluate", kDetails, JpegOf);
  EXPECT_THAT(html,
              AllOf(HasSubstr("<img alt=\"false: n&lt;t, score 0.90, best IoU 0.25, images/ü\" "
                              "src=\"data:image/jpeg;base64,/9j/IHBpY3R1cmU=\">"),
                    Not(HasSubstr("best IoU 0.00"))));
}

TEST(EvaluationDetailsTest, IsEmptyForOtherResults) {
  EXPECT_EQ(EvaluationDetails("e", R"({"mAP": 0.8, "pr_curves": {}})", JpegOf), "");
  EXPECT_EQ(EvaluationDetails("e", "{", JpegOf), "");
  EXPECT_THAT(
      EvaluationDetails("e", R"({"confusion": {"labels": ["a", 3, "background"], "counts": 7},
                                         "f1": [], "worst": {"misses": [1]}, "calibration": null})",
                        JpegOf),
      HasSubstr("<th>a</th>"));
}

TEST(ParseTrainingLogTest, ReadsColumnsOverTheEpoch) {
  const auto series = ParseTrainingLog("epoch,AP_nut,loss\n1,nan,4.5\n2,0.5,3\n");
  ASSERT_THAT(series, IsOk());
  ASSERT_THAT(*series, SizeIs(2));
  EXPECT_EQ((*series)[0].name, "AP_nut");
  EXPECT_TRUE(std::isnan((*series)[0].points[0].second));
  EXPECT_THAT((*series)[1].points, ElementsAre(Pair(1, 4.5), Pair(2, 3)));
}

TEST(ParseTrainingLogTest, ANameMayHaveACommaInQuotes) {
  const auto series = ParseTrainingLog("epoch,\"AP_nut, hex\",loss\n1,0.5,3\n");
  ASSERT_THAT(series, IsOk());
  ASSERT_THAT(*series, SizeIs(2));
  EXPECT_EQ((*series)[0].name, "AP_nut, hex");
}

TEST(ParseTrainingLogTest, NamesTheLineThatDoesNotFit) {
  EXPECT_THAT(ParseTrainingLog("epoch,loss\n1,2\n2\n"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("line 3 has 1 columns; the header has 2")));
}

TEST(ParsePrCurvesTest, ReadsCurvesByClass) {
  const auto series = ParsePrCurves(
      R"({"mAP": 0.5, "pr_curves": {"nut": {"recall": [0, 1], "precision": [1, null]}, "bolt": {}}})");
  ASSERT_THAT(series, IsOk());
  ASSERT_THAT(*series, SizeIs(2));
  EXPECT_EQ((*series)[0].name, "bolt");
  EXPECT_THAT((*series)[1].points, SizeIs(2));
  EXPECT_THAT(*ParsePrCurves("{}"), IsEmpty());
}

class ReportHtmlTest : public ::testing::Test {
 protected:
  ReportHtmlTest() : folder_(::testing::TempDir() + "/report_html_test") {
    setenv("TRAINYARD_WORKER_DIR", DirName(TRAINYARD_STAGE_WORKER).c_str(), 1);
    EXPECT_THAT(RemoveTree(folder_), IsOk());
    for (const char* name : {"/val/images", "/val/labels", "/found"}) {
      EXPECT_THAT(MakeFolders(folder_ + name), IsOk());
    }
    EXPECT_THAT(WriteFileAtomically(folder_ + "/log.csv", "epoch,loss\n1,2\n2,1\n"), IsOk());
    const Tensor image = Tensor::Zeros(DType::kUInt8, {60, 80, 3});
    EXPECT_THAT(WriteFileAtomically(folder_ + "/val/images/a.jpg", *data::EncodeJpeg(image)),
                IsOk());
    EXPECT_THAT(WriteFileAtomically(folder_ + "/val/labels/a.txt",
                                    "nut 0 0 0 10 10 30 30 0 0 0 0 0 0 0\n"),
                IsOk());
    EXPECT_THAT(WriteFileAtomically(folder_ + "/found/a.txt",
                                    "nut 0 0 0 11 11 31 31 0 0 0 0 0 0 0 0.87\n"),
                IsOk());
    *small_.run.mutable_stages(0)->add_outputs() = Artifact("log", "log.csv", "log");
    EXPECT_THAT(WriteFileAtomically(
                    folder_ + "/results.json",
                    R"({"pr_curves": {"nut": {"recall": [0, 1], "precision": [1, 0.5]}}})"),
                IsOk());
    *small_.run.mutable_stages(1)->add_outputs() = Artifact("results", "results.json", "log");
    v1::Run::Stage& infer = AddStage(small_.run, "infer", "infer_engine");
    *infer.add_outputs() = Artifact("labels", "found", "kitti");
    small_.inputs["infer"] = {Artifact("images", "val/images", "kitti")};
  }
  ReportInput Input() const {
    return {.run = small_.run,
            .inputs = small_.inputs,
            .resolve = [this](const std::string& uri) -> absl::StatusOr<std::string> {
              return folder_ + "/" + uri;
            }};
  }
  const std::string folder_;
  SmallRun small_;
};

TEST_F(ReportHtmlTest, HoldsAllThatTheRunLeftBehind) {
  const std::string html = ReportHtml(Input(), MakeLedger(small_.run, small_.inputs));
  EXPECT_THAT(html, AllOf(HasSubstr("small &lt;run&gt;"), HasSubstr("Accuracy ledger"),
                          HasSubstr("<td class=\"bad\">-0.0500</td>"), HasSubstr("train: loss"),
                          HasSubstr("evaluate: precision over recall"), HasSubstr("data:image/jpeg;base64,"), HasSubstr("nut 0.87"),
                          HasSubstr("class=\"truth\""), HasSubstr(std::string(64, 'a'))));
}

// A picture that ends its reader, or a reader that is not there, costs the pictures alone.
TEST_F(ReportHtmlTest, SaysWhyPicturesAreLeftOut) {
  const std::string program = folder_ + "/bin/trainyard-stage-worker";
  ASSERT_THAT(MakeFolders(DirName(program)), IsOk());
  ASSERT_THAT(WriteFileAtomically(program, "#!/bin/sh\nkill -SEGV $$\n"), IsOk());
  std::filesystem::permissions(program, std::filesystem::perms::owner_all);
  setenv("TRAINYARD_WORKER_DIR", DirName(program).c_str(), 1);
  const std::string html = ReportHtml(Input(), MakeLedger(small_.run, small_.inputs));
  EXPECT_THAT(html, AllOf(HasSubstr("The pictures are left out: "), HasSubstr("signal 11"),
                          HasSubstr("train: loss")));
}

TEST_F(ReportHtmlTest, ColoursOfAChangeFollowWhatIsBetter) {
  ReportInput input = Input();
  input.run = SpeechRun();
  const std::string html = ReportHtml(input, MakeLedger(input.run));
  EXPECT_THAT(html, AllOf(HasSubstr("<th>WER (%)</th><th>Change</th><th>Parameters</th>"),
                          HasSubstr("<td class=\"good\">-5.0000</td>"),
                          HasSubstr("<td class=\"bad\">+1.0000</td>"),
                          HasSubstr("Change: WER against stage “evaluate”; lower is better.")));
}

TEST_F(ReportHtmlTest, ARatioOfWhichMoreIsBetterIsJudgedInItself) {
  ReportInput input = Input();
  input.run.clear_stages();
  AddPrimary(AddStage(input.run, "evaluate", "evaluate"), "top1", 0.5);
  AddPrimary(AddStage(input.run, "pruned", "evaluate"), "top1", 0.485);
  AddPrimary(AddStage(input.run, "retrained", "evaluate"), "top1", 0.52);
  EXPECT_THAT(ReportHtml(input, MakeLedger(input.run)),
              AllOf(HasSubstr("<td class=\"fair\">-0.0150</td>"),
                    HasSubstr("<td class=\"good\">+0.0200</td>"),
                    HasSubstr("Change: top1 against stage “evaluate”.")));
}

TEST_F(ReportHtmlTest, WhatATrainingMeasuresIsDrawnWhateverItsName) {
  ASSERT_THAT(WriteFileAtomically(folder_ + "/log.csv", "epoch,WER,loss,lr\n1,90,2,0.1\n2,40,1,0.1\n"),
              IsOk());
  AddPrimary(*small_.run.mutable_stages(0), "WER", 40, Better::kLower, "%");
  const std::string html = ReportHtml(Input(), MakeLedger(small_.run, small_.inputs));
  EXPECT_THAT(html, AllOf(HasSubstr("train: WER (%) in validation"), HasSubstr("train: loss"),
                          HasSubstr("train: learning rate")));
}

// A chart of one series has no legend.
TEST_F(ReportHtmlTest, AClassWhoseNameHoldsLossIsNoLoss) {
  ASSERT_THAT(WriteFileAtomically(folder_ + "/log.csv", "epoch,AP_gloss,loss\n1,0.5,2\n"), IsOk());
  const std::string html = ReportHtml(Input(), MakeLedger(small_.run, small_.inputs));
  EXPECT_THAT(html, AllOf(HasSubstr("train: loss"), Not(HasSubstr("AP_gloss"))));
}

TEST_F(ReportHtmlTest, ExplainsEvaluations) {
  ASSERT_THAT(WriteFileAtomically(folder_ + "/results.json", kDetails), IsOk());
  ASSERT_THAT(WriteFileAtomically(folder_ + "/one.jpg", "\xFF\xD8\xFF picture"), IsOk());
  const std::string html = ReportHtml(Input(), MakeLedger(small_.run, small_.inputs));
  EXPECT_THAT(html, AllOf(HasSubstr("What is right and wrong"), HasSubstr("<h3>evaluate</h3>"),
                          HasSubstr("src=\"data:image/jpeg;base64,/9j/IHBpY3R1cmU=")));
}

TEST_F(ReportHtmlTest, NeedsNothingFromElsewhere) {
  const std::string html = ReportHtml(Input(), MakeLedger(small_.run, small_.inputs));
  EXPECT_THAT(html, AllOf(Not(HasSubstr("<script")), Not(HasSubstr("http")), Not(HasSubstr("src="))));
}

TEST_F(ReportHtmlTest, WhatIsMissingIsLeftOut) {
  ReportInput input = Input();
  input.resolve = [](const std::string&) -> absl::StatusOr<std::string> {
    return absl::NotFoundError("gone");
  };
  const std::string html = ReportHtml(input, MakeLedger(small_.run, small_.inputs));
  EXPECT_THAT(html, AllOf(HasSubstr("Accuracy ledger"), Not(HasSubstr("train: loss"))));
}

TEST_F(ReportHtmlTest, IsWrittenBesideTheLedger) {
  ASSERT_THAT(WriteReport(Input(), folder_ + "/new"), IsOk());
  EXPECT_THAT(LoadLedger(folder_ + "/new/ledger.json")->rows, SizeIs(4));
  EXPECT_THAT(*ReadFile(folder_ + "/new/report.html"), HasSubstr("</html>"));
  EXPECT_THAT(LoadLedger(folder_ + "/none.json"), StatusIs(absl::StatusCode::kNotFound));
}

TEST(ReportTest, ShowsTheNotesOfStages) {
  SmallRun small;
  small.run.mutable_stages(0)->add_notes("training data: left out: labels/<1>.txt:3: box has no width");
  const auto page = [&small] {
    return ReportHtml({.run = small.run, .inputs = small.inputs, .resolve = [](const std::string&) -> absl::StatusOr<std::string> {
                         return absl::NotFoundError("none");
                       }},
                      MakeLedger(small.run, small.inputs));
  };
  EXPECT_THAT(page(), AllOf(HasSubstr("<h2>Notes</h2>"), HasSubstr("labels/&lt;1&gt;.txt:3")));
  small.run.mutable_stages(0)->clear_notes();
  EXPECT_THAT(page(), Not(HasSubstr("<h2>Notes</h2>")));
}

TEST(ShrinkPicturesTest, KeepsSmallOnesHalvesLargeOnesAndPassesOverDamage) {
  const testing::TemporaryFolder folder;
  folder.Folder("in");
  folder.Folder("out");
  const auto write = [&](const std::string& name, int64_t width, int64_t height) {
    const Tensor image = Tensor::Zeros(DType::kUInt8, {height, width, 3});
    folder.Write("in/" + name, *data::EncodePng(image));
    return *data::EncodePng(image);
  };
  const std::string small = write("a b.png", 80, 60);
  folder.Write("in/damaged.jpg", "\xFF\xD8\xFF no picture");
  write("large.png", 1000, 300);
  folder.Write("in/no picture.txt", "text");
  ASSERT_THAT(ShrinkPictures(folder / "in", 3, 256, folder / "out"), IsOk());
  EXPECT_EQ(*ReadFile(folder / "out/index"),
            "80 60 image/png a b.png\n1000 300 image/jpeg large.png\n");
  EXPECT_EQ(*ReadFile(folder / "out/0"), small);
  EXPECT_EQ(*data::ReadImageSize(*ReadFile(folder / "out/1"), ""), (data::ImageSize{250, 75}));
  EXPECT_THAT(ShrinkPictures(folder / "none", 3, 256, folder / "out"),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST(ShrinkPicturesTest, TakesThemEvenlyOverTheFolder) {
  const testing::TemporaryFolder folder;
  folder.Folder("out");
  for (int i = 0; i < 6; ++i) {
    folder.Write(absl::StrCat("in/", i, ".png"),
                 *data::EncodePng(Tensor::Zeros(DType::kUInt8, {2, 2 + i, 3})));
  }
  ASSERT_THAT(ShrinkPictures(folder / "in", 3, 256, folder / "out"), IsOk());
  EXPECT_EQ(*ReadFile(folder / "out/index"),
            "2 2 image/png 0.png\n4 2 image/png 2.png\n6 2 image/png 4.png\n");
}

}  // namespace
}  // namespace trainyard::report
