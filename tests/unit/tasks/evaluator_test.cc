#include <atomic>
#include <cmath>
#include <filesystem>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/data/box_truth.h"
#include "libs/data/image_io.h"
#include "libs/data/picture_folder.h"
#include "libs/data/prepared_source.h"
#include "libs/tasks/detection/detection_evaluation.h"
#include "libs/tasks/detection/detection_evaluator.h"
#include "libs/tasks/detection/detection_writer.h"
#include "libs/tasks/evaluate.h"
#include "libs/tasks/infer.h"
#include "libs/tasks/network_call.h"
#include "libs/tasks/results.h"
#include "libs/tasks/speed.h"
#include "tests/support/sealing_folder.h"
#include "tests/support/status_matchers.h"

namespace trainyard::tasks {
namespace {

using model::v1::ModelRecord;
using ::testing::_;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsOk;
using testing::IsOkAndHolds;
using ::testing::Pair;
using ::testing::SizeIs;
using ::testing::StartsWith;
using testing::StatusIs;
using testing::TestFolder;

constexpr int kSide = 8;

ModelRecord SmallRecord() {
  ModelRecord record;
  record.set_network("fake");
  record.add_classes("nut");
  auto* preprocess = record.mutable_preprocess();
  preprocess->set_width(kSide);
  preprocess->set_height(kSide);
  preprocess->set_order(model::v1::Preprocess::RGB);
  for (int i = 0; i < 3; ++i) preprocess->add_mean(0);
  preprocess->set_scale(1);
  return record;
}

// The first pixel's red value of every image, as the single output of the network.
class FakeRunner : public graph::GraphRunner {
 public:
  const std::vector<std::string>& input_names() const override { return inputs_; }
  const std::vector<std::string>& output_names() const override { return outputs_; }
  absl::StatusOr<std::vector<Tensor>> Run(absl::Span<const Tensor> inputs) override {
    batches_.push_back(inputs[0].dim(0));
    Tensor red = Tensor::Zeros(DType::kFloat32, {inputs[0].dim(0)});
    const int64_t stride = inputs[0].size() / inputs[0].dim(0);
    for (int64_t i = 0; i < red.size(); ++i) {
      red.data<float>()[i] = inputs[0].data<float>()[i * stride];
    }
    return std::vector<Tensor>{Tensor(), red};
  }
  const std::vector<int64_t>& batches() const { return batches_; }

 private:
  std::vector<std::string> inputs_ = {"Input"}, outputs_ = {"unused", "red"};
  std::vector<int64_t> batches_;
};

// Finds in an image of red value r one box of class 1: the left r / 100 of its upper half, score
// 0.5.
class FakeDecoder : public Decoder {
 public:
  absl::StatusOr<std::vector<std::vector<data::Detection>>> Decode(
      absl::Span<const Tensor> outputs) const override {
    std::vector<std::vector<data::Detection>> found;
    for (const float red : outputs[0].data<float>()) {
      found.push_back({{.box = {0, 0, red / 100, 0.5f}, .class_id = 1, .score = 0.5f}});
    }
    return found;
  }
  std::vector<std::string> output_names() const override { return {"red"}; }
  float confidence_threshold() const override { return confidence; }
  float confidence = 0;
};

// What a detector's evaluation came to.
struct Judged : EvaluationResult {
  const DetectionEvaluation& detection() const {
    return dynamic_cast<const DetectionEvaluation&>(*evaluation);
  }
};

absl::StatusOr<Judged> EvaluateDetector(graph::GraphRunner& runner, const Decoder& decoder,
                                        const data::SampleSource& source,
                                        const EvaluationPlan& plan, const RunOptions& options,
                                        std::optional<ExplanationOptions> explanation = {}) {
  TY_ASSIGN_OR_RETURN(const auto evaluator,
                      MakeDetectionEvaluator(decoder, SmallRecord(), plan, std::move(explanation)));
  // The test's own, which outlives this.
  const std::shared_ptr<const data::SampleSource> borrowed(&source,
                                                           [](const data::SampleSource*) {});
  TY_ASSIGN_OR_RETURN(auto samples, data::PreprocessOnly(borrowed, SmallRecord().preprocess()));
  TY_ASSIGN_OR_RETURN(EvaluationResult result, Evaluate(runner, *evaluator, samples, options));
  return Judged{std::move(result)};
}

absl::StatusOr<InferenceResult> InferObjects(graph::GraphRunner& runner, const ModelRecord& record,
                                             const std::vector<std::string>& images,
                                             const PredictionOptions& outputs,
                                             const RunOptions& options = {},
                                             const FakeDecoder& decoder = FakeDecoder()) {
  const auto writer = MakeDetectionWriter(decoder, record, outputs);
  return Infer(runner, record.preprocess(), *writer, images, options);
}

Tensor RedImage(int64_t width, int64_t height, uint8_t red) {
  Tensor image = Tensor::Zeros(DType::kUInt8, {height, width, 3});
  for (int64_t i = 0; i < image.size(); i += 3) image.data<uint8_t>()[i] = red;
  return image;
}

// Image i is 16 x 12 with red value reds[i]; its object is the upper left quarter. Negative:
// unreadable.
class FakeSource : public data::SampleSource {
 public:
  explicit FakeSource(std::vector<int> reds) : reds_(std::move(reds)) {}
  int64_t size() const override { return static_cast<int64_t>(reds_.size()); }
  std::string Id(int64_t index) const override { return absl::StrCat("image ", index); }
  absl::StatusOr<data::Sample> Get(int64_t index) const override {
    if (reds_[index] < 0) return absl::DataLossError(absl::StrCat(Id(index), " is broken"));
    return data::Sample{.id = Id(index),
                        .image = RedImage(16, 12, static_cast<uint8_t>(reds_[index])),
                        .truth = data::TruthOf({{.box = {0, 0, 8, 6}, .class_id = 1}})};
  }

