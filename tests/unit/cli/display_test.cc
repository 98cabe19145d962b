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
