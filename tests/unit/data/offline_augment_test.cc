#include "libs/data/offline_augment.h"

#include <cmath>
#include <filesystem>
#include <set>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/files.h"
#include "libs/spec/augment_spec.h"
#include "tests/support/data_pictures.h"
#include "tests/support/exif.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::data {
namespace {

using spec::augment::v1::AugmentConfig;
using ::testing::AllOf;
using testing::BoxAround;
using testing::ContentOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::KittiLine;
using testing::PaintBox;
using testing::PixelAt;
using testing::PlainPicture;
using testing::Rgb;
using ::testing::SizeIs;
using ::testing::StartsWith;
using testing::StatusIs;
using testing::TemporaryFolder;
using testing::WriteKittiFrame;

constexpr Rgb kBlue = {20, 20, 230};
constexpr Rgb kWhite = {250, 250, 250};

AugmentConfig Config() {
  AugmentConfig config;
  config.mutable_dataset_config()->set_image_path("images");
  config.mutable_dataset_config()->set_label_path("labels");
  return config;
}

KittiObject ObjectAt(const Box& box) {
  return ParseKittiLabels(KittiLine("nut", box), "", "").objects.at(0);
}

// A white picture of 100 x 60 with one painted object.
AugmentedSample Process(const AugmentConfig& config, const Box& box) {
  Tensor picture = PlainPicture(100, 60, kWhite);
  PaintBox(picture, box, kBlue);
  auto sample = AugmentSample(config, picture, {ObjectAt(box)});
  EXPECT_TRUE(sample.ok()) << sample.status();
  return sample.ok() ? *std::move(sample) : AugmentedSample{};
}

void ExpectNear(const Box& seen, const Box& expected, float slack) {
  EXPECT_NEAR(seen.x1, expected.x1, slack);
  EXPECT_NEAR(seen.y1, expected.y1, slack);
  EXPECT_NEAR(seen.x2, expected.x2, slack);
  EXPECT_NEAR(seen.y2, expected.y2, slack);
}

TEST(AugmentSampleTest, NeutralSettingsChangeNothing) {
  const AugmentedSample sample = Process(Config(), {10, 20, 40, 50});
  EXPECT_EQ(sample.image.shape(), (Shape{60, 100, 3}));
  EXPECT_EQ(BoxAround(sample.image, kBlue, 0), (Box{10, 20, 40, 50}));
  EXPECT_EQ(sample.objects.at(0).box, (Box{10, 20, 40, 50}));
}

TEST(AugmentSampleTest, TurnsCounterClockwiseAboutTheCentre) {
  AugmentConfig config = Config();
  config.mutable_spatial_config()->mutable_rotation_config()->set_angle(90);
  // Centre (50, 30); a quarter turn to the left takes (dx, dy) to (dy, -dx).
  const AugmentedSample sample = Process(config, {60, 30, 70, 50});
  ExpectNear(sample.objects.at(0).box, {50, 10, 70, 20}, 1e-3f);
  ExpectNear(BoxAround(sample.image, kBlue), {50, 10, 70, 20}, 1);
  config.mutable_spatial_config()->mutable_rotation_config()->set_angle(float(M_PI / 2));
  config.mutable_spatial_config()->mutable_rotation_config()->set_units("radians");
  ExpectNear(Process(config, {60, 30, 70, 50}).objects.at(0).box, {50, 10, 70, 20}, 1e-3f);
}

TEST(AugmentSampleTest, MirrorsOverEitherAxis) {
  AugmentConfig config = Config();
  config.mutable_spatial_config()->mutable_flip_config()->set_flip_horizontal(true);
  AugmentedSample sample = Process(config, {10, 20, 40, 50});
  EXPECT_EQ(sample.objects.at(0).box, (Box{60, 20, 90, 50}));
  EXPECT_EQ(BoxAround(sample.image, kBlue), (Box{60, 20, 90, 50}));
  config.mutable_spatial_config()->mutable_flip_config()->set_flip_vertical(true);
  sample = Process(config, {10, 20, 40, 50});
  EXPECT_EQ(sample.objects.at(0).box, (Box{60, 10, 90, 40}));
  EXPECT_EQ(BoxAround(sample.image, kBlue), (Box{60, 10, 90, 40}));
}

TEST(AugmentSampleTest, ShearsAboutTheCentreAndShifts) {
  AugmentConfig config = Config();
  config.mutable_spatial_config()->mutable_shear_config()->set_shear_ratio_x(0.5);
  // x' = x + (y - 30) / 2: the upper edge y = 20 moves by -5, the lower one y = 40 by +5.
  AugmentedSample sample = Process(config, {30, 20, 60, 40});
  ExpectNear(sample.objects.at(0).box, {25, 20, 65, 40}, 1e-3f);
  ExpectNear(BoxAround(sample.image, kBlue), {25, 20, 65, 40}, 1);
  config.mutable_spatial_config()->mutable_translation_config()->set_translate_x(10);
  config.mutable_spatial_config()->mutable_translation_config()->set_translate_y(-5);
  ExpectNear(Process(config, {30, 20, 60, 40}).objects.at(0).box, {35, 15, 75, 35}, 1e-3f);
  // y' = y + (x - 50) / 10: the left edge x = 30 moves by -2, the right one x = 60 by +1.
  config = Config();
  config.mutable_spatial_config()->mutable_shear_config()->set_shear_ratio_y(0.1);
  ExpectNear(Process(config, {30, 20, 60, 40}).objects.at(0).box, {30, 18, 60, 41}, 1e-3f);
}

TEST(AugmentSampleTest, TurnsBeforeItMirrors) {
  AugmentConfig config = Config();
  config.mutable_spatial_config()->mutable_rotation_config()->set_angle(90);
  config.mutable_spatial_config()->mutable_flip_config()->set_flip_horizontal(true);
  // Turned: (50, 10, 70, 20); mirrored over x = 50: (30, 10, 50, 20).
  ExpectNear(Process(config, {60, 30, 70, 50}).objects.at(0).box, {30, 10, 50, 20}, 1e-3f);
}

TEST(AugmentSampleTest, ResizesAtTheEnd) {
  AugmentConfig config = Config();
  config.mutable_spatial_config()->mutable_translation_config()->set_translate_x(10);
  config.set_output_image_width(200);
  config.set_output_image_height(30);
  const AugmentedSample sample = Process(config, {10, 20, 40, 50});
  EXPECT_EQ(sample.image.shape(), (Shape{30, 200, 3}));
  ExpectNear(sample.objects.at(0).box, {40, 10, 100, 25}, 1e-3f);
  ExpectNear(BoxAround(sample.image, kBlue), {40, 10, 100, 25}, 1);
}

TEST(AugmentSampleTest, BoxesFollowThePixelsOfAnySmallTurn) {
  AugmentConfig config = Config();
  for (const float angle : {-30.0f, -7.5f, 12.0f, 45.0f}) {
    config.mutable_spatial_config()->mutable_rotation_config()->set_angle(angle);
    const AugmentedSample sample = Process(config, {40, 22, 60, 38});
    ExpectNear(sample.objects.at(0).box, BoxAround(sample.image, kBlue), 1.5f);
  }
}

TEST(AugmentSampleTest, ClipsBoxesAndDropsThoseThatLeave) {
  AugmentConfig config = Config();
  config.mutable_spatial_config()->mutable_translation_config()->set_translate_x(50);
  AugmentedSample sample = Process(config, {30, 20, 60, 40});
  EXPECT_EQ(sample.objects.at(0).box, (Box{80, 20, 100, 40}));
  EXPECT_EQ(PixelAt(sample.image, 10, 10), (Rgb{0, 0, 0}));  // Nothing was there.
  sample = Process(config, {55, 20, 90, 40});
  EXPECT_THAT(sample.objects, IsEmpty());
  EXPECT_EQ(sample.vanished, 1);
}

TEST(AugmentSampleTest, DropsABoxThatItsTwoDecimalsWouldLeaveWithoutAnInside) {
  EXPECT_EQ(Process(Config(), {9.996f, 20, 10.6f, 50}).vanished, 1);
  const AugmentedSample kept = Process(Config(), {9.994f, 20, 10.6f, 50});
  EXPECT_EQ(kept.vanished, 0);
  EXPECT_EQ(kept.objects.at(0).box, (Box{9.99f, 20, 10.6f, 50}));
}

TEST(AugmentSampleTest, ContrastTurnsAroundItsCentreAndBrightnessIsAdded) {
  AugmentConfig config = Config();
  config.mutable_color_config()->mutable_contrast_config()->set_contrast(0.5);
  config.mutable_color_config()->mutable_contrast_config()->set_center(100);
  config.mutable_color_config()->mutable_brightness_config()->set_offset(-10);
  const auto sample = AugmentSample(config, PlainPicture(4, 4, {100, 60, 240}), {});
  ASSERT_TRUE(sample.ok());
  // 100 + 1.5 * (x - 100) - 10: 90, 30, 300 -> 255.
  EXPECT_EQ(PixelAt(sample->image, 1, 1), (Rgb{90, 30, 255}));
}

TEST(AugmentSampleTest, SaturationZeroIsGreyOfTheSameBrightness) {
  AugmentConfig config = Config();
  config.mutable_color_config()->mutable_hue_saturation_config()->set_saturation_shift(0);
  const auto sample = AugmentSample(config, PlainPicture(4, 4, {200, 100, 50}), {});
  ASSERT_TRUE(sample.ok());
  // 0.299 * 200 + 0.587 * 100 + 0.114 * 50 = 124.2.
  for (const uint8_t value : PixelAt(sample->image, 1, 1)) EXPECT_NEAR(value, 124, 1);
}

TEST(AugmentSampleTest, AHueTurnKeepsBrightnessAndAFullOneKeepsAll) {
  AugmentConfig config = Config();
  auto* hue = config.mutable_color_config()->mutable_hue_saturation_config();
  hue->set_hue_rotation_angle(360);
  EXPECT_EQ(PixelAt(AugmentSample(config, PlainPicture(2, 2, {200, 100, 50}), {})->image, 0, 0),
            (Rgb{200, 100, 50}));
  hue->set_hue_rotation_angle(60);
  const Rgb turned =
      PixelAt(AugmentSample(config, PlainPicture(2, 2, {140, 120, 100}), {})->image, 0, 0);
  EXPECT_NE(turned, (Rgb{140, 120, 100}));
  EXPECT_NEAR(0.299 * turned[0] + 0.587 * turned[1] + 0.114 * turned[2],
              0.299 * 140 + 0.587 * 120 + 0.114 * 100, 1);
}

TEST(AugmentSampleTest, BlursAndMakesOneChannel) {
  AugmentConfig config = Config();
  config.mutable_blur_config()->set_size(5);
  config.mutable_blur_config()->set_std(2);
  config.set_output_image_channel(1);
  Tensor picture = PlainPicture(20, 20, {0, 0, 0});
  PaintBox(picture, {10, 0, 20, 20}, {255, 255, 255});
  const auto sample = AugmentSample(config, picture, {});
  ASSERT_TRUE(sample.ok());
  EXPECT_EQ(sample->image.shape(), (Shape{20, 20, 1}));
  const auto row = sample->image.data<uint8_t>().subspan(10 * 20, 20);
  EXPECT_EQ(row[2], 0);
  EXPECT_GT(row[9], 40);
  EXPECT_LT(row[10], 215);
  EXPECT_EQ(row[17], 255);
}

TEST(AugmentSampleTest, RefusesWhatTheSpecCannotMean) {
  AugmentConfig config = Config();
  config.mutable_blur_config()->set_size(4);
  EXPECT_THAT(AugmentSample(config, PlainPicture(4, 4, {}), {}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("size")));
}

class AugmentKittiTest : public ::testing::Test {
 protected:
  AugmentKittiTest() {
    for (int i = 0; i < 12; ++i) {
      WriteKittiFrame(
          folder_.path(), std::to_string(i), PlainPicture(40, 20, {9, 9, 9}),
          "Nut 0.50 1 0.25 4 5 20 15 1 2 3 4 5 6 7\n" + KittiLine("bolt", {0, 0, 3, 3}));
    }
    config_.mutable_spatial_config()->mutable_translation_config()->set_translate_x(-4);
    options_ = {.root = folder_.path(), .output = folder_ / "out/set"};
  }
  TemporaryFolder folder_;
  AugmentConfig config_ = Config();
  OfflineAugmentOptions options_;
};

TEST_F(AugmentKittiTest, WritesEveryImageWithItsLabels) {
  folder_.Write("images/x.jpg", EncodeJpeg(PlainPicture(8, 8, {1, 2, 3})).value());
  folder_.Write("labels/x.txt", "");
  const auto report = AugmentDataSet(config_, options_);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->images, 13);
  EXPECT_EQ(report->boxes, 12);
  EXPECT_EQ(report->vanished, 12);  // The bolts.
  EXPECT_EQ(report->clipped, 0);
  EXPECT_THAT(report->notes, ::testing::Contains(HasSubstr("12 boxes left the picture (")));
  EXPECT_THAT(*ListFolder(folder_ / "out/set"), ElementsAre("images", "labels", "ledger.jsonl"));
  EXPECT_THAT(*ListFolder(folder_ / "out"), ElementsAre("set"));
  EXPECT_EQ(ContentOf(folder_ / "out/set/labels/7.txt"),
            "Nut 0.50 1 0.25 0.00 5.00 16.00 15.00 1.00 2.00 3.00 4.00 5.00 6.00 7.00\n");
  EXPECT_TRUE(FileExists(folder_ / "out/set/images/x.jpg"));
  EXPECT_EQ(ContentOf(folder_ / "out/set/labels/x.txt"), "");
}

