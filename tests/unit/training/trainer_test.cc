// Whole trainings of a small SSD on pictures made here: what is left behind, and that an
// interrupted training ends with the bytes of an undisturbed one.

#include "libs/training/trainer.h"

#include <atomic>
#include <map>
#include <stop_token>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/digest.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/data/image_io.h"
#include "libs/training/checkpoints.h"
#include "libs/training/judge.h"
#include "libs/worker/journal.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::training {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::StatusIs;
using ::trainyard::testing::TemporaryFolder;

// A bright square or a dark bar on grey.
void WriteSample(const std::string& folder, int index) {
  Tensor image = Tensor::Zeros(DType::kUInt8, {96, 128, 3});
  const bool square = index % 2 == 0;
  const int x1 = 10 + 7 * index, y1 = 15 + 5 * index, w = square ? 40 : 60, h = square ? 40 : 20;
  auto pixels = image.data<uint8_t>();
  for (int y = 0; y < 96; ++y) {
    for (int x = 0; x < 128; ++x) {
      const bool inside = x >= x1 && x < x1 + w && y >= y1 && y < y1 + h;
      for (int c = 0; c < 3; ++c) pixels[(y * 128 + x) * 3 + c] = !inside ? 110 : square ? 240 : 20;
    }
  }
  const std::string png = *EncodePng(image);
  ASSERT_THAT(WriteFileAtomically(absl::StrCat(folder, "/images/", index, ".png"), png), IsOk());
  const std::string label = absl::StrFormat("%s 0 0 0 %d %d %d %d 0 0 0 0 0 0 0\n",
                                            square ? "square" : "bar", x1, y1, x1 + w, y1 + h);
  ASSERT_THAT(WriteFileAtomically(absl::StrCat(folder, "/labels/", index, ".txt"), label), IsOk());
}

std::string Spec(const std::string& data, absl::string_view extra_training = "") {
  const std::string source =
      absl::StrCat("{ image_directory_path: \"", data, "/images\" label_directory_path: \"", data,
                   "/labels\" }");
  return absl::StrCat(R"(
    random_seed: 3
    ssd_config {
      aspect_ratios_global: "[1.0, 2.0, 0.5]" scales: "[0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95]"
      two_boxes_for_ar1: true variances: "[0.1, 0.1, 0.2, 0.2]" arch: "resnet" nlayers: 10 }
    training_config {
      batch_size_per_gpu: 2 num_epochs: 2
      learning_rate { soft_start_annealing_schedule {
        min_learning_rate: 1e-4 max_learning_rate: 1e-3 soft_start: 0.2 annealing: 0.6 } }
      regularizer { type: L2 weight: 1e-5 } )",
                      extra_training, R"( }
    eval_config { validation_period_during_training: 1 batch_size: 4 matching_iou_threshold: 0.5 }
    nms_config { confidence_threshold: 0.05 clustering_iou_threshold: 0.5 top_k: 50 }
    augmentation_config { output_width: 128 output_height: 128 output_channel: 3
      image_mean { key: 'b' value: 104 } image_mean { key: 'g' value: 117 }
      image_mean { key: 'r' value: 124 } }
    dataset_config {
      data_sources )",
                      source, R"(
      target_class_mapping { key: "square" value: "square" }
      target_class_mapping { key: "bar" value: "bar" }
      validation_data_sources )",
                      source, "}");
}

std::string Replaced(std::string text, const std::string& what, const std::string& with) {
  const size_t at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return text.replace(at, what.size(), with);
}

