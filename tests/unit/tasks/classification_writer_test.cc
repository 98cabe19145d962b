#include "libs/tasks/classification/classification_writer.h"

#include "libs/base/files.h"
#include "libs/data/image_io.h"
#include "libs/tasks/classification/classification_task.h"
#include "libs/tasks/infer.h"
#include "tests/support/sealing_folder.h"
#include "tests/support/status_matchers.h"

namespace trainyard::tasks {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::IsOkAndHolds;
using ::testing::Pair;
using testing::StatusIs;
using testing::TestFolder;

constexpr int kSide = 8;

model::v1::ModelRecord SmallRecord() {
  model::v1::ModelRecord record;
  record.add_classes("cat");
  record.add_classes("dog, big");
  auto* preprocess = record.mutable_preprocess();
  preprocess->set_width(kSide);
  preprocess->set_height(kSide);
  preprocess->set_order(model::v1::Preprocess::RGB);
  for (int i = 0; i < 3; ++i) preprocess->add_mean(0);
  preprocess->set_scale(1);
  return record;
}

// A picture of red value r is a cat with probability r / 100.
class FakeRunner : public graph::GraphRunner {
 public:
  const std::vector<std::string>& input_names() const override { return inputs_; }
  const std::vector<std::string>& output_names() const override { return outputs_; }
  absl::StatusOr<std::vector<Tensor>> Run(absl::Span<const Tensor> inputs) override {
    if (--runs_left < 0) return absl::InternalError("the device is gone");
    const int64_t images = inputs[0].dim(0), stride = inputs[0].size() / images;
    Tensor told = Tensor::Zeros(DType::kFloat32, {images, 2});
    for (int64_t i = 0; i < images; ++i) {
      const float cat = inputs[0].data<float>()[static_cast<size_t>(i * stride)] / 100;
      told.data<float>()[static_cast<size_t>(2 * i)] = cat;
      told.data<float>()[static_cast<size_t>(2 * i + 1)] = 1 - cat;
    }
    return std::vector<Tensor>{told};
  }
  int runs_left = 1000;