TEST_F(AugmentKittiTest, ReadsImagesOfTheExtensionThatIsAskedFor) {
  folder_.Write("images/x.jpg", EncodeJpeg(PlainPicture(8, 8, {1, 2, 3})).value());
  folder_.Write("labels/x.txt", "");
  config_.set_image_extension(".jpg");
  const auto report = AugmentDataSet(config_, options_);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->images, 1);
}

TEST_F(AugmentKittiTest, GivesTheSameOnSeveralThreadsAndAgain) {
  ASSERT_TRUE(AugmentDataSet(config_, options_).ok());
  const std::string first = ContentOf(folder_ / "out/set/images/3.png");
  folder_.Write("out/set/images/stale.png", "x");
  options_.threads = 4;
  ASSERT_TRUE(AugmentDataSet(config_, options_).ok());
  EXPECT_EQ(ContentOf(folder_ / "out/set/images/3.png"), first);
  EXPECT_FALSE(FileExists(folder_ / "out/set/images/stale.png"));
}

TEST_F(AugmentKittiTest, AnOutputThatOverlapsWithTheInputIsRefused) {
  const std::string before = ContentOf(folder_ / "images/3.png");
  std::filesystem::create_directory_symlink(folder_.path(), folder_ / "link");
  const std::string parent = std::filesystem::path(folder_.path()).parent_path();
  for (const std::string& output :
       {folder_.path(), folder_ / "link", folder_ / "link/", folder_ / "images",
        folder_ / "images/new", folder_ / "out/..", parent}) {
    options_.output = output;
    EXPECT_THAT(AugmentDataSet(config_, options_),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr(output), HasSubstr("choose a folder beside it"))));
  }
  EXPECT_EQ(ContentOf(folder_ / "images/3.png"), before);
}

