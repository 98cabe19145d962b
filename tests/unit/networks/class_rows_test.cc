#include "libs/networks/class_rows.h"

#include <cmath>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/networks/registry.h"
#include "libs/networks/transfer.h"
#include "tests/support/classification_data.h"
#include "tests/support/graph_interpreter.h"
#include "tests/support/ssd_spec_text.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::networks {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::trainyard::testing::GraphInterpreter;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::SmallClassificationSpec;
using ::trainyard::testing::SmallSsdSpec;
using ::trainyard::testing::TemporaryFolder;
using ::trainyard::testing::WriteClassFolder;

Model Classifier(const TemporaryFolder& folder, const std::string& name,
                 const std::vector<std::string>& classes, int seed) {
  const std::string root = folder / name;
  for (const std::string& one : classes) WriteClassFolder(root + "/train", one, 1, 9, 9, 9);
  const std::string spec = SmallClassificationSpec(root) + "\ntrain_config { random_seed: " +
                           std::to_string(seed) + " }\n";
  auto model = (*CreateNetwork("classification", spec, "spec"))->Build();
  EXPECT_THAT(model, IsOk());
  return *std::move(model);
}

TEST(ClassRowsTest, AModelThatGetsClassesPutsOutForTheOldOnesWhatItDid) {
  const TemporaryFolder folder;
  const Model old_model = Classifier(folder, "old", {"bolt", "nut"}, 1);
  // "gear" comes between the old ones, so that rows move.
  Model grown = Classifier(folder, "new", {"bolt", "gear", "nut"}, 2);
  const auto report = TransferWeights(old_model, grown);
  ASSERT_THAT(report, IsOk());
  EXPECT_THAT(report->grown, ElementsAre("predictions: the rows of 2 of 3 classes came over (bolt, nut), "
                                         "those of the others are fresh"));
  EXPECT_THAT(report->mismatched, IsEmpty());
  EXPECT_EQ(report->Share(), 1);
  Tensor input = Tensor::Zeros(DType::kFloat32, {2, 3, 24, 24});
  for (int64_t i = 0; i < input.size(); ++i) {
    input.data<float>()[i] = static_cast<float>(std::sin(0.1 * static_cast<double>(i)));
  }
  const Tensor before = GraphInterpreter(old_model.graph).Run("input_1", input, "predictions");
  const Tensor after = GraphInterpreter(grown.graph).Run("input_1", input, "predictions");
  for (int64_t row = 0; row < 2; ++row) {
    EXPECT_NEAR(after.data<float>()[row * 3], before.data<float>()[row * 2], 1e-6);
    EXPECT_NEAR(after.data<float>()[row * 3 + 2], before.data<float>()[row * 2 + 1], 1e-6);
    EXPECT_NE(after.data<float>()[row * 3 + 1], 0);
  }
}

TEST(ClassRowsTest, NothingInCommonLeavesTheHeadFresh) {
  const TemporaryFolder folder;
  const Model old_model = Classifier(folder, "old", {"cat", "dog"}, 1);
  Model other = Classifier(folder, "new", {"bolt", "gear", "nut"}, 2);
  const auto report = TransferWeights(old_model, other);
  ASSERT_THAT(report, IsOk());
  EXPECT_THAT(report->grown, IsEmpty());
  EXPECT_THAT(report->mismatched, Contains(HasSubstr("predictions: f32 [3, 512]")));
}

// Boxes of a cell are groups; background is a row of each, before the classes.
TEST(ClassRowsTest, ADetectorsHeadsGrowBoxByBox) {
  const auto build = [](const std::string& spec) {
    auto model = (*CreateNetwork("ssd", spec, "spec"))->Build();
    EXPECT_THAT(model, IsOk());
    return *std::move(model);
  };
  const Model old_model = build(SmallSsdSpec() + "\nrandom_seed: 5\n");
  Model grown = build(SmallSsdSpec() +
                      "\ndataset_config { target_class_mapping { key: \"bus\" value: \"bus\" } }\n");
  ASSERT_THAT(ClassesOf(grown.record), ElementsAre("bus", "car", "person"));
  const auto report = TransferWeights(old_model, grown);
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->grown.size(), 6u);
  const Tensor before = *old_model.graph.Initializer("ssd_conf_0/kernel");
  const Tensor after = *grown.graph.Initializer("ssd_conf_0/kernel");
  const int64_t boxes = before.dim(0) / 3, size = before.size() / before.dim(0);
  ASSERT_EQ(after.dim(0), boxes * 4);
  const auto same = [&](int64_t old_row, int64_t new_row) {
    const auto a = before.data<float>().subspan(old_row * size, size);
    const auto b = after.data<float>().subspan(new_row * size, size);
    return std::equal(a.begin(), a.end(), b.begin());
  };
  for (int64_t box = 0; box < boxes; ++box) {
    EXPECT_TRUE(same(box * 3, box * 4)) << "background";
    EXPECT_TRUE(same(box * 3 + 1, box * 4 + 2)) << "car";
    EXPECT_TRUE(same(box * 3 + 2, box * 4 + 3)) << "person";
    EXPECT_FALSE(same(box * 3 + 1, box * 4 + 1)) << "bus is fresh";
  }
}

}  // namespace
}  // namespace trainyard::networks
