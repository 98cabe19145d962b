#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "libs/base/csv.h"
#include "libs/data/class_truth.h"
#include "libs/data/image_io.h"
#include "libs/tasks/classification/classification_evaluation.h"
#include "libs/tasks/classification/classification_evaluator.h"
#include "libs/tasks/classification/classification_task.h"
#include "libs/tasks/classification/classifier_head.h"
#include "libs/tasks/metrics.h"
#include "tests/support/status_matchers.h"

namespace trainyard::tasks {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsOk;
using testing::IsOkAndHolds;
using ::testing::Not;
using testing::StatusIs;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

model::v1::ModelRecord RecordOf(const std::vector<std::string>& classes) {
  model::v1::ModelRecord record;
  for (const std::string& name : classes) record.add_classes(name);
  return record;
}

data::Batch BatchOf(const std::vector<int>& truths) {
  data::Batch batch;
  for (const int truth : truths) {
    data::PreparedSample& one = batch.samples.emplace_back();
    one.sample.id = absl::StrCat("picture ", batch.samples.size());
    one.sample.truth = data::ClassTruthOf(truth);
  }
  return batch;
}

Tensor Rows(int64_t classes, const std::vector<float>& values) {
  return Tensor::Of<float>({static_cast<int64_t>(values.size()) / classes, classes}, values);
}

// Twelve pictures of a, b and c; d has none, but is told once. Numbers that are expected of them
// were computed with NumPy: argmax, a stable argsort for the top k, and the formulas of the report.
const std::vector<int> kTruths = {0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2};
const std::vector<float> kTold = {.7f,  .1f,  .1f,  .1f,  .2f, .5f, .2f,  .1f,  .4f, .4f, .1f, .1f,
                                  .1f,  .2f,  .6f,  .1f,  .1f, .8f, .05f, .05f, .3f, .3f, .2f, .2f,
                                  .1f,  .6f,  .2f,  .1f,  .1f, .1f, .7f,  .1f,  .2f, .2f, .5f, .1f,
                                  .25f, .25f, .25f, .25f, .1f, .1f, .2f,  .6f,  .0f, .3f, .4f, .3f};

ClassificationEvaluation Judged(int top_k,
                                std::vector<std::string> classes = {"a", "b", "c", "d"}) {
  const auto head = MakeClassifierHead("scores", 4, /*output_is_probabilities=*/true);
  const auto record = RecordOf(classes);
  const auto evaluator = MakeClassificationEvaluator(*head, record, top_k);
  EXPECT_THAT(evaluator, IsOk());
  // In two batches, so that they are summed up.
  const std::vector<float> first(kTold.begin(), kTold.begin() + 20),
      second(kTold.begin() + 20, kTold.end());
  EXPECT_THAT((*evaluator)->Add(BatchOf({0, 0, 0, 0, 1}), {Rows(4, first)}), IsOk());
  EXPECT_THAT((*evaluator)->Add(BatchOf({1, 1, 2, 2, 2, 2, 2}), {Rows(4, second)}), IsOk());
  return dynamic_cast<const ClassificationEvaluation&>(**(*evaluator)->Finish());
}

TEST(ClassifierHeadTest, TakesTheSoftmaxOfLogits) {
  const auto head = MakeClassifierHead("logits", 3, /*output_is_probabilities=*/false);
  EXPECT_THAT(head->output_names(), ElementsAre("logits"));
  const auto found = head->Probabilities({Rows(3, {1, 2, 3, 1000, 1001, -1000})});
  ASSERT_THAT(found, IsOk());
  const auto values = found->data<float>();
  const float expected[] = {0.09003057f, 0.24472848f, 0.66524094f, 0.26894143f, 0.7310586f, 0};
  for (size_t i = 0; i < 6; ++i) EXPECT_NEAR(values[i], expected[i], 1e-7) << i;
}

TEST(ClassifierHeadTest, LeavesProbabilitiesAsTheyAre) {
  const auto head = MakeClassifierHead("softmax", 2, /*output_is_probabilities=*/true);
  const auto found = head->Probabilities({Rows(2, {0.25f, 0.75f})});
  ASSERT_THAT(found, IsOk());
  EXPECT_THAT(found->data<float>(), ElementsAre(0.25f, 0.75f));
}

TEST(ClassifierHeadTest, RefusesOutputsThatDoNotFit) {
  const auto head = MakeClassifierHead("logits", 3, false);
  EXPECT_THAT(head->Probabilities({}),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("0 outputs")));
  EXPECT_THAT(head->Probabilities({Rows(2, {1, 2})}),
              StatusIs(absl::StatusCode::kInternal,
                       AllOf(HasSubstr("'logits' is f32 [1, 2]"), HasSubstr("[images, 3]"))));
  EXPECT_THAT(head->Probabilities({Tensor::Zeros(DType::kInt32, {1, 3})}),
              StatusIs(absl::StatusCode::kInternal));
  EXPECT_THAT(head->Probabilities({Tensor::Zeros(DType::kFloat32, {3})}),
              StatusIs(absl::StatusCode::kInternal));
  EXPECT_THAT(CheckedProbabilities(*head, BatchOf({0, 0}), {Rows(3, {1, 2, 3})}, 3),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("[2, 3]")));
}

