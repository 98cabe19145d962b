#include "libs/pretrained/entry.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/graph/builder.h"
#include "libs/layers/backbone.h"
#include "tests/support/status_matchers.h"

namespace trainyard::pretrained {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::StatusIs;

TEST(BuiltInModelsTest, AreTheThreePublicLites) {
  std::vector<std::string> names, sizes;
  for (const PretrainedModel& model : BuiltInModels()) {
    names.push_back(model.name());
    sizes.push_back(PixelsText(model.preprocess()));
    EXPECT_THAT(CheckModelName(model.name()), IsOk());
    EXPECT_THAT(model.weights_sha256(), SizeIs(64));
    // The packages' files carry the first letters of their digests.
    EXPECT_THAT(model.origin().member(), EndsWith(model.weights_sha256().substr(0, 8) + ".pth"));
    EXPECT_EQ(model.licence(), "Apache-2.0");
    EXPECT_EQ(model.network(), "backbone");
  }
  EXPECT_THAT(names, ElementsAre("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2"));
  EXPECT_THAT(sizes, ElementsAre("(x - 127) / 128, RGB, 224x224", "(x - 127) / 128, RGB, 240x240",
                                 "(x - 127) / 128, RGB, 260x260"));
}

// The table's counts were taken from the packages' files, without their classifiers.
TEST(BuiltInModelsTest, TheirBackbonesHaveAsManyParametersAsTheFiles) {
  for (const PretrainedModel& model : BuiltInModels()) {
    graph::GraphBuilder builder("backbone");
    const layers::FeatureMap input{builder.Input("Input", {-1, 3, 64, 64}), 3, 64, 64};
    const auto options = layers::BackboneOfName(model.backbone());
    ASSERT_THAT(options, IsOk());
    const layers::FeatureMap map = layers::AddBackbone(builder, *options, input)->output();
    builder.Output(map.value, {-1, map.channels, map.height, map.width});
    const int64_t limits_of_relu6 = 2;
    EXPECT_EQ(std::move(builder).Finish()->ParameterCount() - limits_of_relu6, model.parameters());
  }
}

TEST(FindBuiltInTest, MissesQuietly) {
  EXPECT_EQ(FindBuiltIn("efficientnet_lite9"), nullptr);
  EXPECT_EQ(FindBuiltIn("efficientnet_lite1")->preprocess().width(), 240);
}

TEST(CheckModelNameTest, ANameIsOnePartOfAPath) {
  for (const std::string& name : {std::string("a"), std::string("resnet18.v2"),
                                  std::string("My-model_3"), std::string(64, 'x')}) {
    EXPECT_THAT(CheckModelName(name), IsOk()) << name;
  }
  for (const std::string& name :
       {std::string(), std::string("../a"), std::string("a/b"), std::string(".hidden"),
        std::string("-k"), std::string("a b"), std::string("a\0b", 3), std::string("\xc3\xa4"),
        std::string(65, 'x')}) {
    EXPECT_THAT(CheckModelName(name), StatusIs(absl::StatusCode::kInvalidArgument)) << name;
  }
  EXPECT_THAT(CheckModelName("../a"), StatusIs(absl::StatusCode::kInvalidArgument,
                                               HasSubstr("a model cannot be called '../a'")));
}

TEST(BackboneOfNameTest, NamesTheNearest) {
  EXPECT_EQ(layers::BackboneOfName("resnet18")->n_layers, 18);
  EXPECT_EQ(layers::BackboneOfName("squeezenet")->arch, "squeezenet");
  EXPECT_THAT(layers::BackboneOfName("resnet19"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("backbone is 'resnet19'"), HasSubstr("did you mean"))));
}

TEST(PixelsTextTest, SaysWhatNobodySaid) {
  model::v1::Preprocess preprocess;
  preprocess.set_width(64);
  preprocess.set_height(32);
  preprocess.set_order(model::v1::Preprocess::BGR);
  EXPECT_EQ(PixelsText(preprocess), "BGR, 64x32; pixels not known");
  for (const float mean : {1.f, 2.f, 3.f}) preprocess.add_mean(mean);
  preprocess.set_scale(0.25f);
  EXPECT_EQ(PixelsText(preprocess), "(x - (1, 2, 3)) / 4, BGR, 64x32");
}

}  // namespace
}  // namespace trainyard::pretrained