TEST_F(AugmentKittiTest, FilesThatNoAugmentationMadeAreRefusedAndKept) {
  folder_.Write("out/set/labels/mine.txt", "x");
  EXPECT_THAT(
      AugmentDataSet(config_, options_),
      StatusIs(absl::StatusCode::kAlreadyExists,
               AllOf(HasSubstr("out/set/labels' holds 1 files"), HasSubstr("remove them"))));
  EXPECT_EQ(ContentOf(folder_ / "out/set/labels/mine.txt"), "x");
  EXPECT_THAT(*ListFolder(folder_ / "out"), ElementsAre("set"));
}

TEST_F(AugmentKittiTest, ACancelLeavesNothing) {
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THAT(AugmentDataSet(config_, options_, nullptr, stop.get_token()),
              StatusIs(absl::StatusCode::kCancelled));
  EXPECT_FALSE(FolderExists(folder_ / "out/set"));
}

TEST_F(AugmentKittiTest, WritesTurnedPicturesUprightAndKeepsTheBytesOfNames) {
  const std::string name =
                        "stra\xDF"
                        "e",
                    long_name(251, 'x');
  folder_.Write(
      "images/" + name + ".png",
      testing::WithChunk(EncodePng(PlainPicture(160, 120, kWhite)).value(), testing::ExifTiff(6)));
  folder_.Write("labels/" + name + ".txt", "Fu\xDF 0 0 0 14 125 100 150 0 0 0 0 0 0 0\n");
  folder_.Write("images/" + long_name + ".png", EncodePng(PlainPicture(8, 8, kWhite)).value());
  folder_.Write("labels/" + long_name + ".txt", KittiLine("far", {90, 90, 99, 99}));
  options_.output = folder_ / ("out/" + std::string(255, 'o'));
  const auto report = AugmentDataSet(config_, options_);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->vanished, 13);  // The bolts and the one that lay outside already.
  EXPECT_EQ(report->ledger.findings.turned.count, 1);
  EXPECT_THAT(ContentOf(options_.output + "/labels/" + name + ".txt"),
              StartsWith("Fu\xDF 0.00 0 0.00 10.00 125.00 96.00 150.00 "));
  const std::string png = ContentOf(options_.output + "/images/" + name + ".png");
  ImageFacts facts;
  EXPECT_THAT(ReadImageSize(png, "", &facts), testing::IsOkAndHolds(ImageSize{120, 160}));
  EXPECT_EQ(facts.orientation, 1);
  EXPECT_TRUE(FileExists(options_.output + "/images/" + long_name + ".png"));
  EXPECT_THAT(*ListFolder(folder_ / "out"), SizeIs(1));
}

