#include "libs/networks/classification/classification_network.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/files.h"
#include "libs/base/random.h"
#include "libs/layers/backbone.h"
#include "libs/networks/classification/classification_builder.h"
#include "libs/networks/prepare_spec.h"
#include "libs/networks/registry.h"
#include "onnx/onnx_pb.h"
#include "tests/support/classification_data.h"
#include "tests/support/graph_interpreter.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::networks {

using data::DataUse;
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;
using ::testing::SizeIs;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;
using ::trainyard::testing::GraphInterpreter;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::SmallClassificationSpec;
using ::trainyard::testing::StatusIs;
using ::trainyard::testing::TemporaryFolder;
using ::trainyard::testing::WriteClassFolder;

class ClassificationNetworkTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* part : {"train", "val"}) {
      WriteClassFolder(folder_ / part, "bolt", 3, 200, 30, 30);
      WriteClassFolder(folder_ / part, "Nut", 2, 30, 200, 30);
      WriteClassFolder(folder_ / part, "washer", 2, 30, 30, 200);
    }
  }

  std::unique_ptr<Network> MakeNetwork(const std::vector<std::string>& overrides = {}) {
    const NetworkFamily& family = **FindNetwork("classification");
    auto spec = family.Load(SmallClassificationSpec(folder_.path()), "spec.txt", overrides,
                            spec::SpecUse::kTrain, nullptr);
    EXPECT_THAT(spec, IsOk());
    auto network = family.Create(*std::move(spec));
    EXPECT_THAT(network, IsOk());
    return *std::move(network);
  }

  Model Build(const std::vector<std::string>& overrides = {}) {
    auto model = MakeNetwork(overrides)->Build();
    EXPECT_THAT(model, IsOk());
    return *std::move(model);
  }

  TemporaryFolder folder_;
};

TEST_F(ClassificationNetworkTest, TheRecordSaysWhatAModelNeeds) {
  const Model model = Build();
  EXPECT_EQ(model.record.network(), "classification");
  EXPECT_EQ(model.record.arch(), "resnet10");
  // By the bytes of their names, as TAO sorts them.
  EXPECT_THAT(model.record.classes(), ElementsAre("Nut", "bolt", "washer"));
  EXPECT_EQ(InputText(model.record.preprocess()), "24x24x3");
  EXPECT_EQ(model.record.preprocess().order(), model::v1::Preprocess::BGR);
  EXPECT_THAT(model.graph.InputNames(), ElementsAre("input_1"));
  EXPECT_THAT(model.graph.OutputNames(), ElementsAre("predictions"));
  const auto shapes = model.graph.InferShapes();
  ASSERT_THAT(shapes, IsOk());
  EXPECT_THAT(shapes->at("predictions"), ElementsAre(-1, 3));
  const auto head = CreateHead(model.record);
  ASSERT_THAT(head, IsOk());
  EXPECT_THAT((*head)->output_names(), ElementsAre("predictions"));
  EXPECT_EQ((*TaskOf(model.record))->name(), "classification");
}

TEST_F(ClassificationNetworkTest, TheSeedDecidesTheWeights) {
  const auto kernel = [](const Model& model) {
    const Tensor tensor = *model.graph.Initializer("predictions/kernel");
    return std::vector<float>(tensor.data<float>().begin(), tensor.data<float>().end());
  };
  EXPECT_EQ(kernel(Build()), kernel(Build()));
  EXPECT_NE(kernel(Build()), kernel(Build({"train_config.random_seed = 7"})));
  // Glorot: +-sqrt(6 / (512 + 3)).
  const std::vector<float> drawn = kernel(Build());
  EXPECT_THAT(drawn, SizeIs(3 * 512));
  EXPECT_NEAR(*std::max_element(drawn.begin(), drawn.end()), std::sqrt(6.0 / 515), 0.002);
}

TEST_F(ClassificationNetworkTest, TheScopeSaysWhichKernelsAreRegularized) {
  const auto regularized = [&](const std::string& scope) {
    const Model model = Build({"train_config.reg_config.scope = \"" + scope + "\""});
    const auto& names = model.record.training().regularized();
    return std::vector<std::string>(names.begin(), names.end());
  };
  EXPECT_THAT(regularized("Dense"), ElementsAre("predictions/kernel"));
  EXPECT_THAT(regularized("Conv2D"),
              AllOf(Contains("conv1/kernel"), Not(Contains("predictions/kernel"))));
  EXPECT_THAT(regularized("conv2d, DENSE"),
              AllOf(Contains("conv1/kernel"), Contains("predictions/kernel")));
}