 private:
  std::vector<int> reds_;
};

// Detections reach x = 4 of 8 (IoU 1 with the object), 2 (half), 1 (a quarter).
TEST(EvaluateTest, JudgesEveryImageInOrderWhateverTheThreads) {
  for (const int threads : {1, 3, 16}) {
    FakeRunner runner;
    const FakeSource source({50, 25, 12, 50, 50});
    std::vector<std::string> ids;
    std::vector<int64_t> progress;
    RunOptions options{.batch_size = 2, .loader_threads = threads};
    options.progress = [&](int64_t done, int64_t total) {
      progress.push_back(done);
      EXPECT_EQ(total, 5);
    };
    options.ran = [&](const data::Batch& batch, absl::Span<const Tensor>) {
      for (const data::PreparedSample& one : batch.samples) ids.push_back(one.sample.id);
      return absl::OkStatus();
    };
    const auto result = EvaluateDetector(runner, FakeDecoder(), source,
                                         {.ap_mode = ApMode::kIntegrate}, options);
    ASSERT_THAT(result, IsOk());
    EXPECT_THAT(runner.batches(), ElementsAre(2, 2, 1));
    EXPECT_THAT(progress, ElementsAre(2, 4, 5));
    EXPECT_THAT(ids, ElementsAre("image 0", "image 1", "image 2", "image 3", "image 4"));
    EXPECT_EQ(result->run.images, 5);
    EXPECT_EQ(result->detection().objects, 5);
    EXPECT_EQ(result->detection().detections, 5);
    EXPECT_EQ(result->detection().ap.classes[0].true_positives, 4);
    EXPECT_EQ(result->detection().ap.classes[0].false_positives, 1);
  }
}

// Class 1 reaches x = 3.44 of 8, which TAO rounds to 3: IoU 3/4; in the original image 6.88 / 8 =
// .86.
TEST(EvaluateTest, TaoComparesWholeNetworkPixelsAndVocTheOriginalOnes) {
  const FakeSource source({43});
  for (const auto& [matching, iou, found] : {std::tuple{Matching::kTao, 0.76, 0},
                                             {Matching::kTao, 0.75, 1},
                                             {Matching::kVoc, 0.85, 1},
                                             {Matching::kVoc, 0.87, 0}}) {
    FakeRunner runner;
    const EvaluationPlan plan{.matching = matching, .iou_threshold = iou};
    const auto result = EvaluateDetector(runner, FakeDecoder(), source, plan, {});
    ASSERT_THAT(result, IsOk());
    EXPECT_EQ(result->detection().ap.classes[0].true_positives, found) << iou;
  }
}

google::protobuf::Struct JsonOf(const Judged& judged) {
  google::protobuf::Struct json;
  EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(ResultsJson(judged), &json).ok());
  return json;
}

// The second image's object is missed (IoU a quarter, .5 of score) in either rule, and its
// detection is false: 16 x 12 pixels hold small objects alone.
TEST(EvaluateTest, ExplainsItselfWhenItIsAsked) {
  const FakeSource source({50, 12, 50});
  for (const Matching matching : {Matching::kTao, Matching::kVoc, Matching::kCoco}) {
    FakeRunner runner;
    const auto result = EvaluateDetector(
        runner, FakeDecoder(), source, {.matching = matching}, {},
        ExplanationOptions{.threads = 2, .read = [&](int64_t index) { return source.Get(index); }});
    ASSERT_THAT(result, IsOk());
    const google::protobuf::Struct json = JsonOf(*result);
    const auto member = [&json](const std::string& name) {
      return json.fields().at(name).struct_value();
    };
    EXPECT_EQ(member("intervals").fields().at("resamples").number_value(), 1000);
    EXPECT_EQ(member("intervals").fields().at("AP_nut").list_value().values_size(), 2);
    EXPECT_EQ(
        member("sizes").fields().at("small").struct_value().fields().at("objects").number_value(),
        3);
    const auto confusion = member("confusion");
    const auto& counts = confusion.fields().at("counts").list_value();
    EXPECT_EQ(counts.values(0).list_value().values(0).number_value(), 2);
    EXPECT_EQ(counts.values(0).list_value().values(1).number_value(), 1);
    EXPECT_EQ(counts.values(1).list_value().values(0).number_value(), 1);
    const auto worst = member("worst");
    const auto& miss = worst.fields().at("misses").list_value().values(0).struct_value();
    EXPECT_EQ(miss.fields().at("image").string_value(), "image 1");
    EXPECT_EQ(miss.fields().at("box").list_value().values(2).number_value(), 8) << "of the picture";
    EXPECT_EQ(json.fields().at("judged").string_value(), "judged.tfrecord");
    const auto files = result->evaluation->Files();
    ASSERT_THAT(files, IsOk());
    EXPECT_THAT(*files,
                ElementsAre(Pair("judged.tfrecord", _), Pair("worst_false_positive_01.jpg", _),
                            Pair("worst_miss_01.jpg", _)));
  }
}

// A training's validation asks for none of it. Kills: time and files that nobody wants.
TEST(EvaluateTest, ExplainsNothingUnasked) {
  FakeRunner runner;
  const auto result = EvaluateDetector(runner, FakeDecoder(), FakeSource({50}), {}, {});
  ASSERT_THAT(result, IsOk());
  EXPECT_FALSE(JsonOf(*result).fields().contains("intervals"));
  EXPECT_THAT(*result->evaluation->Files(), IsEmpty());
}

// The first object has no pixel of the input (TAO drops it), so the second is the first that is
// judged. Kills: verdicts of the judged objects read at the places of all.
TEST(EvaluateTest, AnObjectThatTheInputDoesNotHoldIsNoMiss) {
  class TinyFirst : public FakeSource {
   public:
    TinyFirst() : FakeSource({50}) {}
    absl::StatusOr<data::Sample> Get(int64_t index) const override {
      TY_ASSIGN_OR_RETURN(data::Sample sample, FakeSource::Get(index));
      sample.truth = data::TruthOf(
          {{.box = {12, 9, 12.5f, 9.5f}, .class_id = 1}, {.box = {0, 0, 8, 6}, .class_id = 1}});
      return sample;
    }
  };
  FakeRunner runner;
  const auto result =
      EvaluateDetector(runner, FakeDecoder(), TinyFirst(), {}, {}, ExplanationOptions{});
  ASSERT_THAT(result, IsOk());
  const auto worst = JsonOf(*result).fields().at("worst").struct_value();
  EXPECT_EQ(worst.fields().at("misses").list_value().values_size(), 0);
  EXPECT_EQ(worst.fields().at("false_positives").list_value().values_size(), 0);
}

TEST(EvaluateTest, ShowsWhatTheNetworkPutOut) {
  FakeRunner runner;
  RunOptions options;
  int calls = 0;
  options.ran = [&](const data::Batch& batch, absl::Span<const Tensor> outputs) {
    ++calls;
    EXPECT_EQ(outputs[0].data<float>()[0], 50);
    EXPECT_EQ(data::BoxesOf(batch.samples[0].sample.truth.get())[0].box, (data::Box{0, 0, 8, 6}));
    EXPECT_EQ(batch.samples[0].size.width, 16);
    return absl::OkStatus();
  };
  EXPECT_THAT(EvaluateDetector(runner, FakeDecoder(), FakeSource({50}), {}, options), IsOk());
  EXPECT_EQ(calls, 1);
  options.ran = [](const data::Batch&, absl::Span<const Tensor>) {
    return absl::InternalError("no more");
  };
  EXPECT_THAT(EvaluateDetector(runner, FakeDecoder(), FakeSource({50}), {}, options),
              StatusIs(absl::StatusCode::kInternal, "no more"));
}

TEST(EvaluateTest, AnUnreadableImageIsLeftOutAndToldOrEndsTheEvaluation) {
  FakeRunner runner;
  const FakeSource source({50, -1, 50});
  RunOptions options;
  EXPECT_THAT(EvaluateDetector(runner, FakeDecoder(), source, {}, options),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("image 1 is broken")));
  std::vector<std::string> told;
  options.skipped = [&](const absl::Status& status) { told.emplace_back(status.message()); };
  const auto result = EvaluateDetector(runner, FakeDecoder(), source, {}, options);
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(result->run.images, 2);
  EXPECT_EQ(result->run.images_skipped, 1);
  EXPECT_THAT(told, ElementsAre("image 1 is broken"));
  EXPECT_THAT(EvaluateDetector(runner, FakeDecoder(), FakeSource({-1}), {}, options),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("1 in the source")));
}

