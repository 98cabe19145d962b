// SSD on every backbone: counts, names and maps of TAO's, whatever the input's size; what specs
// freeze; that the rest of this room can do with the graphs what it must.

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/digest.h"
#include "libs/networks/ssd/anchors.h"
#include "libs/networks/ssd/lower_head.h"
#include "libs/networks/ssd/ssd_builder.h"
#include "libs/networks/ssd/ssd_network.h"
#include "onnx/onnx_pb.h"
#include "tests/support/onnxruntime_oracle.h"
#include "tests/support/small_ssd.h"
#include "tests/support/ssd_spec_text.h"
#include "tests/support/status_matchers.h"

namespace trainyard::networks {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAreArray;
using ::trainyard::testing::AllSsds;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::OracleJob;
using ::trainyard::testing::RunOnnxruntime;
using ::trainyard::testing::SmallSsds;
using ::trainyard::testing::SmallSsdSpec;
using ::trainyard::testing::SsdModel;

std::string NameOf(const SsdArchitecture& ssd) {
  return absl::StrCat(ssd.arch, ssd.depth == 0 ? "" : absl::StrCat(ssd.depth));
}

SsdGraph Build(const SsdArchitecture& architecture) {
  absl::StatusOr<SsdGraph> built = BuildSsd(architecture, 42);
  EXPECT_THAT(built, IsOk());
  return *std::move(built);
}

/// Numbers of the layers whose names begin as a head's, as the expansion's, and of the others.
struct Counts {
  int64_t backbone = 0, expansion = 0, heads = 0;
};

Counts CountsOf(const graph::Graph& graph) {
  Counts counts;
  for (const std::string& name : graph.InitializerNames()) {
    const Tensor tensor = *graph.Initializer(name);
    if (tensor.dtype() != DType::kFloat32 || absl::StartsWith(name, "relu6/")) continue;
    const bool head = absl::StartsWith(name, "ssd_conf_") || absl::StartsWith(name, "ssd_loc_");
    const bool expansion = absl::StartsWith(name, "ssd_expand_block_");
    (head ? counts.heads : expansion ? counts.expansion : counts.backbone) += tensor.size();
  }
  return counts;
}

/// What TAO's SSD has on a backbone, for three classes and 4, 6, 6, 6, 4, 4 boxes a cell.
struct Expected {
  std::string arch;
  int depth;
  int64_t backbone, expansion, heads;
  /// The layer of the backbone that the first map is, and of two the second.
  std::vector<std::string> taps;
  std::array<int64_t, 6> channels;
};

/// Of EfficientNet-B1 and the Lites, which TAO has not: the counts of docs/backbones.md, the
/// expansion of B0, and heads of 8 n (9 c + 1) numbers for n boxes a cell on c channels.
const std::vector<Expected>& AllExpected() {
  const std::vector<std::string> efficient = {"block4a_expand_activation",
                                              "block6a_expand_activation"};
  constexpr std::array<int64_t, 6> kSmall512 = {512, 512, 128, 128, 128, 128},
                                   kMiddle = {128, 256, 256, 128, 128, 128},
                                   kLarge = {512, 512, 512, 256, 256, 256},
                                   kEfficient = {240, 672, 512, 512, 256, 256};
  static const auto& all = *new std::vector<Expected>{
      {"resnet", 10, 4915904, 354560, 442608, {"block_2a_relu"}, {128, 512, 128, 128, 128, 128}},
      {"resnet", 18, 11542464, 1306688, 387312, {"block_2b_relu"}, kMiddle},
      {"resnet", 34, 22226624, 1306688, 387312, {"block_2d_relu"}, kMiddle},
      {"resnet", 50, 38155200, 5742720, 848112, {"block_2d_relu"}, kLarge},
      {"resnet", 101, 75094976, 5742720, 848112, {"block_2d_relu"}, kLarge},
      {"vgg", 16, 14727360, 4956288, 848112, {"block_4c_relu"}, kLarge},
      {"vgg", 19, 20040896, 4956288, 848112, {"block_4d_relu"}, kLarge},
      {"darknet", 19, 19831776, 1355264, 590064, {"b3_conv3_lrelu", "b4_conv5_lrelu"},
       {256, 512, 256, 256, 128, 128}},
      {"darknet", 53, 40620640, 4889600, 884976, {"b3_add8", "b4_add8"},
       {256, 512, 512, 512, 256, 256}},
      {"mobilenet_v1", 0, 1627840, 354560, 479472, {"conv_pw_relu_5"},
       {256, 512, 128, 128, 128, 128}},
      {"mobilenet_v2", 0, 592000, 327936, 281328, {"re_lu_7"}, {192, 96, 128, 128, 128, 128}},
      {"squeezenet", 0, 735424, 354560, 553200, {"fire8"}, kSmall512},
      {"googlenet", 0, 5995392, 5218432, 838896, {"inception_3b_output"},
       {480, 512, 512, 256, 256, 256}},
      {"efficientnet_b0", 0, 4049564, 5020672, 949488, efficient, kEfficient},
      {"efficientnet_b1", 0, 6575232, 5020672, 949488, efficient, kEfficient},
      {"efficientnet_lite0", 0, 3413024, 5020672, 949488, efficient, kEfficient},
      {"efficientnet_lite1", 0, 4189344, 5020672, 949488, efficient, kEfficient},
      {"efficientnet_lite2", 0, 4869168, 5020672, 984048, efficient,
       {288, 720, 512, 512, 256, 256}},
  };
  return all;
}

TEST(SsdBackbonesTest, ParametersLayersAndMapsAreTaos) {
  for (const Expected& expected : AllExpected()) {
    const SsdArchitecture ssd{.arch = expected.arch, .depth = expected.depth, .classes = 3};
    SCOPED_TRACE(NameOf(ssd));
    const graph::Graph graph = Build(ssd).graph;
    const Counts counts = CountsOf(graph);
    EXPECT_EQ(counts.backbone, expected.backbone);
    EXPECT_EQ(counts.expansion, expected.expansion);
    EXPECT_EQ(counts.heads, expected.heads);
    for (size_t i = 0; i < expected.channels.size(); ++i) {
      for (const char* kind : {"ssd_conf_", "ssd_loc_"}) {
        const onnx::NodeProto* head = graph.FindNode(absl::StrCat(kind, i));
        ASSERT_NE(head, nullptr);
        EXPECT_EQ(graph.Initializer(head->input(1))->dim(1), expected.channels[i]) << i;
        if (i < expected.taps.size()) {
          EXPECT_EQ(head->input(0), expected.taps[i]);
        }
      }
    }
    EXPECT_TRUE(absl::StartsWith(graph.FindNode("ssd_conf_5")->input(0), "ssd_expand_block_"));
    EXPECT_EQ(graph.FindNode("ssd_expand_block_4_conv_1") != nullptr, expected.taps.size() == 1);
  }
}

TEST(SsdBackbonesTest, TheTableHoldsAllThatIsOffered) {
  std::vector<std::string> built, listed;
  for (const Expected& expected : AllExpected()) {
    built.push_back(NameOf({.arch = expected.arch, .depth = expected.depth}));
  }
  for (const SsdArchitecture& ssd : AllSsds()) listed.push_back(NameOf(ssd));
  EXPECT_THAT(built, UnorderedElementsAreArray(listed));
}

// TAO's detectors have ReLU where DarkNets of classifiers are leaky, whatever their layers' names
// say, and leave EfficientNets' swish.
TEST(SsdBackbonesTest, ActivationsAreThoseOfTaosDetectors) {
  const auto has = [](const SsdArchitecture& ssd, absl::string_view op) {
    const graph::Graph graph = Build(ssd).graph;
    return std::any_of(graph.nodes().begin(), graph.nodes().end(),
                       [op](const onnx::NodeProto* node) { return node->op_type() == op; });
  };
  EXPECT_FALSE(has({.arch = "darknet", .depth = 19}, "LeakyRelu"));
  EXPECT_TRUE(has({.arch = "efficientnet_b0"}, "Sigmoid"));
  EXPECT_TRUE(has({.arch = "efficientnet_lite0"}, "Clip"));
  EXPECT_FALSE(has({.arch = "mobilenet_v2"}, "Clip"));
}

TEST(SsdBackbonesTest, PoolingOfTwoPixelsRoundsMapsDown) {
  for (const auto& [arch, depth] : {std::pair("darknet", 19), std::pair("googlenet", 0)}) {
    EXPECT_THAT(SsdMapSizes(*FindSsdBackbone(arch, depth), 300, 300),
                ElementsAre(MapSize{37, 37}, MapSize{18, 18}, MapSize{9, 9}, MapSize{5, 5},
                            MapSize{3, 3}, MapSize{2, 2}))
        << arch;
  }
}

// ONNX's shape inference finds the cells that the record's anchors are made for. Height before
// width, no multiple of anything, one channel.
TEST(SsdBackbonesTest, HeadsHaveTheSizesOfTheirMapsAtAnySize) {
  for (const auto& [height, width] : {std::pair(297, 313), std::pair(128, 257)}) {
    for (SsdArchitecture ssd : SmallSsds(/*channels=*/1)) {
      SCOPED_TRACE(absl::StrCat(NameOf(ssd), " at ", height, " x ", width));
      ssd.height = height;
      ssd.width = width;
      ssd.classes = 2;
      const graph::Graph graph = Build(ssd).graph;
      const auto shapes = graph.InferShapes();
      ASSERT_THAT(shapes, IsOk());
      EXPECT_THAT(shapes->at("Input"), ElementsAre(-1, 1, height, width));
      const auto sizes = SsdMapSizes(*FindSsdBackbone(ssd.arch, ssd.depth), height, width);
      int64_t anchors = 0;
      for (int i = 0; i < kSsdMaps; ++i) {
        const int64_t boxes = ssd.boxes_per_cell[i];
        EXPECT_THAT(shapes->at(absl::StrCat("ssd_conf_", i)),
                    ElementsAre(-1, boxes * 3, sizes[i].height, sizes[i].width));
        EXPECT_THAT(shapes->at(absl::StrCat("ssd_loc_", i)),
                    ElementsAre(-1, boxes * 4, sizes[i].height, sizes[i].width));
        anchors += boxes * sizes[i].height * sizes[i].width;
      }
      EXPECT_THAT(shapes->at("mbox_conf"), ElementsAre(-1, anchors, 3));
      EXPECT_THAT(shapes->at("mbox_loc"), ElementsAre(-1, anchors, 4));
    }
  }
}

TEST(SsdBackbonesTest, OnnxruntimeRunsTheLoweredHeads) {
  std::vector<OracleJob> jobs;
  std::vector<int64_t> anchors;
  for (const SsdArchitecture& ssd : SmallSsds()) {
    SCOPED_TRACE(NameOf(ssd));
    const Model model = SsdModel(ssd, {"car", "person"});
    const auto lowered = LowerSsdHead(model);
    ASSERT_THAT(lowered, IsOk());
    Tensor picture = Tensor::Zeros(DType::kFloat32, {1, 3, ssd.height, ssd.width});
    for (int64_t i = 0; i < picture.size(); ++i) {
      picture.data<float>()[i] = static_cast<float>(i % 255) - 127;
    }
    jobs.push_back({lowered->Serialize(), picture});
    anchors.push_back(AnchorCount(model.record.ssd()));
  }
  const auto outputs = RunOnnxruntime(jobs);
  ASSERT_THAT(outputs, IsOk());
  for (size_t i = 0; i < jobs.size(); ++i) {
    SCOPED_TRACE(NameOf(SmallSsds()[i]));
    const Tensor &scores = (*outputs)[i][0], &boxes = (*outputs)[i][1];
    EXPECT_EQ(scores.shape(), (Shape{1, anchors[i], 3}));
    EXPECT_EQ(boxes.shape(), (Shape{1, anchors[i], 4}));
    for (int64_t row = 0; row < anchors[i]; ++row) {
      const auto p = scores.data<float>().subspan(row * 3, 3);
      ASSERT_NEAR(p[0] + p[1] + p[2], 1, 1e-5) << row;
    }
  }
}

// What trainings of ResNets began with before there were others; a draw of a normal number may
// differ in its last digit from one processor to the next, so the heads' kernels are left out.
TEST(SsdBackbonesTest, GraphsOfResNetsStayWhatTheyWere) {
  const auto digest = [](int depth) {
    graph::Graph graph = Build({.depth = depth, .width = 160, .height = 128, .classes = 2}).graph;
    for (const std::string& name : graph.InitializerNames()) {
      const bool head = absl::StartsWith(name, "ssd_conf_") || absl::StartsWith(name, "ssd_loc_");
      if (!head || !absl::EndsWith(name, "/kernel")) continue;
      EXPECT_THAT(
          graph.SetInitializer(name, Tensor::Zeros(DType::kFloat32, graph.Initializer(name)->shape())),
          IsOk());
    }
    return Sha256Hex(graph.Serialize());
  };
  EXPECT_EQ(digest(10), "e1b39deee97440e0236a8368fa556eac42cfced0e7aa5aea4d5da191abe7374d");
  EXPECT_EQ(digest(18), "98e7ee034e06920b283c553f9a7869897ddfa23c16660b2332f54c5897950dfa");
}

class SsdSpecBackbonesTest : public ::testing::TestWithParam<SsdArchitecture> {
 protected:
  Model Build(const std::string& more) {
    const std::string depth =
        GetParam().depth == 0 ? "" : absl::StrCat("nlayers: ", GetParam().depth);
    const std::string text = absl::StrReplaceAll(
        SmallSsdSpec(), {{"arch: \"resnet\"", absl::StrCat("arch: \"", GetParam().arch, "\" ", more)},
                         {"nlayers: 10", depth}});
    auto experiment = LoadExperiment(text, "spec", {}, spec::SpecUse::kTrain, nullptr);
    EXPECT_THAT(experiment, IsOk());
    auto model = (*SsdNetwork::Create(*experiment))->Build();
    EXPECT_THAT(model, IsOk());
    return *std::move(model);
  }

