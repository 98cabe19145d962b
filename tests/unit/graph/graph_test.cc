#include "libs/graph/graph.h"

#include <filesystem>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/files.h"
#include "libs/base/random.h"
#include "libs/graph/builder.h"
#include "onnx/onnx_pb.h"
#include "tests/support/graph_interpreter.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::graph {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::StatusIs;
using ::trainyard::testing::TemporaryFolder;

onnx::NodeProto* AddNode(onnx::ModelProto& model, const std::string& op, const std::string& name,
                         const std::vector<std::string>& inputs, const std::string& output) {
  onnx::NodeProto* node = model.mutable_graph()->add_node();
  node->set_op_type(op);
  node->set_name(name);
  for (const auto& input : inputs) node->add_input(input);
  node->add_output(output);
  return node;
}

void AddValue(onnx::ValueInfoProto* value, const std::string& name) {
  value->set_name(name);
  auto* type = value->mutable_type()->mutable_tensor_type();
  type->set_elem_type(onnx::TensorProto::FLOAT);
  type->mutable_shape()->add_dim()->set_dim_value(2);
}

/// x -> (w +) -> relu -> y, as another tool might write it: float_data, doc strings, metadata, an
/// operator of a foreign domain, no node names.
onnx::ModelProto ForeignModel() {
  onnx::ModelProto model;
  model.set_ir_version(7);
  model.set_producer_name("somebody");
  model.set_doc_string("made elsewhere");
  model.add_opset_import()->set_version(13);
  auto* other = model.add_opset_import();
  other->set_domain("com.example");
  other->set_version(1);
  auto* entry = model.add_metadata_props();
  entry->set_key("license");
  entry->set_value("none");
  model.mutable_graph()->set_name("g");
  AddValue(model.mutable_graph()->add_input(), "x");
  AddValue(model.mutable_graph()->add_output(), "y");
  auto* weight = model.mutable_graph()->add_initializer();
  weight->set_name("w");
  weight->set_data_type(onnx::TensorProto::FLOAT);
  weight->add_dims(2);
  weight->add_float_data(0.1f);
  weight->add_float_data(-2.5f);
  AddNode(model, "Add", "", {"x", "w"}, "sum");
  AddNode(model, "Special", "special", {"sum"}, "special_out")->set_domain("com.example");
  AddNode(model, "Relu", "", {"special_out"}, "y")->set_doc_string("the end");
  return model;
}

TEST(GraphTest, AForeignFileSurvivesTheRoundTripButForTheNamesGivenToNodes) {
  const onnx::ModelProto model = ForeignModel();
  absl::StatusOr<Graph> graph = Graph::Parse(model.SerializeAsString());
  ASSERT_THAT(graph, IsOk());
  EXPECT_NE(graph->FindNode("Add_0"), nullptr);
  EXPECT_NE(graph->FindNode("Relu_2"), nullptr);

  onnx::ModelProto back;
  ASSERT_TRUE(back.ParseFromString(graph->Serialize()));
  back.mutable_graph()->mutable_node(0)->clear_name();
  back.mutable_graph()->mutable_node(2)->clear_name();
  onnx::ModelProto expected = model;
  expected.mutable_graph()->mutable_node(0)->clear_name();
  expected.mutable_graph()->mutable_node(2)->clear_name();
  EXPECT_EQ(back.SerializeAsString(), expected.SerializeAsString());
}

TEST(GraphTest, WalksProducersAndReaders) {
  absl::StatusOr<Graph> graph = Graph::Parse(ForeignModel().SerializeAsString());
  ASSERT_THAT(graph, IsOk());
  EXPECT_THAT(graph->InputNames(), ElementsAre("x"));
  EXPECT_THAT(graph->OutputNames(), ElementsAre("y"));
  EXPECT_EQ(graph->Producer("sum")->op_type(), "Add");
  EXPECT_EQ(graph->Producer("x"), nullptr);
  ASSERT_EQ(graph->Consumers("sum").size(), 1u);
  EXPECT_EQ(graph->Consumers("sum")[0]->name(), "special");
  EXPECT_THAT(graph->Consumers("nothing"), IsEmpty());
  EXPECT_TRUE(graph->IsOutput("y"));
  EXPECT_FALSE(graph->IsOutput("sum"));
  EXPECT_EQ(graph->ParameterCount(), 2);
}

