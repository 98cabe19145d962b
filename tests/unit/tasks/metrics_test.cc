#include "libs/tasks/metrics.h"

#include <cmath>

#include "gtest/gtest.h"

namespace trainyard::tasks {
namespace {

trainyard::v1::Metric Measured(const char* name, double value, bool higher_is_better) {
  trainyard::v1::Metric metric;
  metric.set_name(name);
  metric.set_value(value);
  metric.set_higher_is_better(higher_is_better);
  return metric;
}

TEST(MetricsTest, TheDirectionSaysWhatIsBetter) {
  EXPECT_TRUE(IsBetter(Measured("mAP", 0.6, true), Measured("mAP", 0.5, true)));
  EXPECT_FALSE(IsBetter(Measured("mAP", 0.5, true), Measured("mAP", 0.6, true)));
  EXPECT_FALSE(IsBetter(Measured("WER", 0.6, false), Measured("WER", 0.5, false)));
  EXPECT_TRUE(IsBetter(Measured("WER", 0.5, false), Measured("WER", 0.6, false)));
  EXPECT_FALSE(IsBetter(Measured("WER", 0.5, false), Measured("WER", 0.5, false)));
}

TEST(MetricsTest, WhatIsNoNumberIsNeverBest) {
  for (const bool higher : {true, false}) {
    const trainyard::v1::Metric nan = Measured("m", std::nan(""), higher),
                                one = Measured("m", 1, higher);
    EXPECT_TRUE(IsBetter(one, nan));
    EXPECT_FALSE(IsBetter(nan, one));
    EXPECT_FALSE(IsBetter(nan, nan));
  }
}

TEST(MetricsTest, AColumnNamesTheClass) {
  trainyard::v1::Metric metric = Measured("AP", 1, true);
  EXPECT_EQ(ColumnOf(metric), "AP");
  metric.set_class_name("car");
  EXPECT_EQ(ColumnOf(metric), "AP_car");
}

}  // namespace
}  // namespace trainyard::tasks
