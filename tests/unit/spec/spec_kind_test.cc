#include "libs/spec/spec_kind.h"

#include <filesystem>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/files.h"
#include "libs/networks/prepare_spec.h"
#include "libs/networks/registry.h"
#include "libs/networks/ssd/ssd_spec.h"
#include "libs/spec/augment_spec.h"
#include "libs/spec/dataset_spec.h"
#include "tests/support/places.h"
#include "tests/support/status_matchers.h"

namespace trainyard::spec {
namespace {

using ::testing::HasSubstr;
using testing::IsOk;
using testing::StatusIs;

TEST(RecogniseSpecTest, TellsTaosNetworksByTheirFields) {
  const struct {
    std::string text, title;
    SpecKind kind;
  } rows[] = {
      {"random_seed: 42\nssd_config { }", "an SSD experiment", SpecKind::kExperiment},
      {"dssd_config: <>", "a DSSD experiment", SpecKind::kExperiment},
      {"kitti_config { }", "a specification for dataset_convert", SpecKind::kConversion},
      {"spatial_config { }", "a specification for augment", SpecKind::kAugment},
      {"random_seed: 1 yolov4_config { ssd_config { } }", "a YOLOv4 experiment",
       SpecKind::kForeign},
      // Neither deeper fields of such names nor what comes later is asked.
      {"dataset_config { a { training_file_pattern: 'x' } } ssd_config { }", "an SSD experiment",
       SpecKind::kExperiment},
      {"dataset_config { a { train_csv_path: 'x' } }", "", SpecKind::kUnknown},
      {"ssd_config { } train_config { }", "an SSD experiment", SpecKind::kExperiment},
      {"retinanet_config { }", "a RetinaNet experiment", SpecKind::kForeign},
      {"model_config { } bbox_rasterizer_config { }", "a DetectNet_v2 experiment",
       SpecKind::kForeign},
      {"model_config { arch: 'resnet' } train_config { }", "an image classification experiment",
       SpecKind::kExperiment},
      {"dataset_config { dataset: 'custom' data_class_config { } }", "a UNet experiment",
       SpecKind::kForeign},
      {"enc_key: 'k' model_config { input_image_config { } }", "a Faster R-CNN experiment",
       SpecKind::kForeign},
      {"maskrcnn_config { } data_config { }", "a Mask R-CNN experiment", SpecKind::kForeign},
      {"lpr_config { }", "an LPRNet experiment", SpecKind::kForeign},
      {"dataset_config { training_file_pattern: 'a' }", "an EfficientDet experiment",
       SpecKind::kForeign},
      {"dataset_config { train_csv_path: 'a' }", "a multitask classification experiment",
       SpecKind::kForeign},
      {"train:\n  num_epochs: 3\ndataset:\n  x: 1\n", "a YAML file", SpecKind::kForeign},
      {"{ \"ssd_config\": { } }", "a JSON file", SpecKind::kForeign},
      {"model_config { arch: 'resnet', n_layers: 18 }", "an image classification experiment",
       SpecKind::kExperiment},
      {"model_config { n_layers: 18 } dataset_config { train_csv_path: 'a' }",
       "a multitask classification experiment", SpecKind::kForeign},
      {"eval_config { eval_dataset_path: 'x' top_k: 3 }", "an image classification experiment",
       SpecKind::kExperiment},
      {"train:\n  optim: {lr: 0.1}\n", "a YAML file", SpecKind::kForeign},
      {"data:\n  image_dir: i\nspatial_aug:\n  flip: {flip_vertical: true}\n",
       "a specification for augment", SpecKind::kAugment},
      {"data: {image_dir: i, ann_path: a}\n", "a specification for augment", SpecKind::kAugment},
      {"data_services { data { image_dir: 'i' } }", "a specification for augment", SpecKind::kAugment},
      {"dataset:\n  # two\n  - {path: a}\n", "a YAML file", SpecKind::kForeign},
      {"eval_config:\n  { batch_size:\n  3 }", "", SpecKind::kUnknown},
      {"training_config { batch_size_per_gpu:\n  -1 }", "", SpecKind::kUnknown},
      {"model_config { } training_config { }", "", SpecKind::kUnknown},
      {"", "empty", SpecKind::kForeign},
      {"\n# nothing\n", "empty", SpecKind::kForeign},
      {"}}}} ] > {{", "", SpecKind::kUnknown},
  };
  for (const auto& row : rows) {
    const RecognisedSpec seen = RecogniseSpec(row.text, networks::NetworkMarkers());
    EXPECT_EQ(seen.kind, row.kind) << row.text;
    EXPECT_EQ(seen.title, row.title) << row.text;
  }
}

TEST(RecogniseSpecTest, AnOwnFieldOutweighsOnesOfOldVersions) {
  EXPECT_EQ(RecogniseSpec("train_config { } ssd_config { }", networks::NetworkMarkers()).kind,
            SpecKind::kExperiment);
}

// Networks come with their markers: one that is offered is no longer foreign, and not another's.
TEST(RecogniseSpecTest, ANetworkIsKnownByTheMarkersThatItBrings) {
  constexpr NetworkMarker kOffered[] = {{"lprnet", "lpr_config", "an LPRNet experiment"},
                                        {"new", "new_config", "an experiment of the new network"}};
  EXPECT_EQ(RecogniseSpec("new_config { }", networks::NetworkMarkers()).kind, SpecKind::kUnknown);
  EXPECT_EQ(RecogniseSpec("new_config { }", kOffered).network, "new");
  EXPECT_EQ(RecogniseSpec("lpr_config { }", kOffered).kind, SpecKind::kExperiment);
  const ExpectedSpec wanted = {SpecKind::kExperiment, "new", kOffered};
  EXPECT_THAT(ExpectSpecKind("new_config { }", "s.txt", wanted), IsOk());
  EXPECT_THAT(ExpectSpecKind("lpr_config { }", "s.txt", wanted),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "s.txt:1:1: lpr_config is a field of an LPRNet experiment; expected an "
                       "experiment of the new network, with new_config"));
}

TEST(NetworkMarkersTest, EveryNetworkBringsItsOwn) {
  for (const std::string& name : networks::NetworkNames()) {
    const auto markers = (*networks::FindNetwork(name))->markers();
    ASSERT_FALSE(markers.empty()) << name;
    for (const NetworkMarker& marker : markers) EXPECT_EQ(marker.network, name);
  }
}

TEST(ExpectSpecKindTest, EveryReaderNamesWhatItGotInOneProblem) {
  const char yolo[] = "random_seed: 4\nyolov4_config {\n  big_anchor_shape: \"[(1, 2)]\"\n}\n";
  EXPECT_THAT(networks::LoadExperiment(yolo, "spec.txt", {}, SpecUse::kTrain, nullptr),
              StatusIs(absl::StatusCode::kUnimplemented,
                       "spec.txt:2:1: yolov4_config is a field of a YOLOv4 experiment; expected an "
                       "SSD experiment, with ssd_config"));
  EXPECT_THAT(
      LoadDatasetExport("ssd_config { }", "c.txt", {}, false, nullptr, networks::NetworkMarkers()),
      StatusIs(absl::StatusCode::kInvalidArgument,
               "c.txt:1:1: ssd_config is a field of an SSD experiment; expected a "
               "specification for dataset_convert, with kitti_config"));
  EXPECT_THAT(
      LoadAugment("kitti_config { }", "a.txt", {}, nullptr),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("for augment, with dataset_config")));
  EXPECT_THAT(
      networks::LoadExperiment("train:\n  a: 1\n", "s.yaml", {}, SpecUse::kTrain, nullptr),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("s.yaml:1:1: the text is a YAML file; expected an SSD experiment")));
  EXPECT_THAT(networks::LoadExperiment("\n", "e.txt", {}, SpecUse::kTrain, nullptr),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "e.txt:1:1: the text is empty; expected an SSD experiment, with ssd_config "
                       "in protobuf text format"));
}