TEST(EvaluateTest, StopsOnRequestBetweenBatches) {
  FakeRunner runner;
  std::stop_source stop;
  RunOptions options{.stop = stop.get_token()};
  options.progress = [&](int64_t, int64_t) { stop.request_stop(); };
  EXPECT_THAT(EvaluateDetector(runner, FakeDecoder(), FakeSource({1, 2, 3}), {}, options),
              StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(runner.batches(), SizeIs(1));
}

TEST(EvaluateTest, NamesWhatIsWrongBeforeItBegins) {
  FakeRunner runner;
  EXPECT_THAT(EvaluateDetector(runner, FakeDecoder(), FakeSource({1}), {},
                               {.batch_size = 0, .loader_threads = 0}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("batch_size is 0"), HasSubstr("loader_threads is 0"))));
  ModelRecord nothing = SmallRecord();
  nothing.clear_classes();
  EXPECT_THAT(MakeDetectionEvaluator(FakeDecoder(), nothing, {.iou_threshold = 1}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("matching_iou_threshold is 1"), HasSubstr("classes"))));
  class OtherDecoder : public FakeDecoder {
    std::vector<std::string> output_names() const override { return {"blue"}; }
  };
  EXPECT_THAT(EvaluateDetector(runner, OtherDecoder(), FakeSource({1}), {}, {}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("no output 'blue'; it has unused, red")));
}

