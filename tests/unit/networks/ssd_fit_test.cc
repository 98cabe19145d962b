#include "libs/networks/ssd/ssd_fit.h"

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/networks/fit_rules.h"
#include "libs/networks/registry.h"
#include "libs/networks/ssd/ssd_builder.h"
#include "libs/networks/ssd/ssd_network.h"
#include "tests/support/status_matchers.h"

namespace trainyard::networks {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::IsOk;
using testing::StatusIs;
using worker::v1::DataProfile;

void SetPart(const std::string& name, int pictures, DataProfile::Part* part) {
  part->set_images("/out/data/" + name + "/images");
  part->set_labels("/out/data/" + name + "/labels");
  part->set_pictures(pictures);
}

// Pictures of 640 x 480 with objects of one class a size: `sides` in pixels.
DataProfile ProfileOf(int training, const std::vector<double>& sides) {
  DataProfile profile;
  SetPart("training", training, profile.mutable_training());
  SetPart("validation", training / 5, profile.mutable_validation());
  SetPart("probe", 16, profile.mutable_probe());
  profile.set_picture_width(640);
  profile.set_picture_height(480);
  for (size_t i = 0; i < sides.size(); ++i) {
    profile.add_classes()->set_name(std::string(1, static_cast<char>('a' + i)));
    for (int k = 0; k < 50; ++k) {
      profile.add_object_widths(static_cast<float>(sides[i] / 640));
      profile.add_object_heights(static_cast<float>(sides[i] / 480));
      profile.add_object_classes(static_cast<int>(i));
    }
  }
  return profile;
}

FitLimits LimitsOf(double minutes, int threads = 2) {
  return {.minutes = minutes, .threads = threads, .folder = "/out", .key = "env:KEY"};
}

SsdFit Choose(const DataProfile& profile, const FitLimits& limits,
              std::vector<std::string>* warnings = nullptr) {
  std::vector<FitChoice> choices;
  std::vector<std::string> ignored;
  const auto fit =
      ChooseSsdFit(profile, limits, &choices, warnings == nullptr ? &ignored : warnings);
  EXPECT_THAT(fit, IsOk());
  return fit.ok() ? *fit : SsdFit();
}

// The cost of an input that the rules go by is that of the graph.
TEST(SsdFitTest, MacsOfAPixelAreThoseOfTheGraph) {
  for (const SsdFitBackbone& backbone : kSsdFitRules.backbones) {
    const auto ssd =
        BuildSsd({.depth = backbone.depth, .width = 256, .height = 192, .classes = 3}, 1);
    ASSERT_THAT(ssd, IsOk());
    const auto macs = ssd->graph.MacCount();
    ASSERT_THAT(macs, IsOk());
    EXPECT_NEAR(static_cast<double>(*macs) / (256 * 192) / backbone.macs_per_pixel, 1, 0.12)
        << backbone.depth;
  }
}

TEST(SsdFitTest, LargeObjectsTakeTheSmallestInputAndKeepThePicturesShape) {
  const SsdFit fit = Choose(ProfileOf(400, {160}), LimitsOf(10));
  // 24 px of 160 * 128 / 480 = 43 are there already.
  EXPECT_EQ(fit.height, 128);
  EXPECT_EQ(fit.width, 176);
  EXPECT_EQ(fit.depth, 10);
}

TEST(SsdFitTest, TallPicturesTakeTallInputsAndLongOnesAreSqueezed) {
  DataProfile profile = ProfileOf(400, {160});
  profile.set_picture_width(480);
  profile.set_picture_height(640);
  const SsdFit tall = Choose(profile, LimitsOf(10));
  EXPECT_EQ(tall.width, 128);
  EXPECT_EQ(tall.height, 176);
  profile.set_picture_width(4800);
  profile.set_picture_height(640);
  EXPECT_EQ(Choose(profile, LimitsOf(30)).width, 256);
}

TEST(SsdFitTest, SmallObjectsTakeALargerInputAsFarAsTheTimeGoes) {
  // 40 of 480: 24 px want 288. The smallest class counts, not the many large objects.
  const DataProfile profile = ProfileOf(250, {100, 200, 40});
  EXPECT_EQ(Choose(profile, LimitsOf(24 * 60)).height, 288);
  const SsdFit short_of_time = Choose(profile, LimitsOf(25));
  EXPECT_GE(short_of_time.height, 160);
  EXPECT_LE(short_of_time.height, 208);
  EXPECT_EQ(Choose(profile, LimitsOf(3)).height, 128);
}

TEST(SsdFitTest, NoInputIsLargerThanThePictures) {
  DataProfile profile = ProfileOf(250, {5});
  profile.set_picture_width(200);
  profile.set_picture_height(150);
  EXPECT_EQ(Choose(profile, LimitsOf(24 * 60)).height, 160);
}

TEST(SsdFitTest, ALongTimeOrAFastMachineTakesTheLargerBackbone) {
  const DataProfile profile = ProfileOf(250, {100});
  EXPECT_EQ(Choose(profile, LimitsOf(25)).depth, 10);
  EXPECT_EQ(Choose(profile, LimitsOf(25, 64)).depth, 18);
  FitLimits gpu = LimitsOf(25);
  gpu.has_gpu = true;
  const SsdFit on_gpu = Choose(profile, gpu);
  EXPECT_EQ(on_gpu.depth, 18);
  EXPECT_EQ(on_gpu.batch_size, kSsdFitRules.gpu_batch);  // eight steps
  EXPECT_EQ(Choose(ProfileOf(220, {100}), gpu).batch_size, kSsdFitRules.gpu_batch / 2);
}

TEST(SsdFitTest, AMeasuredRateCountsMoreThanTheTable) {
  FitLimits limits = LimitsOf(25);
  const SsdFit guessed = Choose(ProfileOf(250, {100}), limits);
  limits.macs_per_second = 2 * 12.5e9 / 4;
  const SsdFit slower = Choose(ProfileOf(250, {100}), limits);
  EXPECT_EQ(slower.width, guessed.width);
  EXPECT_NEAR(static_cast<double>(guessed.epochs) / slower.epochs, 4, 0.3);
}

TEST(SsdFitTest, EpochsFillTheTime) {
  const FitLimits limits = LimitsOf(25);
  const SsdFit fit = Choose(ProfileOf(250, {100}), limits);
  const double rate = 25e9 / fit.macs_per_picture;
  const double training = fit.epochs * 256 / rate;  // 16 steps of 16
  const double validation = kFitRules.validations * 50 * kFitRules.validation_cost / rate;
  const double seconds = 25 * 60 * (1 - kFitRules.reserve_share) - kFitRules.reserve_seconds;
  EXPECT_LE(training + validation, seconds);
  EXPECT_GT(training + validation, 0.97 * seconds);
  EXPECT_EQ(fit.validation_period, fit.epochs / kFitRules.validations);
}

TEST(SsdFitTest, SmallSetsHaveSmallBatchesAndABound) {
  const SsdFit fit = Choose(ProfileOf(20, {100}), LimitsOf(600));
  EXPECT_EQ(fit.batch_size, kSsdFitRules.small_batch);
  EXPECT_EQ(fit.epochs, kSsdFitRules.most_epochs);
  EXPECT_DOUBLE_EQ(fit.max_rate, 4e-3);
  EXPECT_EQ(Choose(ProfileOf(400, {100}), LimitsOf(25)).batch_size, 16);
  EXPECT_DOUBLE_EQ(Choose(ProfileOf(400, {100}), LimitsOf(25)).max_rate, 8e-3);
}

TEST(SsdFitTest, ClassesOfFewObjectsHaveBoxesToo) {
  // 50 small objects beside 5,000 large ones.
  DataProfile profile = ProfileOf(250, {30, 200});
  for (int i = 0; i < 4950; ++i) {
    profile.add_object_widths(200.f / 640);
    profile.add_object_heights(200.f / 480);
    profile.add_object_classes(1);
  }
  const SsdFit fit = Choose(profile, LimitsOf(25));
  // The large ones alone would begin at 0.7 * 200 / 480 or more.
  EXPECT_LT(fit.shapes.scales[0], 0.12);
}

TEST(SsdFitTest, TooLittleTimeIsSaid) {
  std::vector<std::string> warnings;
  const SsdFit fit = Choose(ProfileOf(100'000, {100}), LimitsOf(5), &warnings);
  EXPECT_EQ(fit.epochs, 1);
  EXPECT_THAT(warnings, Contains(HasSubstr("one epoch takes")));
  warnings.clear();
  Choose(ProfileOf(250, {20}), LimitsOf(4), &warnings);
  EXPECT_THAT(warnings, Contains(HasSubstr("objects of 'a' are 5.3 px long")));
  EXPECT_THAT(warnings, Contains(HasSubstr("more --minutes give a better model")));
}

TEST(SsdFitTest, AugmentationGoesByTheSizeOfObjects) {
  const SsdFit large = Choose(ProfileOf(250, {240}), LimitsOf(25));
  EXPECT_EQ(large.crop_min_scale, kSsdFitRules.crop_of_large);
  EXPECT_EQ(large.zoom_out_max_scale, kSsdFitRules.most_zoom_out);
  DataProfile profile = ProfileOf(250, {40});
  profile.set_is_grey(true);
  const SsdFit small = Choose(profile, LimitsOf(3));  // 10.7 px at 128
  EXPECT_EQ(small.crop_min_scale, kSsdFitRules.crop_of_small);
  EXPECT_EQ(small.zoom_out_max_scale, 1);
  EXPECT_FALSE(small.changes_colours);
}

TEST(SsdFitTest, AStartGivesItsBackboneAndALowerRate) {
  FitLimits limits = LimitsOf(25);
  limits.start_model = "/models/mine.tlt";
  limits.start_arch = "resnet18";
  const SsdFit fit = Choose(ProfileOf(250, {100}), limits);
  EXPECT_EQ(fit.depth, 18);
  EXPECT_DOUBLE_EQ(fit.max_rate, 4e-3);
  EXPECT_EQ(SsdFitSpec(fit, ProfileOf(250, {100}), limits).training_config().pretrain_model_path(),
            "/models/mine.tlt");
  limits.start_arch = "efficientnet_lite0";
  std::vector<FitChoice> choices;
  std::vector<std::string> warnings;
  EXPECT_THAT(ChooseSsdFit(ProfileOf(250, {100}), limits, &choices, &warnings),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("'efficientnet_lite0'")));
}

TEST(SsdFitTest, EmptyProfilesAreRefusedWithAllThatIsMissing) {
  std::vector<FitChoice> choices;
  std::vector<std::string> warnings;
  EXPECT_THAT(ChooseSsdFit(DataProfile(), {.minutes = 0}, &choices, &warnings),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("no training picture"), HasSubstr("no class"),
                             HasSubstr("no object"), HasSubstr("minutes is 0"))));
}

