// Starts the real program on real jobs.
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/files.h"
#include "libs/base/json.h"
#include "libs/base/status.h"
#include "libs/data/image_io.h"
#include "libs/data/sample_data.h"
#include "libs/engine/engine.h"
#include "libs/engine/engine_file.h"
#include "libs/networks/registry.h"
#include "libs/quantization/calibration_table.h"
#include "libs/sealing/model_store.h"
#include "libs/tasks/detection/detection_evaluation.h"
#include "libs/tasks/evaluate.h"
#include "libs/worker/journal.h"
#include "libs/worker/process.h"
#include "libs/worker/rpc_status.h"
#include "tests/support/places.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::engine {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsOk;
using testing::StatusIs;
using worker::v1::Finished;
using worker::v1::WorkerEvent;
using worker::v1::WorkerJob;

constexpr char kKey[] = "a key that no log shows";

std::string SpecFor(const std::string& data) {
  return absl::StrReplaceAll(
      R"(
random_seed: 7
ssd_config {
  aspect_ratios_global: "[1.0, 2.0, 0.5]"
  scales: "[0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95]"
  two_boxes_for_ar1: true
  variances: "[0.1, 0.1, 0.2, 0.2]"
  arch: "resnet"
  nlayers: 10
}
training_config {
  batch_size_per_gpu: 4
  num_epochs: 1
  learning_rate { soft_start_annealing_schedule {
    min_learning_rate: 5e-5 max_learning_rate: 2e-2 soft_start: 0.15 annealing: 0.8 } }
  regularizer { type: L1 weight: 3e-5 }
}
eval_config { average_precision_mode: INTEGRATE batch_size: 8 matching_iou_threshold: 0.5 }
nms_config { confidence_threshold: 0.05 clustering_iou_threshold: 0.6 top_k: 20 }
augmentation_config { output_width: 128 output_height: 128 output_channel: 3 }
dataset_config {
  data_sources { label_directory_path: "DATA/train/labels" image_directory_path: "DATA/train/images" }
  target_class_mapping { key: "bolt" value: "bolt" }
  target_class_mapping { key: "nut" value: "nut" }
  target_class_mapping { key: "washer" value: "washer" }
  validation_data_sources {
    label_directory_path: "DATA/val/labels" image_directory_path: "DATA/val/images"
  }
}
)",
      {{"DATA", data}});
}