 private:
  std::vector<std::string> inputs_ = {"input_1"}, outputs_ = {"predictions/Softmax"};
};

std::string PutPicture(const std::string& path, uint8_t red) {
  Tensor image = Tensor::Zeros(DType::kUInt8, {60, 90, 3});
  for (int64_t i = 0; i < image.size(); i += 3) image.data<uint8_t>()[static_cast<size_t>(i)] = red;
  EXPECT_THAT(MakeFolders(DirName(path)), IsOk());
  EXPECT_THAT(WriteFileAtomically(path, data::EncodePng(image).value()), IsOk());
  return path;
}

struct Told {
  InferenceResult result;
  std::string summary;
  std::vector<std::pair<std::string, std::string>> folders;
};

absl::StatusOr<Told> Classify(FakeRunner& runner, const std::vector<std::string>& images,
                              const PredictionOptions& outputs, const RunOptions& options = {}) {
  const auto record = SmallRecord();
  const auto head = MakeClassifierHead("predictions/Softmax", 2, true);
  const auto writer = ClassificationTask().MakeWriter(*head, record, outputs);
  if (!writer.ok()) return writer.status();
  const auto result = Infer(runner, record.preprocess(), **writer, images, options);
  if (!result.ok()) return result.status();
  return Told{*result, (*writer)->Summary(), (*writer)->Folders()};
}

TEST(ClassificationWriterTest, WritesTaosCsvInTheOrderOfTheInputs) {
  const TestFolder folder;
  const std::vector<std::string> images = {PutPicture(folder / "b.png", 75),
                                           PutPicture(folder / "sub/b.png", 25),
                                           PutPicture(folder / "a, \"x\".png", 50)};
  FakeRunner runner;
  const auto told = Classify(runner, images, {.labels_dir = folder / "out"}, {.batch_size = 2});
  ASSERT_THAT(told, IsOk());
  EXPECT_THAT(ReadFile(folder / "out/result.csv"),
              IsOkAndHolds(folder.path() + "/b.png,cat,0.75\n" + folder.path() +
                           "/sub/b.png,\"dog, big\",0.75\n\"" + folder.path() +
                           "/a, \"\"x\"\".png\",cat,0.5\n"));
  EXPECT_EQ(told->summary, "3 pictures");
  EXPECT_THAT(told->folders, ElementsAre(Pair("labels", folder / "out")));
}

TEST(ClassificationWriterTest, AnUnreadablePictureHasNoLine) {
  const TestFolder folder;
  ASSERT_THAT(WriteFileAtomically(folder / "a.png", "no picture"), IsOk());
  FakeRunner runner;
  RunOptions options;
  int skipped = 0;
  options.skipped = [&](const absl::Status&) { ++skipped; };
  const auto told = Classify(runner, {folder / "a.png", PutPicture(folder / "b.png", 100)},
                             {.labels_dir = folder / "out"}, options);
  ASSERT_THAT(told, IsOk());
  EXPECT_EQ(skipped, 1);
  EXPECT_THAT(ReadFile(folder / "out/result.csv"),
              IsOkAndHolds(folder.path() + "/b.png,cat,1.0\n"));
}

TEST(ClassificationWriterTest, AThresholdLeavesOutAndCounts) {
  const TestFolder folder;
  const std::vector<std::string> images = {PutPicture(folder / "a.png", 75),
                                           PutPicture(folder / "b.png", 60)};
  FakeRunner runner;
  const auto told = Classify(
      runner, images,
      {.threshold = 0.75, .annotated_dir = folder / "drawn", .labels_dir = folder / "out"});
  ASSERT_THAT(told, IsOk());
  EXPECT_EQ(told->summary, "2 pictures, 1 below 0.75");
  EXPECT_THAT(ReadFile(folder / "out/result.csv"),
              IsOkAndHolds(folder.path() + "/a.png,cat,0.75\n"));
  // The one below is there without a tag.
  EXPECT_THAT(ReadFile(folder / "drawn/b.png"), IsOkAndHolds(ReadFile(folder / "b.png").value()));
}

TEST(ClassificationWriterTest, PicturesKeepTheirSizeAndHaveATagInTheCorner) {
  const TestFolder folder;
  FakeRunner runner;
  ASSERT_THAT(
      Classify(runner, {PutPicture(folder / "a.png", 20)}, {.annotated_dir = folder / "drawn"}),
      IsOk());
  const auto drawn = data::DecodeImage(ReadFile(folder / "drawn/a.png").value(), "a.png");
  ASSERT_THAT(drawn, IsOk());
  EXPECT_THAT(drawn->shape(), ElementsAre(60, 90, 3));
  // Class 1 is TAO's second: blue.
  EXPECT_THAT(drawn->data<uint8_t>().subspan(0, 3), ElementsAre(0, 0, 255));
  EXPECT_THAT(drawn->data<uint8_t>().subspan((59 * 90 + 89) * 3, 3), ElementsAre(20, 0, 0));
}

TEST(ClassificationWriterTest, PicturesOfSeveralFoldersHaveNamesOfTheirOwn) {
  const TestFolder folder;
  FakeRunner runner;
  ASSERT_THAT(Classify(runner, {PutPicture(folder / "in/x/a.png", 20),
                                PutPicture(folder / "in/y/deep/a.png", 20)},
                       {.annotated_dir = folder / "drawn"}),
              IsOk());
  EXPECT_THAT(ListFolder(folder / "drawn"), IsOkAndHolds(ElementsAre("x_a.png", "y_deep_a.png")));
}

TEST(ClassificationWriterTest, ARunThatFailsLeavesNoCsvAndKeepsTheOldOne) {
  const TestFolder folder;
  const std::vector<std::string> images = {PutPicture(folder / "a.png", 75),
                                           PutPicture(folder / "b.png", 60)};
  const PredictionOptions outputs{.labels_dir = folder / "out"};
  FakeRunner runner;
  runner.runs_left = 1;
  EXPECT_THAT(Classify(runner, images, outputs), StatusIs(absl::StatusCode::kInternal));
  EXPECT_FALSE(FileExists(folder / "out/result.csv"));
  FakeRunner whole;
  ASSERT_THAT(Classify(whole, images, outputs), IsOk());
  const std::string before = ReadFile(folder / "out/result.csv").value();
  runner.runs_left = 1;
  EXPECT_THAT(Classify(runner, {images[1], images[0]}, outputs),
              StatusIs(absl::StatusCode::kInternal));
  EXPECT_THAT(ReadFile(folder / "out/result.csv"), IsOkAndHolds(before));
}

TEST(ClassificationWriterTest, NamesAllThatIsWrongBeforeItBegins) {
  const TestFolder folder;
  const std::vector<std::string> images = {PutPicture(folder / "x/a.png", 75),
                                           PutPicture(folder / "y/a.png", 75)};
  FakeRunner runner;
  EXPECT_THAT(Classify(runner, images, {.threshold = 1, .annotated_dir = folder / "x"}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("threshold is 1; expected above 0 and below 1"),
                             HasSubstr("x/a.png"),
                             HasSubstr("the picture with its class would replace it"))));
  // "y_a.png" is what a picture of a folder is called, too.
  const std::vector<std::string> alike = {images[1], PutPicture(folder / "y_a.png", 75)};
  EXPECT_THAT(Classify(runner, alike, {.annotated_dir = folder / "drawn"}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("y_a.png has the same name as"), HasSubstr("y/a.png"))));
  ASSERT_THAT(MakeFolders(folder / "out"), IsOk());
  ASSERT_THAT(WriteFileAtomically(folder / "out/result.csv", "somebody's"), IsOk());
  EXPECT_THAT(Classify(runner, images, {.labels_dir = folder / "out"}),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("result.csv")));
  EXPECT_THAT(ReadFile(folder / "out/result.csv"), IsOkAndHolds("somebody's"));
}

}  // namespace
}  // namespace trainyard::tasks