TEST(EvaluateTest, ReportsSpeedBesideAccuracy) {
  FakeRunner runner;
  const auto result = EvaluateDetector(runner, FakeDecoder(), FakeSource({50, 50, 50}), {},
                                       {.batch_size = 2, .measures_latency = true});
  ASSERT_THAT(result, IsOk());
  std::set<std::string> names;
  for (const auto& metric : result->Metrics()) names.insert(metric.name());
  EXPECT_THAT(names, ElementsAre("AP", "AP_voc", "images_per_second", "latency_batch_size", "mAP",
                                 "mAP_voc", "ms_per_image"));
  EXPECT_EQ(result->run.latency.batch_size, 2);
  EXPECT_GE(runner.batches().size(), 2u + 2 + 3);
}

TEST(EvaluateTest, WithoutBeingAskedItMeasuresNoLatency) {
  FakeRunner runner;
  const auto result = EvaluateDetector(runner, FakeDecoder(), FakeSource({50}), {}, {});
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(result->run.latency.runs, 0);
  EXPECT_THAT(runner.batches(), ElementsAre(1));
}

// Two boxes of one object: TAO's rule and VOC's agree that the second is wrong; of two overlapping
// objects TAO gives the second box the second object, which VOC does not.
class TwoObjects : public FakeSource {
 public:
  TwoObjects() : FakeSource({50}) {}
  absl::StatusOr<data::Sample> Get(int64_t index) const override {
    data::Sample sample = *FakeSource::Get(index);
    sample.truth =
        data::TruthOf({{.box = {0, 0, 8, 6}, .class_id = 1}, {.box = {0, 0, 8, 5}, .class_id = 1}});
    return sample;
  }
};