TEST_F(ClassificationNetworkTest, BlocksAndNormsAreFrozenAsAsked) {
  const Model model = Build({"model_config.freeze_blocks = [0, 2]", "model_config.freeze_bn = true"});
  const auto& frozen = model.record.training().frozen();
  EXPECT_THAT(frozen, AllOf(Contains("conv1/kernel"), Contains("block_2a_conv_1/kernel"),
                            Contains("bn_conv1/gamma")));
  EXPECT_THAT(frozen, AllOf(Not(Contains("block_1a_conv_1/kernel")),
                            Not(Contains("predictions/kernel"))));
  EXPECT_THAT(model.record.training().frozen_batch_norm(), Contains("bn_conv1"));
  EXPECT_THAT(Build().record.training().frozen(), IsEmpty());
}

// All that libs/layers has becomes a classifier whose logits an independent interpreter computes.
TEST_F(ClassificationNetworkTest, EveryArchitectureMakesAClassifier) {
  for (const layers::Architecture& one : layers::Architectures()) {
    SCOPED_TRACE(one.arch);
    std::vector<std::string> overrides = {
        absl::StrCat("model_config.arch = \"", one.arch, "\""),
        "model_config.input_image_size = \"3,64,64\""};
    // The largest are built in tests/unit/layers.
    overrides.push_back(
        absl::StrCat("model_config.n_layers = ", one.depths.empty() ? 0 : one.depths.front()));
    const auto model = MakeNetwork(overrides)->Build();
    ASSERT_THAT(model, IsOk());
    EXPECT_THAT(model->graph.OutputNames(), ElementsAre("predictions"));
    const auto shapes = model->graph.InferShapes();
    ASSERT_THAT(shapes, IsOk());
    EXPECT_THAT(shapes->at("predictions"), ElementsAre(-1, 3));
    EXPECT_TRUE(absl::StartsWith(model->record.arch(), one.arch));
  }
}

TEST_F(ClassificationNetworkTest, SettingsOfTheSpecReachTheGraph) {
  const auto attribute = [](const Model& model, const char* name) {
    for (const onnx::NodeProto* node : model.graph.nodes()) {
      if (node->op_type() != "BatchNormalization") continue;
      for (const auto& one : node->attribute()) {
        if (one.name() == name) return one.f();
      }
    }
    return -1.0f;
  };
  EXPECT_FLOAT_EQ(attribute(Build(), "epsilon"), 1e-5f);
  EXPECT_FLOAT_EQ(attribute(Build(), "momentum"), 0.9f);
  EXPECT_FLOAT_EQ(attribute(Build({"model_config.batch_norm_config.epsilon = 0.01"}), "epsilon"), 0.01f);
  EXPECT_FLOAT_EQ(attribute(Build({"model_config.use_batch_norm = false"}), "epsilon"), -1);
  const auto has = [](const Model& model, const char* node) {
    return model.graph.FindNode(node) != nullptr;
  };
  EXPECT_FALSE(has(Build(), "block_1b_conv_shortcut"));
}

