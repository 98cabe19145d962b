#include "cli/rewrite_flags.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace trainyard::cli {
namespace {

using ::testing::ElementsAre;

TEST(RewriteFlagsTest, GivesShortFlagsOfSeveralLettersTheirLongForm) {
  EXPECT_THAT(RewriteFlags({"ssd", "prune", "-m", "a.tlt", "-pth", "0.7", "-eq", "union", "-pg", "8",
                            "-nf", "16", "-el", "conv1"}),
              ElementsAre("ssd", "prune", "-m", "a.tlt", "--pruning_threshold", "0.7",
                          "--equalization_criterion", "union", "--pruning_granularity", "8",
                          "--min_num_filters", "16", "--excluded_layers", "conv1"));
}

TEST(RewriteFlagsTest, KeepsTheValueAfterAnEqualsSign) {
  EXPECT_THAT(RewriteFlags({"ssd", "prune", "-pth=0.7"}),
              ElementsAre("ssd", "prune", "--pruning_threshold=0.7"));
}

TEST(RewriteFlagsTest, AnEqualsSignIsNoPartOfAShortFlagsValueAndNothingBehindOneIsAValueToo) {
  EXPECT_THAT(RewriteFlags({"ssd", "train", "-k=env:KEY", "--set=a=b", "--key=", "-q", "--", "-k=x"}),
              ElementsAre("ssd", "train", "-k", "env:KEY", "--set=a=b", "--key", "", "-q", "--",
                          "-k=x"));
}

TEST(RewriteFlagsTest, KnowsTheSpellingsOfBothTaoGenerations) {
  EXPECT_THAT(RewriteFlags({"model", "ssd", "dataset-convert", "-d", "s"}),
              ElementsAre("ssd", "dataset_convert", "-d", "s"));
  EXPECT_THAT(RewriteFlags({"ssd", "infer"}), ElementsAre("ssd", "inference"));
}

TEST(RewriteFlagsTest, LeavesValuesAndWhatFollowsADoubleDashAlone) {
  EXPECT_THAT(RewriteFlags({"run", "infer", "--", "-pth"}),
              ElementsAre("run", "infer", "--", "-pth"));
}

}  // namespace
}  // namespace trainyard::cli