class TwiceDecoder : public FakeDecoder {
 public:
  absl::StatusOr<std::vector<std::vector<data::Detection>>> Decode(
      absl::Span<const Tensor> outputs) const override {
    auto found = *FakeDecoder::Decode(outputs);
    for (auto& image : found) image.push_back(image[0]);
    return found;
  }
};

TEST(EvaluateTest, TellsTheOtherRulesNumberBesideItsOwn) {
  const auto by = [](Matching matching) {
    FakeRunner runner;
    std::map<std::string, double> values;
    const auto result =
        EvaluateDetector(runner, TwiceDecoder(), TwoObjects(),
                         {.ap_mode = ApMode::kIntegrate, .matching = matching}, {});
    EXPECT_THAT(result, IsOk());
    for (const auto& metric : result->Metrics()) {
      values[absl::StrCat(metric.name(), metric.class_name())] = metric.value();
      EXPECT_EQ(metric.primary(), metric.name() == "mAP");
    }
    return values;
  };
  const auto tao = by(Matching::kTao), voc = by(Matching::kVoc), coco = by(Matching::kCoco);
  EXPECT_EQ(tao.at("mAP"), 1);
  EXPECT_EQ(tao.at("mAP_voc"), 0.5);
  EXPECT_EQ(tao.at("AP_vocnut"), 0.5);
  EXPECT_EQ(voc.at("mAP"), 0.5);
  EXPECT_EQ(voc.at("mAP_tao"), 1);
  EXPECT_FALSE(coco.contains("mAP_voc") || coco.contains("mAP_tao"));
}

TEST(EvaluateTest, OnlyTaosRuleComparesWholePixels) {
  FakeRunner runner;
  // 0.32 of 8 pixels are 2.56, and 3 when they are whole: IoU 0.64 and 0.75 with the object's 4.
  const auto result =
      EvaluateDetector(runner, FakeDecoder(), FakeSource({32}),
                       {.ap_mode = ApMode::kIntegrate, .iou_threshold = 0.7}, {});
  ASSERT_THAT(result, IsOk());
  std::map<std::string, double> values;
  for (const auto& metric : result->Metrics()) values[metric.name()] = metric.value();
  EXPECT_EQ(values.at("mAP"), 1);
  EXPECT_EQ(values.at("mAP_voc"), 0);
}

TEST(EvaluateTest, OnSharedCoresItReadsWhileNothingElseRuns) {
  // Counts who reads while the network runs.
  class Runner : public FakeRunner {
   public:
    absl::StatusOr<std::vector<Tensor>> Run(absl::Span<const Tensor> inputs) override {
      const int before = reads;
      std::this_thread::yield();
      read_meanwhile = read_meanwhile || reads != before;
      wanted += static_cast<int>(inputs[0].dim(0));
      ahead = ahead || reads > wanted;
      return FakeRunner::Run(inputs);
    }
    std::atomic<int> reads = 0;
    int wanted = 0;
    bool read_meanwhile = false, ahead = false;
  };
  class Source : public FakeSource {
   public:
    explicit Source(Runner& runner) : FakeSource(std::vector<int>(40, 50)), runner_(runner) {}
    absl::StatusOr<data::Sample> Get(int64_t index) const override {
      ++runner_.reads;
      return FakeSource::Get(index);
    }

   private:
    Runner& runner_;
  };
  Runner runner;
  const auto result =
      EvaluateDetector(runner, FakeDecoder(), Source(runner), {},
                       {.batch_size = 3, .loader_threads = 4, .runs_ahead = false});
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(result->run.images, 40);
  EXPECT_FALSE(runner.read_meanwhile);
  EXPECT_FALSE(runner.ahead);
}

std::string PutImage(const std::string& path, uint8_t red) {
  const Tensor image = RedImage(16, 12, red);
  EXPECT_THAT(WriteFileAtomically(path, data::EncodePng(image).value()), IsOk());
  return path;
}

