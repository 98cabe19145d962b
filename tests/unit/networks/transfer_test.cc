#include "libs/networks/transfer.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "onnx/onnx_pb.h"
#include "tests/support/small_ssd.h"
#include "tests/support/status_matchers.h"

namespace trainyard {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::SmallSsd;
using ::trainyard::testing::StatusIs;

/// Convolutions and normalizations of an SSD on ResNet-10.
constexpr int kLayers = 33 + 17;

bool SameWeights(const Model& a, const Model& b, const std::string& name) {
  return a.graph.Initializer(name)->data<float>() == b.graph.Initializer(name)->data<float>();
}

/// Lets a layer keep its first `count` filters, as pruning would.
void Narrow(Model& model, const std::string& layer, int64_t count) {
  const Tensor kernel = *model.graph.Initializer(layer + "/kernel");
  ASSERT_THAT(model.graph.SetInitializer(layer + "/kernel", *kernel.Rows(0, count)), IsOk());
}

TEST(TransferWeightsTest, TakesEveryLayerOfTheSameNetwork) {
  Model from = SmallSsd({"car", "person"}, 1), to = SmallSsd({"car", "person"}, 2);
  from.record.add_lineage()->set_stage("train");
  absl::StatusOr<TransferReport> report = TransferWeights(from, to);
  ASSERT_THAT(report, IsOk());
  EXPECT_THAT(report->loaded, SizeIs(kLayers));
  EXPECT_THAT(report->mismatched, IsEmpty());
  EXPECT_THAT(report->missing, IsEmpty());
  EXPECT_FALSE(report->took_graph);
  EXPECT_TRUE(SameWeights(from, to, "ssd_conf_3/kernel"));
  EXPECT_EQ(to.record.lineage_size(), 1);
  EXPECT_EQ(report->Summary(), "50 layers loaded, 0 of another shape, 0 not in the file");
}

TEST(TransferWeightsTest, OtherClassesLeaveTheClassHeadsFresh) {
  Model from = SmallSsd({"car", "person"}, 1), to = SmallSsd({"a", "b", "c"}, 2);
  absl::StatusOr<TransferReport> report = TransferWeights(from, to);
  ASSERT_THAT(report, IsOk());
  EXPECT_THAT(report->mismatched,
              AllOf(SizeIs(6), Contains("ssd_conf_0: f32 [8, 128, 3, 3], the file "
                                        "has f32 [6, 128, 3, 3]")));
  EXPECT_TRUE(SameWeights(from, to, "ssd_loc_0/kernel"));
  EXPECT_EQ(to.graph.Initializer("ssd_conf_0/kernel")->dim(0), 8);
  EXPECT_THAT(to.record.classes(), ElementsAre("a", "b", "c"));
}

TEST(TransferWeightsTest, LayersThatTheFileLacksAreNamed) {
  const Model from{*BuildSsdGraph({.depth = 10, .width = 128, .height = 128}, 1),
                   SmallSsd().record};
  Model to{*BuildSsdGraph({.depth = 18, .width = 128, .height = 128}, 2), SmallSsd().record};
  absl::StatusOr<TransferReport> report = TransferWeights(from, to);
  ASSERT_THAT(report, IsOk());
  EXPECT_THAT(report->missing, Contains("block_1b_conv_1"));
  EXPECT_THAT(report->loaded, Contains("block_1a_conv_1"));
  EXPECT_FALSE(report->took_graph);
}

TEST(TransferWeightsTest, APrunedModelBringsItsOwnGraphAndAnchors) {
  Model from = SmallSsd({"car", "person"}, 1), to = SmallSsd({"lorry", "rider"}, 2);
  from.record.mutable_training()->set_pruned(true);
  from.record.mutable_training()->add_frozen("conv1/kernel");
  from.record.mutable_ssd()->mutable_maps(0)->set_scale(0.07);
  from.record.mutable_ssd()->set_top_k(5);
  Narrow(from, "conv1", 16);
  absl::StatusOr<TransferReport> report = TransferWeights(from, to);
  ASSERT_THAT(report, IsOk());
  EXPECT_TRUE(report->took_graph);
  EXPECT_EQ(report->Summary(), "pruned model: its own graph with 50 layers");
  EXPECT_EQ(to.graph.Initializer("conv1/kernel")->dim(0), 16);
  EXPECT_EQ(to.record.ssd().maps(0).scale(), 0.07);
  EXPECT_EQ(to.record.ssd().top_k(), 200) << "inference settings are the spec's";
  EXPECT_THAT(to.record.classes(), ElementsAre("lorry", "rider"));
  EXPECT_THAT(to.record.training().frozen(), ElementsAre("conv1/kernel"));
  EXPECT_THAT(report->warnings,
              UnorderedElementsAre(
                  HasSubstr("its classes are car, person; the spec's are lorry, rider"),
                  HasSubstr("ssd_config.scales is [0.1, 0.25, 0.4, 0.55, 0.7, 0.85, 1], the model "
                            "has [0.07, "),
                  HasSubstr("ssd_config.freeze_blocks")));
}

TEST(TransferWeightsTest, NamesOfClassesThatDifferAreTold) {
  Model from = SmallSsd({"car", "person"}, 1), to = SmallSsd({"car", "person"}, 2);
  EXPECT_THAT(TransferWeights(from, to)->warnings, IsEmpty());
  to = SmallSsd({"car", "dog"}, 2);
  EXPECT_THAT(TransferWeights(from, to)->warnings,
              ElementsAre(AllOf(HasSubstr("car, person"), HasSubstr("car, dog"),
                                HasSubstr("goes on as the spec's first class"))));
  to = SmallSsd({"car"}, 2);
  EXPECT_THAT(TransferWeights(from, to)->warnings, ElementsAre(HasSubstr("fresh weights")));
}

TEST(TransferWeightsTest, ANarrowerExpansionIsRecognisedAsPrunedToo) {
  Model from = SmallSsd(), to = SmallSsd({"car", "person"}, 2);
  Narrow(from, "ssd_expand_block_2_conv_0", 16);
  absl::StatusOr<TransferReport> report = TransferWeights(from, to);
  ASSERT_THAT(report, IsOk());
  EXPECT_TRUE(report->took_graph);
  EXPECT_TRUE(to.record.training().pruned());
}

TEST(TransferWeightsTest, APrunedModelMustAgreeWithTheSpec) {
  Model from = SmallSsd({"car", "person"}, 1, 160);
  from.record.mutable_training()->set_pruned(true);
  from.record.mutable_ssd()->mutable_maps(2)->add_aspect_ratios(3);
  Model to = SmallSsd({"car"}, 2);
  to.record.set_arch("resnet18");
  const std::string before = to.graph.Serialize();
  EXPECT_THAT(TransferWeights(from, to),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("classes are 1 in the spec and 2 in the pruned model"),
                             HasSubstr("ssd_config.arch with nlayers is resnet18 in the spec and "
                                       "resnet10 in the pruned model"),
                             HasSubstr("is 128x128x3 in the spec and 160x160x3"),
                             HasSubstr("prediction map 2 are 2 in the spec and 3"))));
  EXPECT_EQ(to.graph.Serialize(), before);
}

TEST(TransferWeightsTest, NetworksMustBeTheSame) {
  Model from = SmallSsd(), to = SmallSsd();
  from.record.set_network("yolo_v4");
  EXPECT_THAT(TransferWeights(from, to),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("network 'yolo_v4'")));
}

}  // namespace
}  // namespace trainyard