/// One folder for all tests: a few painted pictures, and an export with fresh weights.
class EngineWorkerTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    root_ = new testing::TemporaryFolder();
    ASSERT_THAT(data::GenerateSampleData(Path("data"), {.n_train = 6, .n_val = 4}), IsOk());
    const auto network = networks::CreateNetwork("ssd", SpecFor(Path("data")), "spec.txt");
    ASSERT_THAT(network, IsOk());
    const auto model = (*network)->Build();
    ASSERT_THAT(model, IsOk());
    ASSERT_THAT(
        sealing::SaveModel(Path("ssd.etlt"), sealing::SealedKind::kExport, *model, {}, kKey),
        IsOk());
    ASSERT_THAT(
        sealing::SaveModel(Path("ssd.tlt"), sealing::SealedKind::kCheckpoint, *model, {}, kKey),
        IsOk());
  }
  static void TearDownTestSuite() { delete root_; }

  static std::string Path(const std::string& name) { return JoinPath(root_->path(), name); }

  WorkerJob Job() {
    WorkerJob job;
    job.set_fencing_epoch(1);
    job.set_network("ssd");
    job.set_spec(SpecFor(Path("data")));
    job.set_threads(2);
    job.set_job_dir(Path(absl::StrCat(
        "job_", ::testing::UnitTest::GetInstance()->current_test_info()->name(), "_", jobs_++)));
    return job;
  }

  /// Runs the job to its end; the last event, or why there is none. Stops it as soon as it reports
  /// `stop_at`, unless that is empty.
  absl::StatusOr<Finished> Run(const WorkerJob& job, const std::string& stop_at = "") {
    TY_RETURN_IF_ERROR(MakeFolders(job.job_dir()));
    worker::Process::Options options;
    options.program = BinaryDir() + "/bin/trainyard-engine-worker";
    options.job_dir = job.job_dir();
    options.key = kKey;
    options.log_path = JoinPath(job.job_dir(), "worker.log");
    TY_ASSIGN_OR_RETURN(const auto process, worker::Process::Start(job, options));
    if (!stop_at.empty()) {
      worker::JournalReader journal(job.job_dir());
      while (!process->Wait(absl::Milliseconds(20)).has_value()) {
        TY_ASSIGN_OR_RETURN(const auto events, journal.Poll());
        const auto says = [&stop_at](const WorkerEvent& event) {
          return event.progress().message() == stop_at;
        };
        if (std::any_of(events.begin(), events.end(), says)) process->Terminate();
      }
    }
    const std::optional<int> ended = process->Wait(absl::Minutes(2));
    if (!ended.has_value()) return absl::DeadlineExceededError("the worker still runs");
    TY_ASSIGN_OR_RETURN(const auto events, worker::JournalReader(job.job_dir()).Poll());
    warnings_.clear();
    for (const WorkerEvent& event : events) {
      if (event.has_warning()) warnings_.push_back(event.warning().message());
    }
    TY_ASSIGN_OR_RETURN(log_, ReadFile(options.log_path));
    if (events.empty() || !events.back().has_finished()) {
      return absl::InternalError(absl::StrCat(worker::DescribeExit(*ended), ": ", log_));
    }
    TY_RETURN_IF_ERROR(worker::StatusFromRpc(events.back().finished().status()));
    return events.back().finished();
  }

  WorkerJob BuildJob(const std::string& precision, const std::string& engine) {
    WorkerJob job = Job();
    auto& task = *job.mutable_build_engine();
    task.set_model(Path("ssd.etlt"));
    task.set_engine(Path(engine));
    task.set_precision(precision);
    task.set_max_batch_size(2);
    task.set_batches(2);
    task.set_batch_size(2);
    return job;
  }

  static double MetricOf(const Finished& finished, const std::string& name) {
    for (const auto& metric : finished.metrics()) {
      if (metric.name() == name) return metric.value();
    }
    ADD_FAILURE() << "no metric " << name;
    return -1;
  }

  /// The engine judged on the spec's validation data in this process.
  static tasks::DetectionEvaluation JudgeHere(const std::string& engine_path) {
    auto engine = LoadEngine(engine_path, 2);
    const auto network = networks::CreateNetwork("ssd", SpecFor(Path("data")), "spec.txt");
    if (!engine.ok() || !network.ok()) {
      ADD_FAILURE() << engine.status() << network.status();
      return {};
    }
    (*network)->ApplyInferenceSettings(engine->record);
    const auto head = networks::CreateHead(engine->record);
    const auto data = (*network)->OpenData(data::DataUse::kValidation, engine->record, false, 1);
    if (!head.ok() || !data.ok()) {
      ADD_FAILURE() << head.status() << data.status();
      return {};
    }
    const auto samples = data::PreprocessOnly((*data)->source, engine->record.preprocess());
    EXPECT_THAT(samples, IsOk());
    const auto evaluator = (*network)->MakeEvaluator(**head, engine->record, {});
    EXPECT_THAT(evaluator, IsOk());
    const auto result = tasks::Evaluate(*engine->runner, **evaluator, *samples, {});
    EXPECT_THAT(result, IsOk());
    if (!result.ok()) return {};
    return dynamic_cast<const tasks::DetectionEvaluation&>(*result->evaluation);
  }

  static testing::TemporaryFolder* root_;
  static int jobs_;
  std::string log_;
  std::vector<std::string> warnings_;
};
testing::TemporaryFolder* EngineWorkerTest::root_ = nullptr;
int EngineWorkerTest::jobs_ = 0;