TEST(InferTest, WritesLabelsAndPicturesOfEachImage) {
  const TestFolder folder;
  const std::vector<std::string> images = {PutImage(folder / "b.png", 50),
                                           PutImage(folder / "a.PNG", 25)};
  FakeRunner runner;
  const PredictionOptions outputs{.threshold = 0.4,
                                  .annotated_dir = folder / "out/images_annotated",
                                  .labels_dir = folder / "out/labels"};
  const auto result = InferObjects(runner, SmallRecord(), images, outputs, {.batch_size = 4});
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(result->run.images, 2);
  EXPECT_THAT(ReadFile(folder / "out/labels/b.txt"),
              IsOkAndHolds("nut 0 0 0 0.0 0.0 8.0 6.0 0 0 0 0 0 0 0 0.5\n"));
  EXPECT_THAT(ReadFile(folder / "out/labels/a.txt"),
              IsOkAndHolds("nut 0 0 0 0.0 0.0 4.0 6.0 0 0 0 0 0 0 0 0.5\n"));
  const auto drawn =
      data::DecodeImage(ReadFile(folder / "out/images_annotated/a.PNG").value(), "a.PNG");
  ASSERT_THAT(drawn, IsOk());
  EXPECT_THAT(drawn->shape(), ElementsAre(12, 16, 3));
}

TEST(InferTest, ALabelFileIsThereEvenWhenNothingWasFound) {
  const TestFolder folder;
  FakeRunner runner;
  const PredictionOptions options{.threshold = 0.6, .labels_dir = folder / "labels"};
  ASSERT_THAT(
      InferObjects(runner, SmallRecord(), {PutImage(folder / "a.png", 50)}, options),
      IsOk());
  EXPECT_THAT(ReadFile(folder / "labels/a.txt"), IsOkAndHolds(IsEmpty()));
}

TEST(InferTest, TwoImagesOfOneNameAreRefusedBeforeAnythingIsWritten) {
  const TestFolder folder;
  FakeRunner runner;
  const PredictionOptions options{.labels_dir = folder / "labels"};
  const std::vector<std::string> images = {"x/a.png", "y/a.jpg"};
  EXPECT_THAT(InferObjects(runner, SmallRecord(), images, options),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("y/a.jpg has the same name as x/a.png")));
  EXPECT_FALSE(FolderExists(folder / "labels"));
}

TEST(InferTest, AnOutputFolderThatHoldsAnInputIsRefusedBeforeAnythingIsWritten) {
  const TestFolder folder;
  ASSERT_THAT(MakeFolders(folder / "data"), IsOk());
  const std::string image = PutImage(folder / "data/a.png", 50);
  const std::string before = ReadFile(image).value();
  std::filesystem::create_directory_symlink(folder / "data", folder / "link");
  FakeRunner runner;
  for (const char* output : {"data", "data/../data", "link"}) {
    const PredictionOptions options{.annotated_dir = folder / output,
                                   .labels_dir = folder / "labels"};
    EXPECT_THAT(InferObjects(runner, SmallRecord(), {image}, options),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr("a.png"), HasSubstr("another output folder"))))
        << output;
  }
  // The input is a link to what would be written over.
  std::filesystem::create_directory(folder / "links");
  std::filesystem::create_symlink(image, folder / "links/a.png");
  const PredictionOptions options{.annotated_dir = folder / "data"};
  EXPECT_THAT(InferObjects(runner, SmallRecord(), {folder / "links/a.png"}, options),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_FALSE(FolderExists(folder / "labels"));
  EXPECT_THAT(ReadFile(image), IsOkAndHolds(before));
}

TEST(InferTest, AnEmptyFileIsNamed) {
  const TestFolder folder;
  FakeRunner runner;
  ASSERT_THAT(WriteFileAtomically(folder / "a.jpg", ""), IsOk());
  RunOptions options;
  EXPECT_THAT(InferObjects(runner, SmallRecord(), {folder / "a.jpg"}, {}, options),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("a.jpg")));
  int skipped = 0;
  options.skipped = [&](const absl::Status&) { ++skipped; };
  const auto result = InferObjects(runner, SmallRecord(), {folder / "a.jpg"}, {}, options);
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(skipped, 1);
}

// A run takes, on a clock of its own, 100 ms when its batch has another size than the one before,
// else `warm` of them in turn.
class ColdRunner : public FakeRunner {
 public:
  explicit ColdRunner(std::vector<double> warm) : warm_(std::move(warm)) {}
  absl::StatusOr<std::vector<Tensor>> Run(absl::Span<const Tensor> inputs) override {
    const bool cold = batches().empty() || batches().back() != inputs[0].dim(0);
    now_ms_ += cold ? 100 : warm_[runs_++ % warm_.size()];
    return FakeRunner::Run(inputs);
  }
  NetworkCall::Clock Clock() {
    return [this] { return now_ms_; };
  }