TEST(GraphTest, PutsNodesInOrder) {
  onnx::ModelProto model = ForeignModel();
  model.mutable_graph()->mutable_node()->SwapElements(0, 2);
  absl::StatusOr<Graph> graph = Graph::Parse(model.SerializeAsString());
  ASSERT_THAT(graph, IsOk());
  EXPECT_EQ(graph->nodes()[0]->op_type(), "Add");
  EXPECT_EQ(graph->nodes()[2]->op_type(), "Relu");
  EXPECT_EQ(graph->proto().graph().node(0).op_type(), "Add");
}

TEST(GraphTest, ReadersInBodiesOfNodesCount) {
  onnx::ModelProto model = ForeignModel();
  onnx::NodeProto* branch = AddNode(model, "If", "choose", {"cond"}, "chosen");
  auto* cond = model.mutable_graph()->add_initializer();
  cond->set_name("cond");
  cond->set_data_type(onnx::TensorProto::BOOL);
  cond->add_int32_data(1);
  for (const std::string name : {"then_branch", "else_branch"}) {
    auto* attribute = branch->add_attribute();
    attribute->set_name(name);
    attribute->set_type(onnx::AttributeProto::GRAPH);
    auto* inner = attribute->mutable_g()->add_node();
    inner->set_op_type("Neg");
    inner->add_input("sum");
    inner->add_output("inner");
    AddValue(attribute->mutable_g()->add_output(), "inner");
  }
  absl::StatusOr<Graph> graph = Graph::Parse(model.SerializeAsString());
  ASSERT_THAT(graph, IsOk());
  EXPECT_EQ(graph->Consumers("sum").size(), 2u);
}

TEST(GraphTest, RefusesWhatIsNoOnnx) {
  EXPECT_THAT(Graph::Parse("hello"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is no ONNX model")));
  EXPECT_THAT(Graph::Parse(""),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is no ONNX model")));
}

TEST(GraphTest, RefusesNewerVersionsByNumberWithTheWayToConvert) {
  onnx::ModelProto model = ForeignModel();
  model.set_ir_version(10);
  model.mutable_opset_import(0)->set_version(21);
  EXPECT_THAT(
      Graph::Parse(model.SerializeAsString()),
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr("ir_version is 10"), HasSubstr("opset is 21; expected 11 to 17"),
                     HasSubstr("convert_version(model, 17)"))));
  model = ForeignModel();
  model.mutable_opset_import(0)->set_version(10);
  EXPECT_THAT(Graph::Parse(model.SerializeAsString()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("opset is 10")));
}

TEST(GraphTest, NamesEveryDanglingAndDoubledName) {
  onnx::ModelProto model = ForeignModel();
  AddNode(model, "Relu", "special", {"ghost"}, "sum");
  AddValue(model.mutable_graph()->add_output(), "nobody");
  *model.mutable_graph()->add_initializer() = model.graph().initializer(0);
  EXPECT_THAT(Graph::Parse(model.SerializeAsString()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("node 'special_1' reads 'ghost'"), HasSubstr("makes 'sum'"),
                             HasSubstr("output 'nobody' is made by no node"),
                             HasSubstr("initializer 'w' is there twice"))));
}

TEST(GraphTest, RefusesACycle) {
  onnx::ModelProto model = ForeignModel();
  model.mutable_graph()->mutable_node(0)->set_input(1, "special_out");
  EXPECT_THAT(
      Graph::Parse(model.SerializeAsString()),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("node 'Add_0' lies on a cycle")));
}