TEST_F(EngineWorkerTest, BuildsAnInt8EngineFromImagesAndRunsIt) {
  WorkerJob job = BuildJob("int8", "int8.engine");
  job.mutable_build_engine()->set_calibration_images(Path("data/train/images"));
  const auto built = Run(job);
  ASSERT_THAT(built, IsOk());
  EXPECT_EQ(log_.find(kKey), std::string::npos);
  EXPECT_GE(MetricOf(*built, "int8_mac_share"), 0.9);
  EXPECT_GT(MetricOf(*built, "ms_per_image"), 0);
  EXPECT_EQ(MetricOf(*built, "bytes"), *FileSize(Path("int8.engine")));
  ASSERT_EQ(built->outputs_size(), 2);
  EXPECT_TRUE(FileExists(Path("int8.engine.quantization.json")));
  EXPECT_THAT(built->notes(), Contains(HasSubstr("loses most at")));
  EXPECT_THAT(built->notes(), Contains(AllOf(HasSubstr("this engine against FP32 on 4 images"),
                                             HasSubstr("mbox_conf"), HasSubstr("mbox_loc"))));
  EXPECT_GT(MetricOf(*built, "int8_sqnr_db"), 20);
  EXPECT_THAT(*ReadFile(Path("int8.engine.quantization.json")),
              AllOf(HasSubstr("\"compared_images\": 4"), HasSubstr("\"as_written_sqnr_db\""),
                    HasSubstr("\"gathered_sqnr_db\"")));
  const auto file = LoadEngineFile(Path("int8.engine"));
  ASSERT_THAT(file, IsOk());
  EXPECT_EQ(file->header.source().file_name(), "ssd.etlt");

  WorkerJob evaluation = Job();
  evaluation.mutable_evaluate()->set_model(Path("int8.engine"));
  evaluation.mutable_evaluate()->set_results_dir(Path("results"));
  const auto judged = Run(evaluation);
  ASSERT_THAT(judged, IsOk());
  const tasks::DetectionEvaluation expected = JudgeHere(Path("int8.engine"));
  EXPECT_GT(expected.detections, 0);
  EXPECT_DOUBLE_EQ(MetricOf(*judged, "mAP"), expected.ap.mean_ap);
  const std::string results = *ReadFile(Path("results/results.json"));
  EXPECT_THAT(results, AllOf(HasSubstr("\"images\": 4"), HasSubstr("\"images_skipped\": 0"),
                             HasSubstr(absl::StrCat("\"objects\": ", expected.objects)),
                             HasSubstr(absl::StrCat("\"detections\": ", expected.detections))));
  // One number for the latency: the warm network's, one image at a time.
  EXPECT_THAT(results, HasSubstr(absl::StrCat("\"ms_per_image\": ",
                                              JsonNumber(MetricOf(*judged, "ms_per_image")))));
  EXPECT_THAT(judged->notes(), Contains(HasSubstr("batches of 8 images became 2")));

  evaluation.set_job_dir(evaluation.job_dir() + "_again");
  EXPECT_THAT(Run(evaluation, "measuring speed"), StatusIs(absl::StatusCode::kCancelled))
      << "which takes a second, behind the evaluation";

  WorkerJob inference = Job();
  inference.mutable_infer()->set_model(Path("int8.engine"));
  inference.mutable_infer()->set_images(Path("data/val/images"));
  inference.mutable_infer()->set_labels_dir(Path("found"));
  inference.mutable_infer()->set_threshold(0.3);
  ASSERT_THAT(Run(inference), IsOk());
  EXPECT_EQ(ListFolder(Path("found"))->size(), 4u);
}