/// Data, and trainings of it in folders below one that goes at the end.
class TrainerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_THAT(MakeFolders(folder_ / "data/images"), IsOk());
    ASSERT_THAT(MakeFolders(folder_ / "data/labels"), IsOk());
    for (int i = 0; i < 5; ++i) WriteSample(folder_ / "data", i);
  }

  worker::WorkerJob Job(const std::string& name) {
    worker::WorkerJob job;
    job.set_fencing_epoch(1);
    job.set_network("ssd");
    job.set_spec(Spec(folder_ / "data"));
    job.set_threads(2);
    job.set_job_dir(folder_ / absl::StrCat(name, "_job_", ++jobs_));
    job.mutable_train()->set_results_dir(folder_ / name);
    job.mutable_train()->set_device("cpu");
    return job;
  }

  absl::StatusOr<worker::Finished> Run(const worker::WorkerJob& job, std::stop_token stop = {}) {
    TY_RETURN_IF_ERROR(MakeFolders(job.job_dir()));
    TY_ASSIGN_OR_RETURN(const auto journal, worker::Journal::Open(job.job_dir(), 1));
    worker::Context context{job, *journal, key_, stop};
    return job.has_train()   ? Train(context)
           : job.has_infer() ? InferImages(context)
                             : EvaluateModel(context);
  }

  // Runs until the first event of this kind is in the journal, then asks to stop.
  absl::Status RunAndStopAt(const worker::WorkerJob& job, worker::WorkerEvent::EventCase at) {
    std::stop_source stop;
    std::atomic<bool> ended = false;
    std::thread watcher([&] {
      worker::JournalReader reader(job.job_dir());
      while (!ended) {
        const auto events = reader.Poll();
        for (size_t i = 0; events.ok() && i < events->size(); ++i) {
          if ((*events)[i].event_case() == at) return (void)stop.request_stop();
        }
        std::this_thread::yield();
      }
    });
    const absl::Status status = Run(job, stop.get_token()).status();
    ended = true;
    watcher.join();
    return status;
  }

  static std::string Digest(const worker::Finished& finished, const std::string& output) {
    for (const auto& artifact : finished.outputs()) {
      if (artifact.name() == output) return artifact.sha256();
    }
    return "no output " + output;
  }

  // As Job, with another number of epochs.
  worker::WorkerJob JobOf(const std::string& name, int epochs) {
    worker::WorkerJob job = Job(name);
    job.set_spec(Replaced(job.spec(), "num_epochs: 2", absl::StrCat("num_epochs: ", epochs)));
    return job;
  }

  std::string Weights(const std::string& name, const std::string& which) {
    return folder_ / absl::StrCat(name, "/weights/ssd_resnet10_", which, ".tlt");
  }

  // Of every file in the results folder and in its weights.
  std::map<std::string, std::string> Digests(const std::string& name) {
    std::map<std::string, std::string> digests;
    for (const std::string& folder : {folder_ / name, folder_ / (name + "/weights")}) {
      const auto files = ListFolder(folder);
      EXPECT_THAT(files, IsOk());
      for (const std::string& file : *files) {
        const std::string path = JoinPath(folder, file);
        if (FileExists(path)) digests[path] = *FileDigest(path);
      }
    }
    return digests;
  }

  TemporaryFolder folder_;
  std::string key_ = "a key of the test";
  int jobs_ = 0;
};

TEST_F(TrainerTest, AnInterruptedTrainingEndsWithTheBytesOfAnUndisturbedOne) {
  auto whole = Run(Job("whole"));
  ASSERT_THAT(whole, IsOk());

  // In the middle of an epoch, by request.
  ASSERT_THAT(RunAndStopAt(Job("stopped"), worker::WorkerEvent::kProgress),
              StatusIs(absl::StatusCode::kCancelled));
  EXPECT_TRUE(FileExists(folder_ / "stopped/weights/ssd_resnet10_interrupted.tlt"));
  worker::WorkerJob again = Job("stopped");
  again.mutable_train()->set_resume_model(folder_ / "stopped");
  auto resumed = Run(again);
  ASSERT_THAT(resumed, IsOk());
  for (const char* output : {"best", "last", "log"}) {
    EXPECT_EQ(Digest(*resumed, output), Digest(*whole, output)) << output;
  }
  EXPECT_FALSE(FileExists(folder_ / "stopped/weights/ssd_resnet10_interrupted.tlt"));

  // After a crash behind the first epoch's checkpoint: what came later is lost.
  ASSERT_THAT(RemoveTree(folder_ / "whole/weights/ssd_resnet10_epoch_002.tlt"), IsOk());
  worker::WorkerJob crashed = Job("whole");
  crashed.mutable_train()->set_resume_model(folder_ / "whole/weights/ssd_resnet10_epoch_001.tlt");
  auto recovered = Run(crashed);
  ASSERT_THAT(recovered, IsOk());
  for (const char* output : {"best", "last", "log"}) {
    EXPECT_EQ(Digest(*recovered, output), Digest(*whole, output)) << output;
  }
}

TEST_F(TrainerTest, AStopWhileAnEpochIsJudgedLosesNothing) {
  auto whole = Run(Job("whole"));
  ASSERT_THAT(whole, IsOk());
  ASSERT_THAT(RunAndStopAt(Job("stopped"), worker::WorkerEvent::kCheckpoint),
              StatusIs(absl::StatusCode::kCancelled));
  worker::WorkerJob again = Job("stopped");
  again.mutable_train()->set_resume_model(folder_ / "stopped");
  auto resumed = Run(again);
  ASSERT_THAT(resumed, IsOk());
  for (const char* output : {"best", "last", "log"}) {
    EXPECT_EQ(Digest(*resumed, output), Digest(*whole, output)) << output;
  }
}