TEST(ExpectSpecKindTest, APipelinesTemplateIsNamed) {
  EXPECT_THAT(networks::LoadExperiment("# ${param.x}\nssd_config {\n  nlayers: ${param.nlayers}\n}",
                                       "t.txt", {}, SpecUse::kTrain, nullptr),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "t.txt:3:12: ${param.nlayers} is filled in by a pipeline: this file is a "
                       "template for `trainyard run`, not a spec by itself"));
}

TEST(ExamplesTest, EverySpecIsValidAsItLiesOrATemplate) {
  int specs = 0;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(SourceDir() + "/examples")) {
    if (entry.path().extension() != ".txt") continue;
    const auto text = ReadFile(entry.path().string());
    ASSERT_THAT(text, IsOk());
    const RecognisedSpec seen = RecogniseSpec(*text, networks::NetworkMarkers());
    const auto load_experiment = [&]() -> absl::Status {
      const auto family = networks::FindNetwork(seen.network);
      if (!family.ok()) return family.status();
      return (*family)->Load(*text, "s", {}, SpecUse::kTrain, nullptr).status();
    };
    const absl::Status status =
        seen.kind == SpecKind::kConversion
            ? LoadDatasetExport(*text, "s", {}, false, nullptr).status()
        : seen.kind == SpecKind::kAugment ? LoadAugment(*text, "s", {}, nullptr).status()
                                          : load_experiment();
    const bool is_template = text->find("# A template: `trainyard run`") == 0;
    EXPECT_EQ(status.ok(), !is_template) << entry.path() << ": " << status;
    ++specs;
  }
  EXPECT_GE(specs, 8);
}

}  // namespace
}  // namespace trainyard::spec
