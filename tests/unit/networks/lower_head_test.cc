#include "libs/networks/ssd/lower_head.h"

#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/networks/ssd/anchors.h"
#include "onnx/onnx_pb.h"
#include "tests/support/graph_interpreter.h"
#include "tests/support/small_ssd.h"
#include "tests/support/status_matchers.h"

namespace trainyard::networks {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::trainyard::testing::GraphInterpreter;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::SmallSsd;
using ::trainyard::testing::StatusIs;

TEST(LowerHeadTest, OutputsAreScoresAndBoxes) {
  const Model model = SmallSsd();
  absl::StatusOr<graph::Graph> graph = LowerSsdHead(model);
  ASSERT_THAT(graph, IsOk());
  EXPECT_THAT(graph->OutputNames(), ElementsAre("scores", "boxes"));
  const auto shapes = graph->InferShapes();
  ASSERT_THAT(shapes, IsOk());
  const int64_t anchors = AnchorCount(model.record.ssd());
  EXPECT_THAT(shapes->at("scores"), ElementsAre(-1, anchors, 3));
  EXPECT_THAT(shapes->at("boxes"), ElementsAre(-1, anchors, 4));
  EXPECT_THAT(model.graph.OutputNames(), ElementsAre("mbox_conf", "mbox_loc"));
}

TEST(LowerHeadTest, SaysWhatAReaderMustKnow) {
  absl::StatusOr<graph::Graph> graph = LowerSsdHead(SmallSsd());
  ASSERT_THAT(graph, IsOk());
  std::map<std::string, std::string> metadata;
  for (const auto& entry : graph->proto().metadata_props()) metadata[entry.key()] = entry.value();
  EXPECT_EQ(metadata["trainyard.classes"], "car,person");
  EXPECT_THAT(metadata["trainyard.preprocess"], HasSubstr("128x128 BGR, bilinear, (x - [103.939"));
}

/// A model whose head is the whole graph: it hands its two inputs on.
Model HeadAlone() {
  Model model = SmallSsd();
  const int64_t anchors = AnchorCount(model.record.ssd());
  graph::Graph graph("head");
  onnx::GraphProto& proto = *graph.mutable_proto().mutable_graph();
  const auto declare = [](onnx::ValueInfoProto& value, const std::string& name,
                          const std::vector<int64_t>& shape) {
    value.set_name(name);
    value.mutable_type()->mutable_tensor_type()->set_elem_type(onnx::TensorProto::FLOAT);
    for (const int64_t dim : shape) {
      value.mutable_type()->mutable_tensor_type()->mutable_shape()->add_dim()->set_dim_value(dim);
    }
  };
  declare(*proto.add_input(), "Input", {1, anchors, 4});
  for (const std::string name : {"mbox_conf", "mbox_loc"}) {
    onnx::NodeProto& node = *proto.add_node();
    node.set_op_type("Relu");
    node.set_name(name);
    node.add_input("Input");
    node.add_output(name);
    declare(*proto.add_output(), name, {1, anchors, 4});
  }
  model.record.add_classes("third");  // four scores, as many as the input has
  graph.Reindex();
  model.graph = std::move(graph);
  return model;
}

TEST(LowerHeadTest, DecodesAsTheFormulasSay) {
  const Model model = HeadAlone();
  absl::StatusOr<graph::Graph> graph = LowerSsdHead(model);
  ASSERT_THAT(graph, IsOk());
  const AnchorSet set = *MakeAnchors(model.record.ssd(), 128, 128);
  Tensor input = Tensor::Zeros(DType::kFloat32, {1, set.size(), 4});
  for (int64_t i = 0; i < input.size(); ++i) {
    input.data<float>()[i] = static_cast<float>(std::abs(std::sin(static_cast<double>(i))));
  }
  const Tensor boxes = GraphInterpreter(*graph).Run("Input", input, "boxes");
  const Tensor scores = GraphInterpreter(*graph).Run("Input", input, "scores");
  for (const int64_t i : {int64_t{0}, int64_t{77}, set.size() - 1}) {
    const auto x = input.data<float>().subspan(i * 4, 4);
    const Anchor& anchor = set.anchors[i];
    const double cx = x[0] * 0.1 * anchor.w + anchor.cx, w = std::exp(x[2] * 0.2) * anchor.w;
    const double cy = x[1] * 0.1 * anchor.h + anchor.cy, h = std::exp(x[3] * 0.2) * anchor.h;
    const auto box = boxes.data<float>().subspan(i * 4, 4);
    EXPECT_NEAR(box[0], cx - w / 2, 1e-6);
    EXPECT_NEAR(box[1], cy - h / 2, 1e-6);
    EXPECT_NEAR(box[2], cx + w / 2, 1e-6);
    EXPECT_NEAR(box[3], cy + h / 2, 1e-6);
    double sum = 0;
    for (const float v : x) sum += std::exp(v);
    EXPECT_NEAR(scores.data<float>()[i * 4 + 2], std::exp(x[2]) / sum, 1e-6);
  }
}

TEST(LowerHeadTest, NeedsAHeadThatTheGraphHas) {
  Model model = SmallSsd();
  model.record.mutable_ssd()->set_location_output("elsewhere");
  EXPECT_THAT(LowerSsdHead(model),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("'elsewhere'")));
  model.record.clear_head();
  EXPECT_THAT(LowerSsdHead(model),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no SSD head")));
}

}  // namespace
}  // namespace trainyard::networks
