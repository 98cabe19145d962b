#include "libs/networks/ssd/deepstream.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/files.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::networks {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::StatusIs;
using ::trainyard::testing::TemporaryFolder;

// An SSD of 3 x 300 x 300 for car and person, with TAO's preprocessing.
model::v1::ModelRecord Record() {
  model::v1::ModelRecord record;
  record.add_classes("car");
  record.add_classes("person");
  model::v1::Preprocess& preprocess = *record.mutable_preprocess();
  preprocess.set_width(300);
  preprocess.set_height(300);
  preprocess.set_order(model::v1::Preprocess::BGR);
  for (const float mean : {103.939f, 116.779f, 123.68f}) preprocess.add_mean(mean);
  preprocess.set_scale(1);
  return record;
}

std::string Config(const model::v1::ModelRecord& record, const std::string& folder,
                   const std::string& onnx) {
  return SsdDeepStreamFiles(record, folder, onnx).at("nvinfer_config.txt");
}

TEST(DeepStreamTest, HasTheKeysThatTaoWrites) {
  const auto files = SsdDeepStreamFiles(Record(), "/out", "/out/model.onnx");
  const std::string& config = files.at("nvinfer_config.txt");
  EXPECT_THAT(config, StartsWith("net-scale-factor=1.0\n"
                                 "offsets=103.939;116.779;123.68\n"
                                 "infer-dims=3;300;300\n"
                                 "tlt-model-key=<your key>\n"
                                 "network-type=0\n"
                                 "num-detected-classes=3\n"
                                 "model-color-format=1\n"
                                 "maintain-aspect-ratio=0\n"
                                 "output-tensor-meta=0\n"
                                 "labelfile-path=labels.txt\n"
                                 "onnx-file=model.onnx\n"));
  EXPECT_THAT(config, AllOf(HasSubstr("scores [N"), HasSubstr("boxes [N")));
  EXPECT_EQ(files.at("labels.txt"), "background\ncar\nperson\n");
}

TEST(DeepStreamTest, FindsTheModelFromTheFolderAndKeepsFractions) {
  model::v1::ModelRecord record = Record();
  record.mutable_preprocess()->set_scale(0.0175);
  EXPECT_THAT(
      Config(record, "/work/ds", "/work/models/a.onnx"),
      AllOf(StartsWith("net-scale-factor=0.0175\n"), HasSubstr("\nonnx-file=../models/a.onnx\n")));
}

TEST(DeepStreamTest, WithoutPlainOnnxItSaysWhatIsMissing) {
  EXPECT_THAT(Config(Record(), "/work", ""),
              AllOf(HasSubstr("# onnx-file= is missing"), Not(HasSubstr("\nonnx-file="))));
}

TEST(DeepStreamTest, OnlyOurOwnFilesAreReplaced) {
  const TemporaryFolder folder;
  for (const auto& [name, bytes] : SsdDeepStreamFiles(Record(), folder.path(), "")) {
    ASSERT_THAT(WriteFileAtomically(folder / name, bytes), IsOk());
  }
  EXPECT_THAT(CheckSsdDeepStreamFolder(folder.path()), IsOk());
  ASSERT_THAT(WriteFileAtomically(folder / "nvinfer_config.txt", "[property]\n"), IsOk());
  EXPECT_THAT(CheckSsdDeepStreamFolder(folder.path()),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("nvinfer_config.txt")));
}

}  // namespace
}  // namespace trainyard::networks