TEST_F(TrainerTest, GoingOnKeepsWhatTheLastEpochMeasured) {
  ASSERT_THAT(Run(Job("run")), IsOk());
  const auto judged = LoadCheckpoint(Weights("run", "epoch_002"), key_);
  ASSERT_THAT(judged, IsOk());
  EXPECT_TRUE(judged->state->judged());
  EXPECT_TRUE(judged->state->has_validation_loss());
  EXPECT_GT(judged->state->best_epoch(), 0);
  const std::string log = folder_ / "run/ssd_training_log_resnet10.csv";
  const std::string rows = *ReadFile(log);

  worker::WorkerJob longer = JobOf("run", 3);
  longer.set_spec(Replaced(longer.spec(), "validation_period_during_training: 1",
                           "validation_period_during_training: 10"));
  longer.mutable_train()->set_resume_model(Weights("run", "epoch_002"));
  longer.mutable_train()->set_initial_epoch(3);
  ASSERT_THAT(Run(longer), IsOk());
  EXPECT_THAT(*ReadFile(log), StartsWith(rows + "3,"));
}

TEST_F(TrainerTest, ABestThatItGoesOnFromIsKeptUnderItsEpochsName) {
  ASSERT_THAT(Run(JobOf("run", 1)), IsOk());
  const std::string best = *FileDigest(Weights("run", "best"));
  ASSERT_THAT(RemoveTree(Weights("run", "epoch_001")), IsOk());
  worker::WorkerJob longer = Job("run");
  longer.mutable_train()->set_resume_model(Weights("run", "best"));
  longer.mutable_train()->set_initial_epoch(2);
  ASSERT_THAT(Run(longer), IsOk());
  EXPECT_EQ(*FileDigest(Weights("run", "epoch_001")), best);
}

TEST_F(TrainerTest, LeavesTaosFilesAndJudgesTheSameAsEvaluate) {
  auto job = Job("run");
  job.set_spec(Spec(folder_ / "data", "visualizer { enabled: true num_images: 2 }"));
  auto trained = Run(job);
  ASSERT_THAT(trained, IsOk());
  std::map<std::string, double> metrics;
  for (const auto& metric : trained->metrics()) {
    metrics[absl::StrCat(metric.name(), metric.class_name())] = metric.value();
  }
  EXPECT_TRUE(metrics.contains("mAP") && metrics.contains("APsquare") && metrics.contains("APbar"));
  EXPECT_EQ(metrics["epochs"], 2);
  for (const auto& metric : trained->metrics()) {
    EXPECT_EQ(metric.higher_is_better(), metric.name() == "mAP" || metric.name() == "AP" ||
                                             metric.name() == "images_per_second")
        << metric.name();
    EXPECT_EQ(metric.primary(), metric.name() == "mAP") << metric.name();
  }
  EXPECT_GT(metrics["parameters"], 5e6);
  EXPECT_TRUE(FileExists(folder_ / "run/ssd_training_log_resnet10.csv"));
  EXPECT_TRUE(FileExists(folder_ / "run/status.json"));
  EXPECT_TRUE(FolderExists(folder_ / "run/events"));

  auto evaluate = Job("run");
  evaluate.mutable_evaluate()->set_model(folder_ / "run/weights/ssd_resnet10_best.tlt");
  evaluate.mutable_evaluate()->set_results_dir(folder_ / "run");
  auto judged = Run(evaluate);
  ASSERT_THAT(judged, IsOk());
  EXPECT_EQ(judged->metrics(0).name(), "mAP");
  EXPECT_NEAR(judged->metrics(0).value(), metrics["mAP"], 1e-9);
  EXPECT_TRUE(FileExists(folder_ / "run/results.json"));

  auto infer = Job("run");
  infer.mutable_infer()->set_model(folder_ / "run/weights/ssd_resnet10_best.tlt");
  infer.mutable_infer()->set_images(folder_ / "data/images");
  infer.mutable_infer()->set_labels_dir(folder_ / "run/labels");
  infer.mutable_infer()->set_annotated_dir(folder_ / "run/annotated");
  ASSERT_THAT(Run(infer), IsOk());
  EXPECT_TRUE(FileExists(folder_ / "run/labels/0.txt"));
  EXPECT_TRUE(FileExists(folder_ / "run/annotated/0.png"));

  key_ = "another key";
  EXPECT_THAT(Run(evaluate), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("key")));
}