  static std::vector<std::string> NodesOf(const graph::Graph& graph, absl::string_view op) {
    std::vector<std::string> names;
    for (const onnx::NodeProto* node : graph.nodes()) {
      if (node->op_type() == op) names.push_back(node->name());
    }
    return names;
  }
};

TEST_P(SsdSpecBackbonesTest, TheSpecBuildsItAndTheRecordNamesIt) {
  const Model model = Build("");
  EXPECT_EQ(model.record.arch(), NameOf(GetParam()));
  EXPECT_EQ(model.graph.proto().graph().name(), absl::StrCat("ssd_", NameOf(GetParam())));
  const auto shapes = model.graph.InferShapes();
  ASSERT_THAT(shapes, IsOk());
  EXPECT_THAT(shapes->at("mbox_loc"), ElementsAre(-1, AnchorCount(model.record.ssd()), 4));
  EXPECT_THAT(model.record.training().frozen(), IsEmpty());
  // Kernels are regularized, those of depthwise convolutions excepted, as in TAO.
  const auto& regularized = model.record.training().regularized();
  for (const std::string& conv : NodesOf(model.graph, "Conv")) {
    const onnx::NodeProto& node = *model.graph.FindNode(conv);
    const bool depthwise = graph::IntAttribute(node, "group", 1) > 1;
    const std::string kernel = conv + "/kernel";
    if (depthwise) {
      EXPECT_THAT(regularized, Not(Contains(kernel)));
    } else {
      EXPECT_THAT(regularized, Contains(kernel));
    }
  }
  EXPECT_THAT(regularized, Each(HasSubstr("/kernel")));
}

TEST_P(SsdSpecBackbonesTest, FreezeBlocksFreezesTheConvolutionsOfTheLastBlock) {
  const layers::BlockRange blocks = SsdBlocks(GetParam().arch);
  const Model model = Build(absl::StrCat("freeze_blocks: ", blocks.last));
  const auto built = BuildSsd(GetParam(), 1);
  ASSERT_THAT(built, IsOk());
  const layers::BackboneBlock& block = built->blocks.back();
  ASSERT_EQ(block.id, blocks.last);
  std::vector<std::string> frozen;
  for (const std::string& conv : block.convolutions) {
    frozen.push_back(conv + "/kernel");
    if (model.graph.HasInitializer(conv + "/bias")) frozen.push_back(conv + "/bias");
  }
  EXPECT_THAT(frozen, Not(IsEmpty()));
  EXPECT_THAT(model.record.training().frozen(), UnorderedElementsAreArray(frozen));
  EXPECT_THAT(model.record.training().frozen_batch_norm(), IsEmpty());
}

TEST_P(SsdSpecBackbonesTest, FreezeBnFreezesAllNormalizations) {
  const Model model = Build("freeze_bn: true");
  const std::vector<std::string> norms = NodesOf(model.graph, "BatchNormalization");
  EXPECT_THAT(model.record.training().frozen_batch_norm(), UnorderedElementsAreArray(norms));
  EXPECT_THAT(model.record.training().frozen(), SizeIs(2 * norms.size()));
}

INSTANTIATE_TEST_SUITE_P(, SsdSpecBackbonesTest, ::testing::ValuesIn(SmallSsds()),
                         [](const auto& info) { return NameOf(info.param); });

}  // namespace
}  // namespace trainyard::networks
