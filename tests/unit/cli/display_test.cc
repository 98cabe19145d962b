#include "cli/display.h"

#include <map>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace trainyard::cli {
namespace {

void Set(v1::OperationMetadata& metadata, int index, const char* name, double value) {
  while (metadata.metrics_size() <= index) metadata.add_metrics();
  metadata.mutable_metrics(index)->set_name(name);
  metadata.mutable_metrics(index)->set_value(value);
}

TEST(ChangedMetricsTest, WhatWasNotMeasuredAgainIsNotToldAgain) {
  v1::OperationMetadata metadata;
  std::map<std::string, double> shown;
  EXPECT_EQ(ChangedMetrics(metadata, shown), "");
  Set(metadata, 0, "loss", 2);
  Set(metadata, 1, "mAP", 0.25);
  EXPECT_EQ(ChangedMetrics(metadata, shown), "loss 2  mAP 0.25");
  // An epoch that is not judged: the operation still holds the last one's mAP.
  Set(metadata, 0, "loss", 1.5);
  EXPECT_EQ(ChangedMetrics(metadata, shown), "loss 1.5");
  EXPECT_EQ(ChangedMetrics(metadata, shown), "");
  metadata.mutable_metrics(1)->set_class_name("nut");
  Set(metadata, 1, "AP", 0.5);
  EXPECT_EQ(ChangedMetrics(metadata, shown), "AP[nut] 0.5");
}

void Add(v1::StageResult& result, const char* name, double value, const char* class_name = "",
         const char* unit = "", bool primary = false) {
  v1::Metric& metric = *result.add_metrics();
  metric.set_name(name);
  metric.set_class_name(class_name);
  metric.set_value(value);
  metric.set_unit(unit);
  metric.set_primary(primary);
}

std::string Printed(const v1::StageResult& result) {
  ::testing::internal::CaptureStdout();
  PrintResult({}, result);
  return ::testing::internal::GetCapturedStdout();
}

TEST(PrintResultTest, AnEvaluationHasTaosTable) {
  v1::StageResult result;
  Add(result, "mAP", 0.8, "", "", true);
  Add(result, "mAP50", 0.9);
  Add(result, "AP", 0.75, "nut");
  Add(result, "AP50", 0.95, "nut");
  Add(result, "ms_per_image", 3.5, "", "ms");
  EXPECT_EQ(Printed(result),
            "*******************************\n"
            "              mAP   0.800\n"
            "nut           AP    0.750\n"
            "*******************************\n"
            "mAP50                    0.9\n"
            "AP50[nut]                0.95\n"
            "ms_per_image             3.5 ms\n");
}

TEST(PrintResultTest, TheTableHoldsWhateverJudgesTheModel) {
  v1::StageResult result;
  Add(result, "WER", 12.5, "", "%", true);
  Add(result, "accuracy", 0.5, "noisy");
  Add(result, "images", 40);
  EXPECT_EQ(Printed(result),
            "*******************************\n"
            "              WER   12.500 %\n"
            "noisy         accuracy 0.500\n"
            "*******************************\n"
            "images                   40\n");
}

TEST(PrintResultTest, SizeAndSpeedAreNoAccuracy) {
  v1::StageResult result;
  Add(result, "pruning_ratio", 0.4, "", "", true);
  EXPECT_EQ(Printed(result), "pruning_ratio            0.4\n");
  result.Clear();
  Add(result, "ms_per_image", 2, "", "ms", true);
  EXPECT_EQ(Printed(result), "ms_per_image             2 ms\n");
}

TEST(OperationDisplayTest, WarnsInTheWordsOfTheCommandLine) {
  v1::OperationMetadata metadata;
  metadata.add_warnings()->set_message("input 'cal_images' has no effect");
  OperationDisplay display({.quiet = true}, "export",
                          {{"stage.inputs[cal_images]", "--cal_image_dir"}});
  ::testing::internal::CaptureStderr();
  display.Update(metadata);
  display.Update(metadata);
  EXPECT_EQ(::testing::internal::GetCapturedStderr(),
            "export: warning: --cal_image_dir has no effect\n");
}

}  // namespace
}  // namespace trainyard::cli
