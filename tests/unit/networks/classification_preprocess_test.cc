#include "libs/networks/classification/classification_preprocess.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/data/preprocess.h"
#include "libs/networks/classification/classification_spec.h"
#include "tests/support/data_pictures.h"
#include "tests/support/status_matchers.h"

namespace trainyard::networks {
namespace {

using model::v1::Preprocess;
using spec::classification::v1::Experiment;
using spec::classification::v1::ModelConfig;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::IsOk;

Experiment Of(const std::string& size, const std::string& mode) {
  Experiment experiment;
  experiment.mutable_model_config()->set_input_image_size(size);
  if (!mode.empty()) experiment.mutable_train_config()->set_preprocess_mode(mode);
  return experiment;
}

// What the network sees of a pixel.
std::vector<float> See(const Preprocess& preprocess, testing::Rgb rgb) {
  std::vector<float> planes(
      static_cast<size_t>(data::ChannelsOf(preprocess) * preprocess.width() * preprocess.height()));
  EXPECT_THAT(
      data::PreprocessImage(testing::PlainPicture(preprocess.width(), preprocess.height(), rgb),
                            preprocess, absl::MakeSpan(planes)),
      IsOk());
  std::vector<float> first;
  const auto plane = static_cast<size_t>(preprocess.width() * preprocess.height());
  for (size_t i = 0; i < planes.size(); i += plane) first.push_back(planes[i]);
  return first;
}

TEST(ClassificationPreprocessTest, WithoutATrainConfigTheDefaultsHold) {
  const Preprocess p = ClassificationPreprocess(Of("3,20,30", ""));
  EXPECT_THAT(data::CheckPreprocess(p), IsOk());
  EXPECT_EQ(p.width(), 30);
  EXPECT_EQ(p.height(), 20);
  EXPECT_EQ(p.order(), Preprocess::BGR);
  EXPECT_THAT(p.mean(), ElementsAre(103.939f, 116.779f, 123.68f));
  EXPECT_EQ(p.scale(), 1);
  EXPECT_THAT(p.std(), IsEmpty());
  EXPECT_EQ(p.resize(), Preprocess::STRETCH);
  EXPECT_EQ(p.crop_margin(), 0);
  EXPECT_EQ(p.interpolation(), Preprocess::BILINEAR);
}

TEST(ClassificationPreprocessTest, CaffeTakesTheMeanOfTheSpecBlueFirst) {
  Experiment experiment = Of("3,20,20", "caffe");
  auto& mean = *experiment.mutable_train_config()->mutable_image_mean();
  mean["r"] = 1, mean["g"] = 2, mean["b"] = 3;
  EXPECT_THAT(See(ClassificationPreprocess(experiment), {10, 20, 30}), ElementsAre(27, 18, 9));
  EXPECT_THAT(ClassificationPreprocess(Of("1,20,20", "caffe")).mean(), ElementsAre(117.3786f));
}

TEST(ClassificationPreprocessTest, TfGoesFromMinusOneToOneRedFirst) {
  const std::vector<float> seen = See(ClassificationPreprocess(Of("3,20,20", "tf")), {0, 255, 51});
  ASSERT_EQ(seen.size(), 3u);
  EXPECT_NEAR(seen[0], -1, 1e-6);
  EXPECT_NEAR(seen[1], 1, 1e-6);
  EXPECT_NEAR(seen[2], -0.6, 1e-6);
  EXPECT_NEAR(See(ClassificationPreprocess(Of("1,20,20", "tf")), {255, 255, 255})[0], 1, 1e-6);
}

TEST(ClassificationPreprocessTest, TorchHasImageNetsMeanAndDeviationRedFirst) {
  const std::vector<float> seen =
      See(ClassificationPreprocess(Of("3,20,20", "torch")), {255, 51, 0});
  ASSERT_EQ(seen.size(), 3u);
  EXPECT_NEAR(seen[0], (1 - 0.485) / 0.229, 1e-5);
  EXPECT_NEAR(seen[1], (0.2 - 0.456) / 0.224, 1e-5);
  EXPECT_NEAR(seen[2], -0.406 / 0.225, 1e-5);
  const Preprocess grey = ClassificationPreprocess(Of("1,20,20", "torch"));
  EXPECT_THAT(data::CheckPreprocess(grey), IsOk());
  EXPECT_NEAR(See(grey, {51, 51, 51})[0], (0.2 - 0.449) / 0.226, 1e-5);
}

TEST(ClassificationPreprocessTest, TakesCropAndInterpolation) {
  Experiment experiment = Of("3,20,20", "tf");
  experiment.mutable_train_config()->set_enable_center_crop(true);
  experiment.mutable_model_config()->set_resize_interpolation_method(ModelConfig::BICUBIC);
  const Preprocess p = ClassificationPreprocess(experiment);
  EXPECT_EQ(p.resize(), Preprocess::CENTER_CROP);
  EXPECT_EQ(p.crop_margin(), 32);
  EXPECT_EQ(p.interpolation(), Preprocess::BICUBIC);
}

TEST(ClassificationPreprocessTest, AppliedDefaultsChangeNothing) {
  for (const char* mode : {"", "caffe", "tf", "torch"}) {
    for (const char* size : {"1,20,20", "3,20,20"}) {
      Experiment experiment = Of(size, mode);
      const std::string before = ClassificationPreprocess(experiment).SerializeAsString();
      ApplyClassificationDefaults(&experiment);
      EXPECT_EQ(ClassificationPreprocess(experiment).SerializeAsString(), before) << mode << size;
    }
  }
}

}  // namespace
}  // namespace trainyard::networks