 private:
  std::vector<double> warm_;
  size_t runs_ = 0;
  double now_ms_ = 5;
};

TEST(NetworkCallTest, LatencyIsTheMedianOfWarmRunsOfTheLargestBatch) {
  ColdRunner runner({6, 90, 6, 6, 6});
  auto network = NetworkCall::Create(runner, {"red"}, runner.Clock());
  ASSERT_THAT(network, IsOk());
  EXPECT_EQ(network->MeasureLatency()->runs, 0);
  for (const int64_t size : {2, 2, 1}) {
    ASSERT_THAT(network->Run(Tensor::Zeros(DType::kFloat32, {size, 3, kSide, kSide})), IsOk());
  }
  const auto latency = network->MeasureLatency();
  ASSERT_THAT(latency, IsOk());
  EXPECT_EQ(latency->ms_per_image, 3);
  EXPECT_EQ(latency->batch_size, 2);
  EXPECT_EQ(latency->runs, 11);
}

TEST(NetworkCallTest, TheFirstRunsOnlyWarmUp) {
  ColdRunner runner({5000, 5000, 700, 700, 700});
  auto network = NetworkCall::Create(runner, {"red"}, runner.Clock());
  ASSERT_THAT(network, IsOk());
  ASSERT_THAT(network->Run(Tensor::Zeros(DType::kFloat32, {1, 3, kSide, kSide})), IsOk());
  EXPECT_EQ(network->MeasureLatency()->ms_per_image, 700);
}

TEST(NetworkCallTest, ASlowNetworkIsRunThreeTimes) {
  ColdRunner runner({700});
  auto network = NetworkCall::Create(runner, {"red"}, runner.Clock());
  ASSERT_THAT(network, IsOk());
  ASSERT_THAT(network->Run(Tensor::Zeros(DType::kFloat32, {1, 3, kSide, kSide})), IsOk());
  const auto latency = network->MeasureLatency();
  ASSERT_THAT(latency, IsOk());
  EXPECT_EQ(latency->ms_per_image, 700);
  EXPECT_EQ(latency->runs, 3);
}

TEST(SteadyRateTest, LeavesTheFirstBatchOutWhenThereAreMore) {
  double now = 10;
  SteadyRate rate([&now] { return now; });
  EXPECT_EQ(rate.MsPerImage(), 0);
  now = 1010;
  rate.Note(4);
  EXPECT_EQ(rate.MsPerImage(), 250);
  now = 1016;
  rate.Note(8);
  now = 1018;
  rate.Note(10);
  EXPECT_EQ(rate.MsPerImage(), 8 / 6.0);
}

