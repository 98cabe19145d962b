#include "libs/networks/ssd/ssd_network.h"

#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/networks/ssd/anchors.h"
#include "tests/support/ssd_spec_text.h"
#include "tests/support/status_matchers.h"

namespace trainyard::networks {
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
using ::trainyard::testing::IsOk;
using ::trainyard::testing::SmallSsdSpec;
using ::trainyard::testing::StatusIs;

std::unique_ptr<SsdNetwork> Make(const std::string& text) {
  auto experiment = LoadExperiment(text, "spec", {}, spec::SpecUse::kTrain, nullptr);
  EXPECT_THAT(experiment, IsOk());
  auto network = SsdNetwork::Create(*experiment);
  EXPECT_THAT(network, IsOk());
  return *std::move(network);
}

std::string With(const std::string& from, const std::string& to) {
  return absl::StrReplaceAll(SmallSsdSpec(), {{from, to}});
}

TEST(SsdNetworkTest, TheRecordSaysAllThatDetectionNeeds) {
  absl::StatusOr<Model> model = Make(SmallSsdSpec())->Build();
  ASSERT_THAT(model, IsOk());
  const ModelRecord& record = model->record;
  EXPECT_EQ(record.network(), "ssd");
  EXPECT_EQ(record.arch(), "resnet10");
  EXPECT_THAT(record.classes(), ElementsAre("car", "person"));
  EXPECT_EQ(record.preprocess().width(), 128);
  EXPECT_EQ(record.preprocess().order(), model::v1::Preprocess::BGR);
  EXPECT_THAT(record.preprocess().mean(), ElementsAre(103.939f, 116.779f, 123.68f));
  EXPECT_EQ(record.preprocess().scale(), 1);
  const model::v1::SsdHead& head = record.ssd();
  EXPECT_EQ(head.confidence_output(), "mbox_conf");
  EXPECT_THAT(head.variances(), ElementsAre(0.1, 0.1, 0.2, 0.2));
  EXPECT_FLOAT_EQ(head.nms_iou_threshold(), 0.6f);
  EXPECT_EQ(head.top_k(), 200);
  EXPECT_FALSE(record.training().pruned());
}

TEST(SsdNetworkTest, TheGraphHasOneRowForEachAnchorOfTheHead) {
  absl::StatusOr<Model> model = Make(SmallSsdSpec())->Build();
  ASSERT_THAT(model, IsOk());
  const auto shapes = model->graph.InferShapes();
  ASSERT_THAT(shapes, IsOk());
  const int64_t anchors = AnchorCount(model->record.ssd());
  EXPECT_EQ(anchors, (16 * 16 + 8 * 8 + 4 * 4 + 2 * 2 + 1 + 1) * 4);
  EXPECT_THAT(shapes->at("mbox_conf"), ElementsAre(-1, anchors, 3));
  EXPECT_THAT(shapes->at("mbox_loc"), ElementsAre(-1, anchors, 4));
}

TEST(SsdNetworkTest, MapsHaveAnEvenGridUnlessTheSpecSaysOtherwise) {
  const std::string wide =
      absl::StrReplaceAll(SmallSsdSpec(), {{"output_width: 128", "output_width: 200"}});
  const auto even = Make(wide)->Build();
  ASSERT_THAT(even, IsOk());
  EXPECT_DOUBLE_EQ(even->record.ssd().maps(0).step_x(), 200.0 / 25);
  EXPECT_DOUBLE_EQ(even->record.ssd().maps(1).step_x(), 200.0 / 13);
  EXPECT_DOUBLE_EQ(even->record.ssd().maps(1).step_y(), 128.0 / 8);
  EXPECT_DOUBLE_EQ(even->record.ssd().maps(1).offset_x(), 0.5);
  EXPECT_DOUBLE_EQ(even->record.ssd().maps(5).next_scale(), 0.96);

  const auto given = Make(With("arch:",
                               "steps: \"[[8, 9], 16, 32, 64, 128, 128]\" "
                               "offsets: \"[0.4, 0.5, 0.5, 0.5, 0.5, 0.5]\" arch:"))
                         ->Build();
  ASSERT_THAT(given, IsOk());
  EXPECT_DOUBLE_EQ(given->record.ssd().maps(0).step_y(), 8);
  EXPECT_DOUBLE_EQ(given->record.ssd().maps(0).step_x(), 9);
  EXPECT_DOUBLE_EQ(given->record.ssd().maps(0).offset_y(), 0.4);
}

TEST(SsdNetworkTest, AllConvolutionKernelsAndNothingElseAreRegularized) {
  absl::StatusOr<Model> model = Make(SmallSsdSpec())->Build();
  ASSERT_THAT(model, IsOk());
  const model::v1::TrainingFlags& flags = model->record.training();
  EXPECT_THAT(flags.regularized(), Each(HasSubstr("/kernel")));
  EXPECT_THAT(flags.regularized(), SizeIs(1 + 12 + 8 + 12));
  EXPECT_THAT(flags.frozen(), IsEmpty());
  EXPECT_THAT(flags.frozen_batch_norm(), IsEmpty());
}

TEST(SsdNetworkTest, FreezeBlocksFreezesTheirConvolutionsAlone) {
  absl::StatusOr<Model> model =
      Make(With("nlayers: 10", "nlayers: 10 freeze_blocks: 0 freeze_blocks: 2"))->Build();
  ASSERT_THAT(model, IsOk());
  EXPECT_THAT(model->record.training().frozen(),
              ElementsAre("conv1/kernel", "block_2a_conv_1/kernel", "block_2a_conv_2/kernel",
                          "block_2a_conv_shortcut/kernel"));
  EXPECT_THAT(model->record.training().frozen_batch_norm(), IsEmpty());
}

TEST(SsdNetworkTest, FreezeBnFreezesAllNormalizationsWithTheirParameters) {
  absl::StatusOr<Model> model = Make(With("nlayers: 10", "nlayers: 10 freeze_bn: true"))->Build();
  ASSERT_THAT(model, IsOk());
  const model::v1::TrainingFlags& flags = model->record.training();
  EXPECT_THAT(flags.frozen_batch_norm(), SizeIs(1 + 4 * 3 + 4));
  EXPECT_THAT(flags.frozen_batch_norm(), Contains("ssd_expand_block_4_bn_1"));
  EXPECT_THAT(flags.frozen(), AllOf(SizeIs(2 * 17), Contains("bn_conv1/gamma"),
                                    Contains("bn_conv1/beta"), Not(Contains("conv1/kernel"))));
}

TEST(SsdNetworkTest, GreyInputHasOneMean) {
  absl::StatusOr<Model> model = Make(With("output_channel: 3", "output_channel: 1"))->Build();
  ASSERT_THAT(model, IsOk());
  EXPECT_EQ(model->record.preprocess().order(), model::v1::Preprocess::GRAY);
  EXPECT_THAT(model->record.preprocess().mean(), ElementsAre(117.3786f));
  EXPECT_EQ(model->graph.Initializer("conv1/kernel")->dim(1), 1);
}

TEST(SsdNetworkTest, TheTrainingPlanIsTheSpec) {
  const TrainingPlan plan = Make(SmallSsdSpec())->training_plan();
  EXPECT_EQ(plan.seed, 7u);
  EXPECT_EQ(plan.batch_size, 4);
  EXPECT_EQ(plan.epochs, 6);
  const auto& rate = std::get<SoftStartSchedule>(plan.learning_rate);
  EXPECT_FLOAT_EQ(rate.max_rate, 2e-2f);
  EXPECT_FLOAT_EQ(rate.annealing, 0.8f);
  EXPECT_EQ(plan.regularizer, Regularizer::kL1);
  EXPECT_FLOAT_EQ(plan.regularizer_weight, 3e-5f);
  EXPECT_EQ(std::get<SgdPlan>(plan.optimizer).momentum, 0.9);
  EXPECT_EQ(plan.checkpoint_interval, 1);
  EXPECT_EQ(plan.max_queue_size, 20);
  EXPECT_EQ(plan.validation_period, 2);
  EXPECT_FALSE(plan.early_stopping.has_value());
}

TEST(SsdNetworkTest, TheDataPlanIsTheSpec) {
  const tasks::BoxDataPlan plan = Make(SmallSsdSpec())->data_plan();
  EXPECT_EQ(plan.validation_fold, -1);
  EXPECT_THAT(plan.class_mapping,
              ElementsAre(Pair("car", "car"), Pair("person", "person"), Pair("van", "car")));
  ASSERT_THAT(plan.data_sources, SizeIs(1));
  EXPECT_EQ(plan.data_sources[0].image_dir, "/data/images");
  EXPECT_EQ(plan.validation_sources[0].label_dir, "/data/val_labels");
  EXPECT_EQ(Make(SmallSsdSpec())->augmentation().zoom_out_max_scale, 4.0);
}

TEST(SsdNetworkTest, AnExplicitZeroSwitchesAnAugmentationOff) {
  const data::AugmentationOptions options =
      Make(With("output_channel: 3", "output_channel: 3 hue: 0 random_flip: 0"))->augmentation();
  EXPECT_EQ(options.hue, 0);
  EXPECT_EQ(options.random_flip, 0);
  EXPECT_EQ(options.brightness, 32);
}

TEST(SsdNetworkTest, RecordsWinOverLabelFilesAndKeepTheFolderOfTheirPictures) {
  const tasks::BoxDataPlan plan =
      Make(With("data_sources { label_directory_path: \"/data/labels\"",
                "data_sources { tfrecords_path: \"/data/records/kitti\" "
                "label_directory_path: \"/data/labels\""))
          ->data_plan();
  EXPECT_EQ(plan.data_sources[0].tfrecords, "/data/records/kitti");
  // Records of DetectNet_v2 name pictures below it.
  EXPECT_EQ(plan.data_sources[0].image_dir, "/data/images");
  EXPECT_EQ(plan.data_sources[0].label_dir, "");
}

TEST(SsdNetworkTest, TheEvaluationPlanIsTheSpec) {
  const auto network = Make(SmallSsdSpec());
  const tasks::EvaluationPlan plan = network->evaluation_plan();
  EXPECT_EQ(plan.ap_mode, tasks::ApMode::kIntegrate);
  EXPECT_EQ(plan.matching, tasks::Matching::kTao);
  EXPECT_EQ(plan.iou_threshold, 0.5);
  EXPECT_EQ(network->evaluation_batch_size(), 8);
}

TEST(SsdNetworkTest, InferenceSettingsReplaceThoseOfARecord) {
  ModelRecord record;
  record.mutable_ssd()->set_top_k(3);
  record.mutable_ssd()->set_clip_boxes(true);
  Make(SmallSsdSpec())->ApplyInferenceSettings(record);
  EXPECT_EQ(record.ssd().top_k(), 200);
  EXPECT_FLOAT_EQ(record.ssd().confidence_threshold(), 0.05f);
  EXPECT_TRUE(record.ssd().clip_boxes()) << "anchors are the model's own";
}

TEST(SsdNetworkTest, LossOptionsHaveTaosDefaults) {
  EXPECT_EQ(Make(SmallSsdSpec())->loss_options().neg_pos_ratio, 3);
  EXPECT_EQ(Make(With("nlayers: 10", "nlayers: 10 alpha: 2.5"))->loss_options().alpha, 2.5);
}

TEST(SsdNetworkTest, TargetsHaveOneRowForEachAnchor) {
  const auto network = Make(SmallSsdSpec());
  const auto model = network->Build();
  ASSERT_THAT(model, IsOk());
  const auto encoder = network->MakeTargetEncoder(model->record);
  ASSERT_THAT(encoder, IsOk());
  // Exactly the first anchor of the middle cell (8, 8) of the first map: centre 68, side 0.08 *
  // 128.
  const float side = 0.08f * 128;
  const data::LabelledBox box{.box = {68 - side / 2, 68 - side / 2, 68 + side / 2, 68 + side / 2},
                              .class_id = 2};
  const auto targets = (*encoder)({box});
  ASSERT_THAT(targets, IsOk());
  ASSERT_THAT(*targets, SizeIs(2));
  EXPECT_THAT((*targets)[1].shape(), ElementsAre(AnchorCount(model->record.ssd()), 4));
  const int64_t anchor = (8 * 16 + 8) * 4;
  EXPECT_EQ((*targets)[0].data<int32_t>()[anchor], 2);
  for (int k = 0; k < 4; ++k) {
    EXPECT_NEAR((*targets)[1].data<float>()[anchor * 4 + k], 0, 1e-4);
  }
}

TEST(SsdNetworkTest, RefusesByName) {
  auto experiment = LoadExperiment(SmallSsdSpec(), "spec", {}, spec::SpecUse::kTrain, nullptr);
  ASSERT_THAT(experiment, IsOk());
  experiment->mutable_ssd_config()->set_arch("vgg");
  EXPECT_THAT((*SsdNetwork::Create(*experiment))->Build(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("ssd_config: nlayers is 10; SSD is offered on vgg with 16, 19")));
  experiment->mutable_ssd_config()->set_arch("resnet");
  experiment->mutable_dataset_config()->clear_target_class_mapping();
  EXPECT_THAT(
      (*SsdNetwork::Create(*experiment))->Build(),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("target_class_mapping is empty")));
  experiment->clear_ssd_config();
  EXPECT_THAT(SsdNetwork::Create(*experiment),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("ssd_config is missing")));
}

}  // namespace
}  // namespace trainyard::networks