TEST_F(AugmentKittiTest, TwoPicturesWithOneLabelFileAreLeftOut) {
  for (int i = 12; i < 24; ++i) {
    WriteKittiFrame(folder_.path(), std::to_string(i), PlainPicture(40, 20, {9, 9, 9}), "");
  }
  folder_.Write("images/3.jpg", EncodeJpeg(PlainPicture(80, 80, {})).value());
  const auto report = AugmentDataSet(config_, options_);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->images, 23);
  EXPECT_FALSE(FileExists(folder_ / "out/set/labels/3.txt"));
}

TEST_F(AugmentKittiTest, ListsBadLabels) {
  folder_.Write("labels/2.txt", KittiLine("a", {5, 5, 5, 9}) + KittiLine("a", {5, 5, 9, 9}));
  auto report = AugmentDataSet(config_, options_);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(report->ledger.entries, SizeIs(1));
  EXPECT_THAT(ContentOf(folder_ / "out/set/ledger.jsonl"), HasSubstr("labels/2.txt:1"));
  options_.strict = true;
  EXPECT_THAT(AugmentDataSet(config_, options_), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(AugmentSampleTest, APictureThatIsTooWideToMoveIsRefusedInOurWords) {
  const Tensor wide = PlainPicture(32767, 2, kWhite);
  AugmentConfig config = Config();
  EXPECT_TRUE(AugmentSample(config, wide, {}).ok()) << "nothing moves";
  config.mutable_spatial_config()->mutable_flip_config()->set_flip_horizontal(true);
  EXPECT_THAT(AugmentSample(config, wide, {}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("32767 x 2; spatial_config turns, mirrors, shears and shifts at "
                                 "most 32766 a side")));
  EXPECT_TRUE(AugmentSample(config, PlainPicture(32766, 2, kWhite), {}).ok());
}

TEST(AugmentKittiErrorTest, NamesThePictureThatCannotBeMoved) {
  const TemporaryFolder folder;
  WriteKittiFrame(folder / "in", "wide", PlainPicture(32767, 2, kWhite),
                  KittiLine("nut", {1, 0, 9, 2}));
  AugmentConfig config = Config();
  config.mutable_spatial_config()->mutable_flip_config()->set_flip_horizontal(true);
  EXPECT_THAT(
      AugmentDataSet(config, {.root = folder / "in", .output = folder / "out"}),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("images/wide.png: the picture")));
}

TEST_F(AugmentKittiTest, CountsTheBoxesThatAreCutWithAnExample) {
  config_.mutable_spatial_config()->mutable_translation_config()->set_translate_x(-6);
  const auto report = AugmentDataSet(config_, options_);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->clipped, 12);
  EXPECT_THAT(report->notes, ::testing::Contains(::testing::ContainsRegex(
                                 "12 were cut at its edge \\(.*labels/0.txt:1\\)")));
}