TEST(ListImagesTest, TakesAFolderOrOneImage) {
  const TestFolder folder;
  for (const char* name : {"b.JPG", "a.png", "c.txt", "d.jpeg"}) {
    ASSERT_THAT(WriteFileAtomically(folder / name, "x"), IsOk());
  }
  EXPECT_THAT(data::ListImages(folder.path()),
              IsOkAndHolds(ElementsAre(folder / "a.png", folder / "b.JPG", folder / "d.jpeg")));
  EXPECT_THAT(data::ListImages(folder / "a.png"), IsOkAndHolds(ElementsAre(folder / "a.png")));
  EXPECT_THAT(data::ListImages(folder / "c.txt"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(data::ListImages(folder / "none"), StatusIs(absl::StatusCode::kNotFound));
  ASSERT_THAT(MakeFolders(folder / "empty"), IsOk());
  EXPECT_THAT(data::ListImages(folder / "empty"), StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST(ListImagesTest, PassesOverHiddenFilesAndTellsOfFoldersBelow) {
  const TestFolder folder;
  ASSERT_THAT(MakeFolders(folder / "seq"), IsOk());
  for (const char* name : {"a.png", "._a.png", "seq/b.png", "c.webp"}) {
    ASSERT_THAT(WriteFileAtomically(folder / name, "x"), IsOk());
  }
  std::vector<std::string> notes;
  EXPECT_THAT(data::ListImages(folder.path(), &notes), IsOkAndHolds(ElementsAre(folder / "a.png")));
  EXPECT_THAT(notes, ElementsAre(HasSubstr("seq/b.png"), HasSubstr("c.webp")));
}

TEST(LabelLineTest, KeepsSixteenColumnsWhenAClassHasBlanks) {
  EXPECT_THAT(LabelLine("traffic light", {.box = {1, 2, 3, 4}, .class_id = 1, .score = 0.5f}),
              StartsWith("traffic_light 0 0 0 1.0 "));
  EXPECT_EQ(LabelName(" a\u00A0b\tc "), "a_b_c");
  EXPECT_EQ(LabelName("Fu\u00DFg\u00E4nger"), "Fu\u00DFg\u00E4nger");
}

TEST(LabelLineTest, WritesTheShortestFloatsWithADecimalPoint) {
  EXPECT_EQ(LabelLine("nut", {.box = {1, 2.5f, 1e6f, -0.1f}, .class_id = 1, .score = 1 / 3.0f}),
            "nut 0 0 0 1.0 2.5 1000000.0 -0.1 0 0 0 0 0 0 0 0.33333334");
}

TEST(InferTest, ReplacesNothingThatNoInferenceWrote) {
  const TestFolder folder;
  FakeRunner runner;
  const std::string a = PutImage(folder / "a.png", 50), b = PutImage(folder / "b\n2.png", 50);
  ASSERT_THAT(MakeFolders(folder / "labels"), IsOk());
  ASSERT_THAT(MakeFolders(folder / "drawn"), IsOk());
  ASSERT_THAT(WriteFileAtomically(folder / "labels/a.txt", "the truth"), IsOk());
  const PredictionOptions options{.annotated_dir = folder / "drawn",
                                 .labels_dir = folder / "labels"};
  const auto refused = StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("a.txt"));
  EXPECT_THAT(InferObjects(runner, SmallRecord(), {a}, options), refused);
  EXPECT_THAT(ReadFile(folder / "labels/a.txt"), IsOkAndHolds("the truth"));
  // Its own files it replaces, and says which it leaves; what lies beside them stays safe.
  ASSERT_THAT(InferObjects(runner, SmallRecord(), {b}, options), IsOk());
  EXPECT_THAT(InferObjects(runner, SmallRecord(), {a, b}, options), refused);
  const auto again = InferObjects(runner, SmallRecord(), {b}, options);
  ASSERT_THAT(again, IsOk());
  EXPECT_THAT(again->findings.notes, IsEmpty());
  const auto other =
      InferObjects(runner, SmallRecord(), {PutImage(folder / "c.png", 50)}, options);
  ASSERT_THAT(other, IsOk());
  EXPECT_THAT(other->findings.notes,
              ElementsAre(AllOf(HasSubstr("1 label file"), HasSubstr("b\\n2.txt")),
                          AllOf(HasSubstr("1 picture"), HasSubstr("b\\n2.png"))));
  ASSERT_THAT(WriteFileAtomically(folder / "drawn/a.png", "a picture"), IsOk());
  EXPECT_THAT(InferObjects(runner, SmallRecord(), {a}, {.annotated_dir = folder / "drawn"}),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("a.png")));
}

TEST(InferTest, TellsOfAThresholdBelowTheDecoders) {
  const TestFolder folder;
  FakeRunner runner;
  FakeDecoder decoder;
  decoder.confidence = 0.3f;
  const std::vector<std::string> images = {PutImage(folder / "a.png", 50)};
  const auto below = InferObjects(runner, SmallRecord(), images, {.threshold = 0.05}, {}, decoder);
  ASSERT_THAT(below, IsOk());
  EXPECT_THAT(below->findings.notes,
              ElementsAre(HasSubstr("confidence_threshold drops what is not above 0.3")));
  const auto same = InferObjects(runner, SmallRecord(), images, {.threshold = 0.3}, {}, decoder);
  ASSERT_THAT(same, IsOk());
  EXPECT_THAT(same->findings.notes, IsEmpty());
}

TEST(InferTest, TwoClassesOfOneNameInLabelFilesAreRefused) {
  const TestFolder folder;
  FakeRunner runner;
  ModelRecord record = SmallRecord();
  record.add_classes("traffic light");
  record.add_classes("traffic_light");
  const std::vector<std::string> images = {PutImage(folder / "a.png", 50)};
  EXPECT_THAT(
      InferObjects(runner, record, images, {.labels_dir = folder / "labels"}),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("both written as 'traffic_light'")));
  EXPECT_THAT(InferObjects(runner, record, images, {}), IsOk());
}

}  // namespace
}  // namespace trainyard::tasks