TEST(ClassifierHeadTest, WhatIsNoProbabilityIsAnErrorThatNamesThePicture) {
  const data::Batch batch = BatchOf({0, 1});
  for (const float bad : {kNan, kInfinity, -kInfinity}) {
    const auto logits = MakeClassifierHead("logits", 2, false);
    const auto all_bad = CheckedProbabilities(*logits, batch, {Rows(2, {1, 2, bad, bad})}, 2);
    EXPECT_THAT(all_bad, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("picture 2")))
        << bad;
  }
  const auto told = MakeClassifierHead("softmax", 2, true);
  for (const float bad : {kNan, 1.5f, -0.5f}) {
    EXPECT_THAT(CheckedProbabilities(*told, batch, {Rows(2, {1, 0, 0, bad})}, 2),
                StatusIs(absl::StatusCode::kFailedPrecondition,
                         AllOf(HasSubstr("picture 2"), HasSubstr("for class 1"))));
  }
  EXPECT_THAT(CheckedProbabilities(*told, batch, {Rows(2, {1.0001f, 0, -0.0001f, 1})}, 2), IsOk());
}

TEST(ClassifierHeadTest, KnowsAnotherTasksHead) {
  class Other : public Head {
    std::vector<std::string> output_names() const override { return {}; }
  };
  EXPECT_THAT(ClassifierHeadOf(Other()), StatusIs(absl::StatusCode::kInternal));
  const auto head = MakeClassifierHead("logits", 2, false);
  EXPECT_THAT(ClassifierHeadOf(*head), IsOkAndHolds(head.get()));
}

TEST(ClassificationEvaluatorTest, CountsAsNumPyDoes) {
  const ClassificationEvaluation found = Judged(2);
  EXPECT_EQ(found.images, 12);
  EXPECT_THAT(found.confusion, ElementsAre(2, 1, 1, 0, 1, 2, 0, 0, 1, 0, 3, 1, 0, 0, 0, 0));
  EXPECT_DOUBLE_EQ(found.Accuracy(), 7 / 12.0);
  EXPECT_DOUBLE_EQ(found.TopKAccuracy(), 10 / 12.0);
  EXPECT_DOUBLE_EQ(Judged(1).TopKAccuracy(), 7 / 12.0);
  EXPECT_DOUBLE_EQ(Judged(3).TopKAccuracy(), 1);
  EXPECT_DOUBLE_EQ(Judged(99).TopKAccuracy(), 1);
  EXPECT_DOUBLE_EQ(found.Precision(2), 0.75);
  EXPECT_DOUBLE_EQ(found.Recall(2), 0.6);
  EXPECT_DOUBLE_EQ(found.F1(2), 2 / 3.0);
  EXPECT_TRUE(std::isnan(found.Precision(3)) && std::isnan(found.Recall(3)) &&
              std::isnan(found.F1(3)));
  using Self = ClassificationEvaluation;
  EXPECT_NEAR(found.MacroAverage(&Self::Precision), 0.6388888888888888, 1e-15);
  EXPECT_NEAR(found.MacroAverage(&Self::Recall), 0.5888888888888889, 1e-15);
  EXPECT_NEAR(found.MacroAverage(&Self::F1), 0.611111111111111, 1e-15);
  EXPECT_NEAR(found.WeightedAverage(&Self::Precision), 0.6458333333333334, 1e-15);
  EXPECT_NEAR(found.WeightedAverage(&Self::F1), 0.611111111111111, 1e-15);
}