// Sets of TAO's data services. Pictures are 100 x 60, white, with one painted object.
class AugmentDataSetTest : public ::testing::Test {
 protected:
  AugmentDataSetTest() { options_ = {.output = folder_ / "out/set"}; }

  void Picture(const std::string& name, const Box& box) {
    Tensor picture = PlainPicture(100, 60, kWhite);
    PaintBox(picture, box, kBlue);
    ASSERT_TRUE(MakeFolders(DirName(folder_ / ("images/" + name))).ok());
    folder_.Write("images/" + name, EncodePng(picture).value());
  }
  // `labels`: "labels" for KITTI, a file of annotations for COCO.
  auto Process(const std::string& type, const std::string& labels, const std::string& augmentations) {
    const auto config = spec::LoadAugment(
        absl::StrCat("data: {dataset_type: ", type, ", image_dir: ", folder_ / "images", ", ann_path: ",
                     folder_ / labels, "}\n", augmentations),
        "s.yaml", {}, nullptr);
    EXPECT_TRUE(config.ok()) << config.status();
    return AugmentDataSet(*config, options_);
  }
  Tensor Made(const std::string& name) const {
    return DecodeImage(ContentOf(folder_ / ("out/set/images/" + name)), name).value();
  }

  TemporaryFolder folder_;
  OfflineAugmentOptions options_;
};