TEST_F(EngineWorkerTest, ATableFromCalibrateBuildsTheSameEngineAgain) {
  WorkerJob calibration = Job();
  auto& task = *calibration.mutable_calibrate();
  task.set_model(Path("ssd.tlt"));
  task.set_images(Path("data/train/images"));
  task.set_output(Path("ssd.calibration"));
  task.set_batches(10);
  task.set_batch_size(4);
  const auto calibrated = Run(calibration);
  ASSERT_THAT(calibrated, IsOk());
  EXPECT_THAT(calibrated->notes(), ElementsAre(HasSubstr("6 images, fewer than 40")));
  EXPECT_EQ(quantization::LoadCalibrationTable(Path("ssd.calibration"))->images, 6);

  for (const std::string engine : {"once.engine", "again.engine"}) {
    WorkerJob job = BuildJob("int8", engine);
    job.mutable_build_engine()->set_calibration(Path("ssd.calibration"));
    const auto built = Run(job);
    ASSERT_THAT(built, IsOk());
    EXPECT_THAT(built->notes(), Contains(HasSubstr("ssd.calibration")));
    EXPECT_THAT(built->notes(),
                Contains(AllOf(HasSubstr("was not compared"), HasSubstr("--cal_image_dir"))));
    EXPECT_THAT(*ReadFile(Path(engine + ".quantization.json")),
                HasSubstr("\"compared_images\": 0"));
    for (const std::string& note : built->notes()) {
      EXPECT_EQ(note.find("other weights"), std::string::npos) << note;
    }
  }
  EXPECT_EQ(*ReadFile(Path("once.engine")), *ReadFile(Path("again.engine")));
}

TEST_F(EngineWorkerTest, AnEngineThatAnswersOtherThingsThanFp32IsNotWritten) {
  WorkerJob calibration = Job();
  calibration.mutable_calibrate()->set_model(Path("ssd.tlt"));
  calibration.mutable_calibrate()->set_images(Path("data/train/images"));
  calibration.mutable_calibrate()->set_output(Path("narrow.calibration"));
  calibration.mutable_calibrate()->set_batches(1);
  calibration.mutable_calibrate()->set_batch_size(4);
  ASSERT_THAT(Run(calibration), IsOk());
  quantization::CalibrationTable table =
      *quantization::LoadCalibrationTable(Path("narrow.calibration"));
  for (auto& [name, range] : table.ranges) range = {range.min / 200, range.max / 200};
  ASSERT_THAT(quantization::SaveCalibrationTable(table, Path("narrow.calibration")), IsOk());

  WorkerJob job = BuildJob("int8", "narrow.engine");
  job.mutable_build_engine()->set_calibration(Path("narrow.calibration"));
  job.mutable_build_engine()->set_calibration_images(Path("data/train/images"));
  EXPECT_THAT(Run(job), StatusIs(absl::StatusCode::kFailedPrecondition,
                                 AllOf(HasSubstr("'mbox_loc'"), HasSubstr("at least 6 dB"))));
  EXPECT_FALSE(FileExists(Path("narrow.engine")));
  EXPECT_FALSE(FileExists(Path("narrow.engine.quantization.json")));
}

TEST_F(EngineWorkerTest, LayersThatAreExcludedStayInFp32) {
  WorkerJob job = BuildJob("int8", "partly.engine");
  job.mutable_build_engine()->set_calibration_images(Path("data/train/images"));
  job.mutable_build_engine()->add_excluded_layers("conv2");
  EXPECT_THAT(Run(job), StatusIs(absl::StatusCode::kInvalidArgument,
                                 AllOf(HasSubstr("excluded_layers"), HasSubstr("'conv2'"))));
  job.set_job_dir(job.job_dir() + "_again");
  job.mutable_build_engine()->set_excluded_layers(0, "conv1");
  const auto built = Run(job);
  ASSERT_THAT(built, IsOk());
  EXPECT_LT(MetricOf(*built, "int8_mac_share"), 1);
  EXPECT_GT(MetricOf(*built, "int8_mac_share"), 0.5);
  EXPECT_THAT(*ReadFile(Path("partly.engine.quantization.json")), HasSubstr("conv1: excluded"));
}

TEST_F(EngineWorkerTest, BuildsInFp32AndSaysWhatItCosts) {
  const std::string of_an_earlier_engine = Path("fp32.engine.quantization.json");
  ASSERT_THAT(WriteFileAtomically(of_an_earlier_engine, "{}"), IsOk());
  const auto built = Run(BuildJob("fp32", "fp32.engine"));
  ASSERT_THAT(built, IsOk());
  EXPECT_FALSE(FileExists(of_an_earlier_engine));
  EXPECT_EQ(MetricOf(*built, "int8_mac_share"), 0);
  EXPECT_GT(MetricOf(*built, "macs"), 1e8);
  ASSERT_EQ(built->outputs_size(), 1);
  EXPECT_EQ(built->outputs(0).name(), "engine");
  EXPECT_EQ(built->outputs(0).kind(), "engine");
}