TEST(ClassificationEvaluatorTest, AClassThatIsNeverToldHasPrecisionZero) {
  const auto head = MakeClassifierHead("scores", 2, true);
  const auto record = RecordOf({"a", "b"});
  const auto evaluator = MakeClassificationEvaluator(*head, record, 1).value();
  ASSERT_THAT(evaluator->Add(BatchOf({0, 1}), {Rows(2, {1, 0, 1, 0})}), IsOk());
  const auto result = evaluator->Finish().value();
  const auto& found = dynamic_cast<const ClassificationEvaluation&>(*result);
  EXPECT_EQ(found.Precision(1), 0);
  EXPECT_EQ(found.F1(1), 0);
  EXPECT_DOUBLE_EQ(found.MacroAverage(&ClassificationEvaluation::F1), 1 / 3.0);
}

TEST(ClassificationEvaluatorTest, RefusesWhatItCannotJudge) {
  const auto head = MakeClassifierHead("scores", 2, true);
  const auto record = RecordOf({"a", "b"});
  EXPECT_THAT(MakeClassificationEvaluator(*head, RecordOf({}), 0),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("classes is empty"), HasSubstr("top_k is 0"))));
  const auto evaluator = MakeClassificationEvaluator(*head, record, 1).value();
  EXPECT_THAT(evaluator->Add(BatchOf({2}), {Rows(2, {1, 0})}),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("picture 1")));
  data::Batch without = BatchOf({0});
  without.samples[0].sample.truth = nullptr;
  EXPECT_THAT(evaluator->Add(without, {Rows(2, {1, 0})}), StatusIs(absl::StatusCode::kInternal));
  EXPECT_THAT(evaluator->Add(BatchOf({0}), {Rows(2, {kNan, 0})}),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST(ClassificationEvaluationTest, AccuracyIsPrimaryAndClassesWithoutPicturesAreLeftOut) {
  std::vector<std::string> columns;
  for (const trainyard::v1::Metric& metric : Judged(3).Metrics()) {
    columns.push_back(ColumnOf(metric));
    EXPECT_TRUE(metric.higher_is_better());
    EXPECT_EQ(metric.primary(), metric.name() == "accuracy");
    EXPECT_FALSE(std::isnan(metric.value()));
  }
  EXPECT_THAT(columns, ElementsAre("accuracy", "top_3_accuracy", "precision_a", "recall_a", "F1_a",
                                   "precision_b", "recall_b", "F1_b", "precision_c", "recall_c",
                                   "F1_c", "macro_F1"));
  EXPECT_EQ(ColumnOf(Judged(1).Metrics()[1]), "precision_a");
}

// The columns of scikit-learn's classification_report with digits=3.
TEST(ClassificationEvaluationTest, TheTableIsScikitLearnsReport) {
  EXPECT_EQ(Judged(2).Table(3),
            "confusion matrix (rows: true class, columns: predicted class, in the same order)\n"
            "           a  2 1 1 0\n"
            "           b  1 2 0 0\n"
            "           c  1 0 3 1\n"
            "           d  0 0 0 0\n"
            "\n"
            "              precision    recall  f1-score   support\n"
            "\n"
            "           a      0.500     0.500     0.500         4\n"
            "           b      0.667     0.667     0.667         3\n"
            "           c      0.750     0.600     0.667         5\n"
            "           d          -         -         -         0\n"
            "\n"
            "    accuracy                          0.583        12\n"
            "       top 2                          0.833        12\n"
            "   macro avg      0.639     0.589     0.611        12\n"
            "weighted avg      0.646     0.583     0.611        12\n");
}

TEST(ClassificationEvaluationTest, AMatrixOfManyClassesIsNotInTheTable) {
  ClassificationEvaluation found;
  for (int i = 0; i < 21; ++i) found.classes.push_back(absl::StrCat("class ", i));
  found.counts.resize(21);
  found.confusion.resize(21 * 21);
  EXPECT_THAT(found.Table(3), Not(HasSubstr("confusion matrix")));
  EXPECT_THAT(found.Table(3), HasSubstr("class 20"));
}

// Read by another JSON parser, not by ours.
TEST(ClassificationEvaluationTest, JsonHoldsTheNumbers) {
  google::protobuf::Struct json;
  const std::string text = JsonObject(Judged(2, {"a", "b", "c \"3\"", "d"}).Json());
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(text, &json).ok()) << text;
  const auto& fields = json.fields();
  EXPECT_DOUBLE_EQ(fields.at("accuracy").number_value(), 7 / 12.0);
  EXPECT_DOUBLE_EQ(fields.at("top_k_accuracy").number_value(), 10 / 12.0);
  EXPECT_EQ(fields.at("top_k").number_value(), 2);
  EXPECT_EQ(fields.at("classes").list_value().values(2).string_value(), "c \"3\"");
  const auto& row = fields.at("confusion_matrix").list_value().values(2).list_value();
  EXPECT_EQ(row.values(2).number_value(), 3);
  EXPECT_EQ(row.values(3).number_value(), 1);
  const auto& c = fields.at("per_class").struct_value().fields().at("c \"3\"").struct_value();
  EXPECT_EQ(c.fields().at("precision").number_value(), 0.75);
  EXPECT_EQ(c.fields().at("recall").number_value(), 0.6);
  EXPECT_EQ(c.fields().at("support").number_value(), 5);
  const auto& d = fields.at("per_class").struct_value().fields().at("d").struct_value();
  EXPECT_TRUE(d.fields().at("recall").has_null_value());
}