TEST_F(TrainerTest, ATrainingIsBegunAnewButAnotherOnesCheckpointsAreRefusedAndKept) {
  ASSERT_THAT(Run(JobOf("run", 1)), IsOk());
  const std::string first = *FileDigest(Weights("run", "epoch_001"));
  const auto anew = Run(JobOf("run", 1));
  ASSERT_THAT(anew, IsOk());
  EXPECT_THAT(anew->notes(), Contains(HasSubstr("removed 2 checkpoints of an earlier try")));
  EXPECT_EQ(*FileDigest(Weights("run", "epoch_001")), first);

  const auto before = Digests("run");
  worker::WorkerJob other = Job("run");
  other.set_spec(Replaced(other.spec(), "random_seed: 3", "random_seed: 4"));
  const auto refused =
      StatusIs(absl::StatusCode::kFailedPrecondition,
               AllOf(HasSubstr(folder_ / "run/weights"), HasSubstr("2 checkpoints (epoch 1)"),
                     HasSubstr("another spec"), HasSubstr("another results folder"),
                     HasSubstr("--initial_epoch")));
  EXPECT_THAT(Run(other), refused);
  other.mutable_train()->set_resume_model(folder_ / "run");
  EXPECT_THAT(Run(other), refused);
  EXPECT_EQ(Digests("run"), before);

  // The way that the message names.
  other.mutable_train()->set_resume_model(Weights("run", "epoch_001"));
  other.mutable_train()->set_initial_epoch(2);
  const auto went_on = Run(other);
  ASSERT_THAT(went_on, IsOk());
  EXPECT_THAT(went_on->notes(), Contains(HasSubstr("not an exact resume")));
  EXPECT_EQ(*FileDigest(Weights("run", "epoch_001")), first);
  EXPECT_TRUE(FileExists(Weights("run", "epoch_002")));

  // From the first again, with a third spec: the second would be replaced.
  other.set_spec(Replaced(other.spec(), "random_seed: 4", "random_seed: 5"));
  EXPECT_THAT(Run(other),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("epochs 1 to 2")));
}

TEST_F(TrainerTest, AWrongKeyDoesNotRemoveWhatItCannotOpen) {
  ASSERT_THAT(Run(JobOf("run", 1)), IsOk());
  const auto before = Digests("run");
  key_ = "another key";
  EXPECT_THAT(Run(JobOf("run", 1)),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("key")));
  EXPECT_EQ(Digests("run"), before);
}

TEST_F(TrainerTest, ResumeTrainsLongerAndSaysThatThisIsNotExact) {
  ASSERT_THAT(Run(JobOf("run", 1)), IsOk());
  const std::string first = *FileDigest(Weights("run", "epoch_001"));
  EXPECT_THAT(Run(JobOf("run", 2)),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("num_epochs 1, not 2"), HasSubstr("--resume"))));

  worker::WorkerJob longer = JobOf("run", 2);
  longer.set_spec(Replaced(longer.spec(), "batch_size_per_gpu: 2",
                           "batch_size_per_gpu: 2 checkpoint_interval: 7 n_workers: 2"));
  longer.mutable_train()->set_resume_model(folder_ / "run");
  const auto finished = Run(longer);
  ASSERT_THAT(finished, IsOk());
  EXPECT_THAT(finished->notes(), AllOf(Contains(HasSubstr("num_epochs 1")),
                                       Contains(HasSubstr("not an exact resume"))));
  EXPECT_EQ(*FileDigest(Weights("run", "epoch_001")), first);
  EXPECT_TRUE(FileExists(Weights("run", "epoch_002")));
  EXPECT_THAT(*ReadFile(folder_ / "run/ssd_training_log_resnet10.csv"),
              AllOf(HasSubstr("\n1,"), HasSubstr("\n2,")));
}

TEST_F(TrainerTest, AnInitialModelAmongItsOwnCheckpointsIsRefused) {
  ASSERT_THAT(Run(JobOf("run", 1)), IsOk());
  const auto before = Digests("run");
  worker::WorkerJob job = JobOf("run", 1);
  job.mutable_train()->set_initial_model(folder_ / "run/../run/weights/ssd_resnet10_best.tlt");
  EXPECT_THAT(Run(job), StatusIs(absl::StatusCode::kFailedPrecondition,
                                 AllOf(HasSubstr("ssd_resnet10_best.tlt"), HasSubstr("replace it"),
                                       HasSubstr("another results folder"))));
  EXPECT_EQ(Digests("run"), before);
}

TEST_F(TrainerTest, AStopBeforeTheFirstStepLeavesACheckpoint) {
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THAT(Run(Job("run"), stop.get_token()), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_TRUE(FileExists(folder_ / "run/weights/ssd_resnet10_interrupted.tlt"));
}

TEST_F(TrainerTest, EarlyStoppingOnValidationLossNeedsAPeriodOfOne) {
  auto job = Job("run");
  std::string spec = Spec(
      folder_ / "data", "early_stopping { monitor: \"validation_loss\" patience: 1 min_delta: 0 }");
  const std::string period = "validation_period_during_training: 1";
  spec.replace(spec.find(period), period.size(), "validation_period_during_training: 2");
  job.set_spec(spec);
  EXPECT_THAT(Run(job), StatusIs(absl::StatusCode::kInvalidArgument,
                                 HasSubstr("validation_period_during_training")));
}

}  // namespace
}  // namespace trainyard::training