constexpr char kCoco[] = R"({"info": {}, "images": [
  {"id": 20, "file_name": "b/2.png", "width": 100, "height": 60},
  {"id": 10, "file_name": "1.png", "width": 100, "height": 60}],
 "annotations": [
  {"id": 7, "image_id": 10, "category_id": 90, "bbox": [10, 20, 30, 30], "iscrowd": 0},
  {"id": 8, "image_id": 20, "category_id": 3, "bbox": [60, 10.5, 20, 9.5], "iscrowd": 1},
  {"id": 9, "image_id": 20, "category_id": 3, "bbox": [0, 0, 5, 60]}],
 "categories": [{"id": 3, "name": "car"}, {"id": 90, "name": "traffic light"}]})";

TEST_F(AugmentDataSetTest, ACocoSetBecomesACocoSet) {
  Picture("1.png", {10, 20, 40, 50});
  Picture("b/2.png", {60, 10, 80, 20});
  folder_.Write("a.json", kCoco);
  const auto report = Process("coco", "a.json",
                              "spatial_aug: {flip: {flip_horizontal: true}, translation: {translate_x: [4]}}\n");
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->images, 2);
  EXPECT_EQ(report->boxes, 3);
  EXPECT_EQ(report->clipped, 1);
  EXPECT_EQ(BoxAround(Made("1.png"), kBlue), (Box{64, 20, 94, 50}));
  EXPECT_EQ(BoxAround(Made("b/2.png"), kBlue), (Box{24, 10, 44, 20}));
  // x' = 100 - x + 4; the box at the left edge, (0, 0, 5, 60), becomes 99 to 104 and is cut at 100.
  EXPECT_EQ(ContentOf(folder_ / "out/set/annotations.json"), R"({"images": [
{"id": 20, "file_name": "b/2.png", "width": 100, "height": 60},
{"id": 10, "file_name": "1.png", "width": 100, "height": 60}
],
"annotations": [
{"id": 8, "image_id": 20, "category_id": 3, "bbox": [24, 10.5, 20, 9.5], "area": 190, "iscrowd": 1},
{"id": 9, "image_id": 20, "category_id": 3, "bbox": [99, 0, 1, 60], "area": 60, "iscrowd": 0},
{"id": 7, "image_id": 10, "category_id": 90, "bbox": [64, 20, 30, 30], "area": 900, "iscrowd": 0}
],
"categories": [
{"id": 3, "name": "car"},
{"id": 90, "name": "trafficlight"}
]}
)");
}