TEST_F(EngineWorkerTest, MakesTheFolderOfTheEngine) {
  ASSERT_THAT(Run(BuildJob("fp32", "new/folder/fp32.engine")), IsOk());
  EXPECT_TRUE(FileExists(Path("new/folder/fp32.engine")));
}

TEST_F(EngineWorkerTest, LeavesUnreadableCalibrationImagesOutUpToATenth) {
  ASSERT_THAT(MakeFolders(Path("mixed")), IsOk());
  const auto picture = ReadFile(Path("data/train/images/000000.jpg"));
  ASSERT_THAT(picture, IsOk());
  for (int i = 0; i < 9; ++i) {
    ASSERT_THAT(WriteFileAtomically(Path(absl::StrCat("mixed/good", i, ".jpg")), *picture), IsOk());
  }
  ASSERT_THAT(WriteFileAtomically(Path("mixed/broken.jpg"), "no picture"), IsOk());
  WorkerJob calibration = Job();
  calibration.mutable_calibrate()->set_model(Path("ssd.tlt"));
  calibration.mutable_calibrate()->set_images(Path("mixed"));
  calibration.mutable_calibrate()->set_output(Path("tables/mixed.calibration"));
  calibration.mutable_calibrate()->set_batches(10);
  calibration.mutable_calibrate()->set_batch_size(1);
  const auto calibrated = Run(calibration);
  ASSERT_THAT(calibrated, IsOk());
  EXPECT_EQ(MetricOf(*calibrated, "images"), 9);
  EXPECT_THAT(calibrated->notes(), ElementsAre(HasSubstr("1 calibration images could not be")));
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("broken.jpg")));

  WorkerJob build = BuildJob("int8", "mixed.engine");
  build.mutable_build_engine()->set_calibration_images(Path("mixed"));
  build.mutable_build_engine()->set_batches(5);
  const auto built = Run(build);
  ASSERT_THAT(built, IsOk());
  EXPECT_THAT(built->notes(), Contains(HasSubstr("INT8 ranges: 9 images")));
  EXPECT_THAT(warnings_, Contains(HasSubstr("broken.jpg")).Times(1));

  ASSERT_THAT(WriteFileAtomically(Path("mixed/another.jpg"), "no picture"), IsOk());
  calibration.set_job_dir(Path("job_too_many"));
  EXPECT_THAT(Run(calibration), StatusIs(absl::StatusCode::kDataLoss,
                                         HasSubstr("more than a tenth of the 10 calibration")));
}

// Sixteen of the images are compared; that more than a tenth of these cannot be read is no matter
// when the folder has enough others.
TEST_F(EngineWorkerTest, UnreadableImagesAreCountedInTheWholeFolder) {
  ASSERT_THAT(MakeFolders(Path("many")), IsOk());
  const auto picture = ReadFile(Path("data/train/images/000000.jpg"));
  ASSERT_THAT(picture, IsOk());
  for (int i = 0; i < 40; ++i) {
    ASSERT_THAT(WriteFileAtomically(Path(absl::StrCat("many/", i + 100, ".jpg")),
                                    i < 3 ? "no picture" : *picture),
                IsOk());
  }
  WorkerJob calibration = Job();
  calibration.mutable_calibrate()->set_model(Path("ssd.etlt"));
  calibration.mutable_calibrate()->set_images(Path("data/train/images"));
  calibration.mutable_calibrate()->set_output(Path("tables/many.calibration"));
  calibration.mutable_calibrate()->set_batches(6);
  calibration.mutable_calibrate()->set_batch_size(1);
  ASSERT_THAT(Run(calibration), IsOk());

  WorkerJob build = BuildJob("int8", "many.engine");
  build.mutable_build_engine()->set_calibration(Path("tables/many.calibration"));
  build.mutable_build_engine()->set_calibration_images(Path("many"));
  build.mutable_build_engine()->set_batches(20);
  const auto built = Run(build);
  ASSERT_THAT(built, IsOk());
  EXPECT_THAT(built->notes(), Contains(HasSubstr("against FP32 on 16 images")));
  EXPECT_THAT(built->notes(), Contains(HasSubstr("3 calibration images could not be read")));
  EXPECT_THAT(warnings_, Contains(HasSubstr("100.jpg")));
}