TEST(GraphTest, RefusesStandardOperatorsThatAreNotWhatTheySay) {
  onnx::ModelProto model = ForeignModel();
  model.mutable_graph()->mutable_node(0)->mutable_input()->RemoveLast();
  auto* axis = model.mutable_graph()->mutable_node(2)->add_attribute();
  axis->set_name("axis");
  axis->set_type(onnx::AttributeProto::FLOAT);
  EXPECT_THAT(Graph::Parse(model.SerializeAsString()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("node 'Add_0' (Add)"), HasSubstr("input size 1"),
                             HasSubstr("node 'Relu_2' (Relu)"), HasSubstr("axis"))));
}

TEST(GraphTest, OperatorsThatTheOpsetDoesNotHaveAreRefusedWithTheOneThatDoes) {
  onnx::ModelProto model = ForeignModel();
  AddNode(model, "HardSwish", "late", {"sum"}, "a");
  AddNode(model, "Mish", "never", {"sum"}, "b");
  AddNode(model, "Special", "stranger", {"sum"}, "c")->set_domain("com.other");
  EXPECT_THAT(
      Graph::Parse(model.SerializeAsString()),
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr("'late' (HardSwish) is no operator of opset 13; it came with opset "
                               "14"),
                     HasSubstr("'never' (Mish) is no operator of opset 13; nor of any other"),
                     HasSubstr("'stranger' (Special) is of the domain 'com.other'"))));
}

TEST(GraphTest, DamagedBytesNeverCrash) {
  GraphBuilder builder("net");
  std::string x = builder.Input("Input", {-1, 2, 5, 5});
  x = builder.Conv("conv", x, testing::Wavy({3, 2, 3, 3}), std::nullopt, {.stride = 2, .pad = 1});
  x = builder.Reshape("rows", builder.Transpose("permute", x, {0, 2, 3, 1}), {0, -1, 3});
  builder.Output(builder.Concat("all", {x, x}, 1), {-1, 18, 3});
  absl::StatusOr<Graph> whole = std::move(builder).Finish();
  ASSERT_THAT(whole, IsOk());
  const std::string bytes = whole->Serialize();
  Philox random(1, 0, 0, RandomPurpose::kSampleData);
  int accepted = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string damaged =
        bytes.substr(0, random.Chance(0.2) ? random.Below(bytes.size()) : bytes.size());
    for (uint64_t i = random.Below(3); i < 3 && !damaged.empty(); ++i) {
      damaged[random.Below(damaged.size())] = static_cast<char>(random.Below(256));
    }
    absl::StatusOr<Graph> graph = Graph::Parse(damaged);
    if (!graph.ok()) continue;
    ++accepted;
    // Whatever the answer is, it is an answer.
    graph->Check().IgnoreError();
    graph->MacCount().status().IgnoreError();
    for (const std::string& name : graph->InitializerNames()) {
      graph->Initializer(name).status().IgnoreError();
    }
  }
  EXPECT_GT(accepted, 100) << "damage to weights alone is not seen by the graph";
}

TEST(GraphTest, SavesAndLoads) {
  TemporaryFolder folder;
  absl::StatusOr<Graph> graph = Graph::Parse(ForeignModel().SerializeAsString());
  ASSERT_THAT(graph, IsOk());
  ASSERT_THAT(graph->Save(folder / "m.onnx"), IsOk());
  absl::StatusOr<Graph> back = Graph::Load(folder / "m.onnx");
  ASSERT_THAT(back, IsOk());
  EXPECT_EQ(back->Serialize(), graph->Serialize());
  EXPECT_THAT(Graph::Load(folder / "none.onnx"), StatusIs(absl::StatusCode::kNotFound));
}