TEST(FitSsdTest, TheSpecIsOneThatTheNetworkTakes) {
  DataProfile profile = ProfileOf(250, {100, 200, 40});
  profile.mutable_classes(0)->set_name("traffic \"light\"");
  const auto plan = FitSsd(profile, LimitsOf(25));
  ASSERT_THAT(plan, IsOk());
  const NetworkFamily& ssd = **FindNetwork("ssd");
  for (const spec::SpecUse use : {spec::SpecUse::kTrain, spec::SpecUse::kEvaluate,
                                  spec::SpecUse::kInference, spec::SpecUse::kExport}) {
    std::vector<std::string> warnings;
    const auto spec = ssd.Load(plan->files.at("specs/train.txt"), "train.txt", {}, use, &warnings);
    ASSERT_THAT(spec, IsOk());
    EXPECT_THAT(warnings, IsEmpty());
    ASSERT_THAT(ssd.Create(ssd.Load(plan->files.at("specs/train.txt"), "", {}, use, nullptr).value()),
                IsOk());
  }
  const SsdFit fit = Choose(profile, LimitsOf(25));
  EXPECT_THAT(plan->files.at("specs/train.txt"),
              HasSubstr(absl::StrCat("output_width: ", fit.width, "\n")));
}

TEST(FitSsdTest, ThePipelineJudgesOnTestDataWhereThereAreSome) {
  DataProfile profile = ProfileOf(250, {100});
  const auto without = FitSsd(profile, LimitsOf(25));
  ASSERT_THAT(without, IsOk());
  EXPECT_THAT(without->files.at("pipeline.yaml"),
              AllOf(HasSubstr("key: \"env:KEY\""), HasSubstr("results: \"/out/results\""),
                    HasSubstr("kind: evaluate_engine"), Not(HasSubstr("validation_data_sources")),
                    Not(HasSubstr("prune"))));
  SetPart("test", 70, profile.mutable_test());
  const auto with = FitSsd(profile, LimitsOf(25));
  ASSERT_THAT(with, IsOk());
  EXPECT_THAT(with->files.at("pipeline.yaml"),
              HasSubstr("dataset_config.validation_data_sources = { image_directory_path: "
                        "\\\"/out/data/test/images\\\""));
}

TEST(FitSsdTest, PruningTakesAPartOfTheTime) {
  const DataProfile profile = ProfileOf(250, {100});
  FitLimits limits = LimitsOf(25);
  const SsdFit whole = Choose(profile, limits);
  limits.remove = 0.5;
  const SsdFit pruned = Choose(profile, limits);
  EXPECT_LT(pruned.epochs, whole.epochs);
  EXPECT_GT(pruned.retrain_epochs, 0);
  const auto plan = FitSsd(profile, limits);
  ASSERT_THAT(plan, IsOk());
  EXPECT_THAT(plan->files.at("pipeline.yaml"),
              AllOf(HasSubstr("remove: 0.5"), HasSubstr("${stage.retrain.outputs.best}")));
  EXPECT_EQ(SsdFitSpec(pruned, profile, limits).training_config().regularizer().type(),
            spec::common::v1::RegularizerConfig::L1);
}

}  // namespace
}  // namespace trainyard::networks