TEST_F(AugmentDataSetTest, AnnotationsThatAreWrittenCanBeAugmentedAgain) {
  Picture("1.png", {10, 20, 40, 50});
  Picture("b/2.png", {60, 10, 80, 20});
  folder_.Write("a.json", kCoco);
  ASSERT_TRUE(Process("coco", "a.json", "spatial_aug: {flip: {flip_vertical: true}}\n").ok());
  const auto config = spec::LoadAugment(
      "data: {image_dir: images, ann_path: annotations.json}\nspatial_aug: {flip: {flip_vertical: true}}\n",
      "s.yaml", {}, nullptr);
  ASSERT_TRUE(config.ok()) << config.status();
  const auto report =
      AugmentDataSet(*config, {.root = folder_ / "out/set", .output = folder_ / "out/twice"});
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->boxes, 3);
  EXPECT_EQ(BoxAround(DecodeImage(ContentOf(folder_ / "out/twice/images/1.png"), "").value(), kBlue),
            (Box{10, 20, 40, 50}));
  EXPECT_THAT(ContentOf(folder_ / "out/twice/annotations.json"),
              HasSubstr("\"bbox\": [10, 20, 30, 30]"));
}

TEST_F(AugmentDataSetTest, TwoCocoImagesOfOneFileAreRefused) {
  Picture("1.png", {10, 20, 40, 50});
  folder_.Write("a.json", R"({"images": [{"id": 1, "file_name": "1.png"}, {"id": 2, "file_name": "1.png"}],
    "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 20, 30, 30]}],
    "categories": [{"id": 1, "name": "a"}]})");
  EXPECT_THAT(Process("coco", "a.json", ""),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("two images have the file_name '1.png'")));
  EXPECT_FALSE(FolderExists(folder_ / "out/set"));
}