TEST_F(ClassificationNetworkTest, ALoweredHeadPutsOutProbabilities) {
  const Model model = Build();
  const auto graph = LowerHead(model);
  ASSERT_THAT(graph, IsOk());
  EXPECT_THAT(graph->OutputNames(), ElementsAre("predictions/Softmax"));
  std::map<std::string, std::string> metadata;
  for (const auto& entry : graph->proto().metadata_props()) metadata[entry.key()] = entry.value();
  EXPECT_EQ(metadata["trainyard.classes"], "Nut,bolt,washer");
  ModelRecord without = model.record;
  without.clear_head();
  EXPECT_THAT(LowerHead({model.graph.Clone(), without}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no classification head")));
}

TEST_F(ClassificationNetworkTest, FilesOfATrainingAreTaos) {
  const TrainingFiles files = FilesOf(Build().record);
  EXPECT_EQ(files.checkpoint_prefix, "resnet");
  EXPECT_EQ(files.epoch_infix, "_");
  EXPECT_EQ(files.log, "training.csv");
  EXPECT_THAT(files.more, ElementsAre(Pair("classmap.json", AllOf(HasSubstr("\"Nut\": 0"),
                                                                  HasSubstr("\"washer\": 2")))));
  ModelRecord lite;
  lite.set_network("classification");
  lite.set_arch("efficientnet_lite0");
  EXPECT_EQ(FilesOf(lite).checkpoint_prefix, "efficientnet_lite0");
}

TEST_F(ClassificationNetworkTest, DeepStreamReadsItAsAClassifier) {
  const NetworkFamily& family = **FindNetwork("classification");
  const auto files = family.DeepStreamFiles(Build().record, "/out", "/out/model.onnx");
  EXPECT_THAT(files.at("nvinfer_config.txt"),
              AllOf(StartsWith("net-scale-factor=1.0\noffsets=103.939;116.779;123.68\n"),
                    HasSubstr("\nnetwork-type=1\nnum-detected-classes=3\n"),
                    HasSubstr("\nclassifier-threshold=0.2\n"), HasSubstr("predictions/Softmax")));
  EXPECT_EQ(files.at("labels.txt"), "Nut;bolt;washer\n");
  // Labels have no mark of their own: they are ours where the config beside them is.
  ASSERT_THAT(WriteFileAtomically(folder_ / "labels.txt", "mine\n"), IsOk());
  EXPECT_THAT(family.CheckDeepStreamFolder(folder_.path()),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("labels.txt")));
  ASSERT_THAT(WriteFileAtomically(folder_ / "nvinfer_config.txt", files.at("nvinfer_config.txt")), IsOk());
  EXPECT_THAT(family.CheckDeepStreamFolder(folder_.path()), IsOk());
}

TEST_F(ClassificationNetworkTest, DataAreThoseOfTheUse) {
  const auto network = MakeNetwork({"eval_config.eval_dataset_path = \"" + (folder_ / "test") + "\""});
  WriteClassFolder(folder_ / "test", "bolt", 1, 9, 9, 9);
  const ModelRecord record = *network->Record();
  const auto size = [&](DataUse use) { return (**network->OpenData(use, record, false, 1)).source->size(); };
  EXPECT_EQ(size(DataUse::kTraining), 7);
  EXPECT_EQ(size(DataUse::kValidation), 7);
  EXPECT_EQ(size(DataUse::kEvaluation), 1);
  WriteClassFolder(folder_ / "test", "screw", 1, 9, 9, 9);
  EXPECT_THAT(network->OpenData(DataUse::kEvaluation, record, false, 1),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("screw")));
}

TEST_F(ClassificationNetworkTest, AnEvaluationCutsAsTheTrainingUnlessItsOwnFieldSays) {
  const auto resize = [this](const std::vector<std::string>& overrides) {
    return MakeNetwork(overrides)->Record()->preprocess().resize();
  };
  using model::v1::Preprocess;
  EXPECT_EQ(resize({}), Preprocess::STRETCH);
  EXPECT_EQ(resize({"eval_config.enable_center_crop = true"}), Preprocess::CENTER_CROP);
  EXPECT_EQ(resize({"train_config.enable_center_crop = true"}), Preprocess::CENTER_CROP);
  EXPECT_EQ(resize({"train_config.enable_center_crop = true",
                    "eval_config.enable_center_crop = false"}),
            Preprocess::STRETCH);
  EXPECT_EQ(MakeNetwork({"train_config.enable_center_crop = true"})->Record()->preprocess().crop_margin(),
            32);
}

// What the network sees of the first picture for a use.
std::vector<float> InputOf(const Network& network, const ModelRecord& record, DataUse use,
                           uint64_t draw) {
  const auto opened = network.OpenData(use, record, false, 1);
  EXPECT_THAT(opened, IsOk());
  const auto prepared = network.Prepare((**opened).source, record, use);
  EXPECT_THAT(prepared, IsOk());
  Tensor input = Tensor::Zeros(DType::kFloat32, (*prepared)->input_shape());
  Philox random(draw, 0, 0, RandomPurpose::kAugmentation);
  EXPECT_THAT((*prepared)->Prepare(0, random, input.data<float>()).status(), IsOk());
  return {input.data<float>().begin(), input.data<float>().end()};
}