TEST(GraphTest, AnInitializerIsAddedOrReplaced) {
  absl::StatusOr<Graph> graph = Graph::Parse(ForeignModel().SerializeAsString());
  ASSERT_THAT(graph, IsOk());
  absl::StatusOr<Tensor> w = graph->Initializer("w");
  ASSERT_THAT(w, IsOk());
  EXPECT_THAT(w->data<float>(), ElementsAre(0.1f, -2.5f));
  ASSERT_THAT(graph->SetInitializer("w", Tensor::Of<float>({1}, {7.0f})), IsOk());
  ASSERT_THAT(graph->SetInitializer("v", Tensor::Of<int64_t>({2}, {1, 2})), IsOk());
  EXPECT_THAT(graph->Initializer("w")->data<float>(), ElementsAre(7.0f));
  EXPECT_THAT(graph->InitializerNames(), ElementsAre("w", "v"));
  EXPECT_THAT(graph->Initializer("ww"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(graph->SetInitializer("sum", *w),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("node 'Add_0' makes")));
}

TEST(GraphTest, ACloneIsIndependent) {
  absl::StatusOr<Graph> graph = Graph::Parse(ForeignModel().SerializeAsString());
  ASSERT_THAT(graph, IsOk());
  Graph copy = graph->Clone();
  ASSERT_THAT(copy.SetInitializer("w", Tensor::Of<float>({1}, {7.0f})), IsOk());
  EXPECT_EQ(graph->Initializer("w")->size(), 2);
  EXPECT_NE(copy.FindNode("special"), graph->FindNode("special"));
}

class ExternalDataTest : public ::testing::Test {
 protected:
  onnx::ModelProto ModelAt(const std::string& location, const std::string& offset,
                           const std::string& length) {
    onnx::ModelProto model = ForeignModel();
    auto* weight = model.mutable_graph()->mutable_initializer(0);
    weight->clear_float_data();
    weight->set_data_location(onnx::TensorProto::EXTERNAL);
    const auto add = [weight](const std::string& key, const std::string& value) {
      auto* entry = weight->add_external_data();
      entry->set_key(key);
      entry->set_value(value);
    };
    add("location", location);
    add("offset", offset);
    add("length", length);
    return model;
  }
  absl::StatusOr<Graph> Load(const onnx::ModelProto& model) {
    EXPECT_THAT(WriteFileAtomically(folder_ / "m.onnx", model.SerializeAsString()), IsOk());
    return Graph::Load(folder_ / "m.onnx");
  }
  void SetUp() override {
    const float values[] = {9, 3, 4};
    const absl::string_view bytes(reinterpret_cast<const char*>(values), sizeof(values));
    ASSERT_THAT(WriteFileAtomically(folder_ / "w.bin", bytes), IsOk());
  }
  TemporaryFolder folder_;
};

TEST_F(ExternalDataTest, ComesFromTheFileBeside) {
  absl::StatusOr<Graph> graph = Load(ModelAt("w.bin", "4", "8"));
  ASSERT_THAT(graph, IsOk());
  EXPECT_THAT(graph->Initializer("w")->data<float>(), ElementsAre(3, 4));
}

TEST_F(ExternalDataTest, MustNotLeaveTheFolder) {
  for (const std::string location : {"../w.bin", "/etc/passwd", "a/../../w.bin", ""}) {
    EXPECT_THAT(Load(ModelAt(location, "0", "8")),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr("tensor 'w'"), HasSubstr("own folder"))))
        << location;
  }
  std::filesystem::create_symlink("/etc/passwd", folder_ / "link");
  EXPECT_THAT(Load(ModelAt("link", "0", "8")),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("leaves the model's folder")));
}

TEST_F(ExternalDataTest, ThatIsShortIsDataLoss) {
  EXPECT_THAT(Load(ModelAt("w.bin", "8", "8")),
              StatusIs(absl::StatusCode::kDataLoss,
                       AllOf(HasSubstr("has 12 bytes"), HasSubstr("8 bytes from offset 8"))));
  EXPECT_THAT(Load(ModelAt("w.bin", "-1", "8")),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("offset is '-1'")));
  EXPECT_THAT(Load(ModelAt("other.bin", "0", "8")), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(ExternalDataTest, NeedsAFolder) {
  EXPECT_THAT(Graph::Parse(ModelAt("w.bin", "0", "8").SerializeAsString()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("another file")));
}

TEST(IsOnnxNameTest, TheEndingTellsPlainOnnx) {
  EXPECT_TRUE(IsOnnxName("a/b.onnx"));
  EXPECT_TRUE(IsOnnxName("B.ONNX"));
  EXPECT_FALSE(IsOnnxName("b.onnx.etlt"));
}

}  // namespace
}  // namespace trainyard::graph