TEST_F(EngineWorkerTest, CalibratingOnBlankImagesIsAWarning) {
  ASSERT_THAT(MakeFolders(Path("blank")), IsOk());
  const Tensor grey = Tensor::Of<uint8_t>({8, 8, 3}, std::vector<uint8_t>(192, 100));
  ASSERT_THAT(WriteFileAtomically(Path("blank/a.png"), *data::EncodePng(grey)), IsOk());
  WorkerJob calibration = Job();
  calibration.mutable_calibrate()->set_model(Path("ssd.tlt"));
  calibration.mutable_calibrate()->set_images(Path("blank"));
  calibration.mutable_calibrate()->set_output(Path("tables/blank.calibration"));
  calibration.mutable_calibrate()->set_batches(1);
  calibration.mutable_calibrate()->set_batch_size(2);
  ASSERT_THAT(Run(calibration), IsOk());
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("of one colour throughout")));

  ASSERT_THAT(
      WriteFileAtomically(Path("blank/b.jpg"), *ReadFile(Path("data/train/images/000000.jpg"))),
      IsOk());
  calibration.set_job_dir(calibration.job_dir() + "_again");
  ASSERT_THAT(Run(calibration), IsOk());
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(EngineWorkerTest, ABuildThatIsStoppedWhileItMeasuresLeavesNoFile) {
  WorkerJob job = BuildJob("fp32", "stopped.engine");
  job.mutable_build_engine()->set_max_batch_size(64);  // takes seconds to measure
  EXPECT_THAT(Run(job, "measuring speed"), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_FALSE(FileExists(Path("stopped.engine")));
}

TEST_F(EngineWorkerTest, SaysWhyItCannotBuild) {
  EXPECT_THAT(Run(BuildJob("int8", "none.engine")),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("calibration table (-c)")));
  EXPECT_FALSE(FileExists(Path("none.engine")));

  WorkerJob wrong_dims = BuildJob("fp32", "none.engine");
  for (const int dimension : {3, 300, 300}) wrong_dims.mutable_build_engine()->add_dims(dimension);
  EXPECT_THAT(Run(wrong_dims), StatusIs(absl::StatusCode::kInvalidArgument,
                                        AllOf(HasSubstr("3,300,300"), HasSubstr("3,128,128"))));

  ASSERT_THAT(MakeFolders(Path("empty")), IsOk());
  WorkerJob no_images = BuildJob("int8", "none.engine");
  no_images.mutable_build_engine()->set_calibration_images(Path("empty"));
  EXPECT_THAT(Run(no_images), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("empty")));

  WorkerJob checkpoint = BuildJob("fp32", "none.engine");
  checkpoint.mutable_build_engine()->set_model(Path("ssd.tlt"));
  EXPECT_THAT(Run(checkpoint), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("ssd.tlt")));

  auto sealed = sealing::LoadModel(Path("ssd.etlt"), {}, kKey);
  ASSERT_THAT(sealed, IsOk());
  sealed->model.record.mutable_preprocess()->set_width(-5);
  ASSERT_THAT(sealing::SaveModel(Path("damaged.etlt"), sealing::SealedKind::kExport, sealed->model,
                                 {}, kKey),
              IsOk());
  WorkerJob damaged = BuildJob("int8", "none.engine");
  damaged.mutable_build_engine()->set_model(Path("damaged.etlt"));
  damaged.mutable_build_engine()->set_calibration_images(Path("data/train/images"));
  EXPECT_THAT(Run(damaged), StatusIs(absl::StatusCode::kInvalidArgument,
                                     AllOf(HasSubstr("damaged.etlt"), HasSubstr("width is -5"))));

  WorkerJob training = Job();
  training.mutable_train();
  EXPECT_THAT(Run(training), StatusIs(absl::StatusCode::kUnimplemented));
}

}  // namespace
}  // namespace trainyard::engine