TEST_F(ClassificationNetworkTest, ATrainingSeesWhatAValidationSeesButForItsAugmentation) {
  const auto plain = MakeNetwork({"train_config.disable_horizontal_flip = true"});
  const ModelRecord record = *plain->Record();
  const auto validated = InputOf(*plain, record, DataUse::kValidation, 1);
  EXPECT_EQ(InputOf(*plain, record, DataUse::kTraining, 1), validated);
  // BGR less its mean.
  EXPECT_NEAR(validated[1], 30 - 103.939, 30);
  const auto cropped = MakeNetwork({"train_config.enable_random_crop = true"});
  EXPECT_NE(InputOf(*cropped, record, DataUse::kTraining, 1),
            InputOf(*cropped, record, DataUse::kTraining, 2));
  EXPECT_EQ(InputOf(*cropped, record, DataUse::kValidation, 2), validated);
}

// What changes the pictures of a training is part of what it is.
TEST_F(ClassificationNetworkTest, TheCropOfATrainingIsPartOfItsIdentity) {
  for (const absl::string_view name : FieldsOf("classification").not_of_the_weights) {
    EXPECT_NE(name, "enable_center_crop");
  }
}

TEST_F(ClassificationNetworkTest, DeepStreamHasOneFactorForAllDeviations) {
  const NetworkFamily& family = **FindNetwork("classification");
  const ModelRecord record = Build({"train_config.preprocess_mode = \"torch\""}).record;
  // 1 / 255 over the mean of 0.229, 0.224 and 0.225.
  EXPECT_THAT(family.DeepStreamFiles(record, "/out", "").at("nvinfer_config.txt"),
              AllOf(StartsWith("net-scale-factor=0.01735"), HasSubstr("deviation of its own")));
}

TEST_F(ClassificationNetworkTest, TheSpecOfAnotherNetworkIsRefused) {
  ModelRecord other;
  other.set_network("ssd");
  EXPECT_THAT(CheckBelongs(*MakeNetwork(), other),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("is of network 'ssd'; the spec is for 'classification'")));
  EXPECT_THAT(CheckBelongs(*MakeNetwork(), Build().record), IsOk());
}

TEST_F(ClassificationNetworkTest, AFolderThatIsNotThereIsNamed) {
  const auto network = MakeNetwork({"train_config.train_dataset_path = \"/nowhere/train\""});
  EXPECT_THAT(network->Build(), StatusIs(absl::StatusCode::kNotFound, HasSubstr("/nowhere/train")));
}

TEST_F(ClassificationNetworkTest, AServiceLearnsWhereDataAndModelsLie) {
  const auto prepare = [&](spec::SpecUse use) {
    return *PrepareSpec("classification", SmallClassificationSpec(folder_.path()), "spec.txt",
                        {"train_config.pretrained_model_path = \"/m/a.tlt\"",
                         "eval_config.model_path = \"/m/b.tlt\""},
                        use, [](absl::string_view path) { return std::string(path); });
  };
  const PreparedSpec trained = prepare(spec::SpecUse::kTrain);
  EXPECT_EQ(trained.initial_model, "/m/a.tlt");
  EXPECT_EQ(trained.model_field, "train_config.pretrained_model_path");
  ASSERT_THAT(trained.data, SizeIs(3));
  EXPECT_TRUE(trained.data[0].is_read && trained.data[1].is_read && !trained.data[2].is_read);
  const PreparedSpec judged = prepare(spec::SpecUse::kEvaluate);
  EXPECT_EQ(judged.judged_model, "/m/b.tlt");
  EXPECT_EQ(judged.judged_field, "eval_config.model_path");
  EXPECT_TRUE(!judged.data[0].is_read && judged.data[2].is_read);
}

TEST_F(ClassificationNetworkTest, AModelsOwnFieldsAreToldFromTheSpecs) {
  const ModelRecord ours = Build({"train_config.preprocess_mode = \"torch\""}).record;
  const ModelRecord theirs = Build({"model_config.n_layers = 18"}).record;
  EXPECT_THAT(OverriddenFields(ours, theirs, false),
              ElementsAre("model_config.arch with n_layers is resnet10, the model has resnet18",
                          StartsWith("train_config.preprocess_mode with image_mean is (x - [123.675")));
  EXPECT_THAT(OverriddenFields(ours, ours, true), IsEmpty());
}

}  // namespace
}  // namespace trainyard::networks