// What is drawn for an image depends on its place alone: equal bytes on any number of threads.
TEST_F(AugmentDataSetTest, DrawnValuesDoNotDependOnThreadsAndFollowTheSeed) {
  ASSERT_TRUE(MakeFolders(folder_ / "labels").ok());
  for (int i = 0; i < 12; ++i) {
    Picture(absl::StrCat(i, ".png"), {40, 20, 60, 40});
    folder_.Write(absl::StrCat("labels/", i, ".txt"), KittiLine("nut", {40, 20, 60, 40}));
  }
  const std::string shift = "spatial_aug: {translation: {translate_x: [-20, 20]}}\n";
  const auto all = [&](const std::string& more) {
    const auto report = Process("kitti", "labels", shift + more);
    EXPECT_TRUE(report.ok()) << report.status();
    std::string bytes;
    for (const char* name : {"images", "labels"}) {
      const std::vector<std::string> files =
          ListFolder(folder_ / absl::StrCat("out/set/", name)).value();
      for (const std::string& file : files) {
        bytes += ContentOf(folder_ / absl::StrCat("out/set/", name, "/", file));
      }
    }
    return bytes;
  };
  const std::string first = all("");
  options_.threads = 4;
  EXPECT_EQ(all(""), first);
  EXPECT_NE(all("random_seed: 43\n"), first);
  // Boxes follow the pixels, each picture by another shift.
  std::set<float> shifts;
  for (int i = 0; i < 12; ++i) {
    const std::string text = ContentOf(folder_ / absl::StrCat("out/set/labels/", i, ".txt"));
    const Box box = ParseKittiLabels(text, "", "").objects.at(0).box;
    EXPECT_EQ(BoxAround(Made(absl::StrCat(i, ".png")), kBlue), box) << i;
    shifts.insert(box.x1 - 40);
  }
  EXPECT_GT(shifts.size(), 5u);
}

TEST_F(AugmentDataSetTest, WritesTheSizeThatIsAskedFor) {
  Picture("1.png", {10, 20, 40, 50});
  folder_.Write("a.json", R"({"images": [{"id": 1, "file_name": "1.png"}],
    "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 20, 30, 30]}],
    "categories": [{"id": 1, "name": "a"}]})");
  const auto config = spec::LoadAugment(
      absl::StrCat("data: {image_dir: ", folder_ / "images", ", ann_path: ", folder_ / "a.json",
                   ", output_image_width: 200, output_image_height: 30}\n"),
      "s.yaml", {}, nullptr);
  ASSERT_TRUE(config.ok()) << config.status();
  ASSERT_TRUE(AugmentDataSet(*config, options_).ok());
  EXPECT_EQ(Made("1.png").shape(), (Shape{30, 200, 3}));
  EXPECT_THAT(ContentOf(folder_ / "out/set/annotations.json"),
              AllOf(HasSubstr("\"width\": 200, \"height\": 30"), HasSubstr("\"bbox\": [20, 10, 60, 15]"),
                    HasSubstr("\"area\": 900")));
}

TEST_F(AugmentDataSetTest, LabelsOfTheOtherKindGoWithTheSetThatIsReplaced) {
  Picture("1.png", {10, 20, 40, 50});
  folder_.Write("labels/1.txt", KittiLine("nut", {10, 20, 40, 50}));
  folder_.Write("a.json", R"({"images": [{"id": 1, "file_name": "1.png"}],
    "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 20, 30, 30]}],
    "categories": [{"id": 1, "name": "a"}]})");
  ASSERT_TRUE(Process("kitti", "labels", "").ok());
  ASSERT_TRUE(Process("coco", "a.json", "").ok());
  EXPECT_THAT(*ListFolder(folder_ / "out/set"), ElementsAre("annotations.json", "images", "ledger.jsonl"));
  ASSERT_TRUE(Process("kitti", "labels", "").ok());
  EXPECT_THAT(*ListFolder(folder_ / "out/set"), ElementsAre("images", "labels", "ledger.jsonl"));
}

TEST_F(AugmentDataSetTest, AnAnnotationFileThatNoAugmentationMadeIsKept) {
  Picture("1.png", {10, 20, 40, 50});
  folder_.Write("a.json", kCoco);
  folder_.Write("out/set/annotations.json", "mine");
  EXPECT_THAT(Process("coco", "a.json", ""),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("annotations.json' is there")));
  EXPECT_EQ(ContentOf(folder_ / "out/set/annotations.json"), "mine");
}

}  // namespace
}  // namespace trainyard::data