TEST(ClassificationEvaluationTest, TheMatrixIsAFileWhateverTheNames) {
  const auto files = Judged(2, {"nut, hex", "3\" pipe", "two\nlines", "d"}).Files();
  ASSERT_THAT(files, IsOk());
  ASSERT_EQ(files->size(), 2);
  EXPECT_EQ((*files)[0].first, "confusion_matrix.csv");
  EXPECT_EQ((*files)[0].second,
            "true class,\"nut, hex\",\"3\"\" pipe\",\"two\nlines\",d\n"
            "\"nut, hex\",2,1,1,0\n"
            "\"3\"\" pipe\",1,2,0,0\n"
            "\"two\nlines\",1,0,3,1\n"
            "d,0,0,0,0\n");
  EXPECT_EQ((*files)[1].first, "confusion_matrix.png");
  const auto picture = data::DecodeImage((*files)[1].second, "confusion_matrix.png");
  ASSERT_THAT(picture, IsOk());
  EXPECT_THAT(picture->data<uint8_t>(), Not(Each(255)));
}

// Cells are 60 pixels wide behind a head of 200. The lower left corner of a cell is free of its
// number.
TEST(ClassificationEvaluationTest, APictureOfTheMatrixIsDarkerWhereMoreOfAClassIs) {
  const Tensor picture = DrawConfusion(Judged(1));
  const auto green = [&](int64_t row, int64_t column) {
    const int64_t x = 200 + column * 60 + 5, y = 200 + row * 60 + 55;
    return int{picture.data<uint8_t>()[static_cast<size_t>((y * picture.dim(1) + x) * 3 + 1)]};
  };
  EXPECT_EQ(green(1, 2), 255);
  EXPECT_LT(green(0, 0), green(0, 1));
  EXPECT_LT(green(2, 2), green(2, 3));
  EXPECT_GT(green(0, 2), green(1, 1));
}

TEST(ClassificationEvaluationTest, DrawsNoClassesAndMoreThanHaveRoom) {
  EXPECT_GT(DrawConfusion(ClassificationEvaluation()).size(), 0);
  ClassificationEvaluation many;
  many.classes.assign(1500, "a class");
  many.counts.resize(1500);
  many.confusion.resize(size_t{1500} * 1500);
  EXPECT_LT(DrawConfusion(many).dim(0), 1700);
  ClassificationEvaluation without;
  without.classes.assign(kMostMatrixClasses + 1, "a class");
  without.counts.resize(kMostMatrixClasses + 1);
  EXPECT_THAT(without.Files(), IsOkAndHolds(IsEmpty()));
}

TEST(ClassificationTaskTest, NamesWhatTaosFilesHold) {
  const Task& task = ClassificationTask();
  EXPECT_EQ(task.name(), "classification");
  EXPECT_TRUE(task.reads_folders_below());
  EXPECT_THAT(task.Names({"a", "b"}).columns, ElementsAre("accuracy"));
  const std::vector<std::string> classes = {"cat", "a \"dog\""};
  EXPECT_EQ(ClassMapJson(classes), "{\"cat\": 0, \"a \\\"dog\\\"\": 1}");
}

TEST(ClassificationTaskTest, DrawsTheClassOfATruthAndNoOtherTasks) {
  Tensor picture = Tensor::Zeros(DType::kUInt8, {40, 80, 3});
  ASSERT_THAT(ClassificationTask().DrawTruth(data::Truth(), picture), IsOk());
  EXPECT_THAT(picture.data<uint8_t>(), Each(0));
  ASSERT_THAT(ClassificationTask().DrawTruth(data::ClassTruth(0), picture), IsOk());
  EXPECT_EQ(picture.data<uint8_t>()[0], 255);
}

}  // namespace
}  // namespace trainyard::tasks
