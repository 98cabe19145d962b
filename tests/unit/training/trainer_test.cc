// Whole trainings of a small SSD on pictures made here: that it learns, what is left behind, and
// that an interrupted training ends with the bytes of an undisturbed one.

#include "libs/training/trainer.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <map>
#include <stop_token>
#include <thread>

#include "ATen/cpu/Utils.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "libs/base/digest.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/data/image_io.h"
#include "libs/networks/registry.h"
#include "libs/sealing/model_store.h"
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
using ::testing::Not;
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
  const std::string png = *data::EncodePng(image);
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

// The spec with every augmentation off: the pictures are seen as they are.
std::string Unaugmented(const std::string& spec) {
  return Replaced(spec, "output_channel: 3",
                  "output_channel: 3 random_crop_min_scale: 1 random_crop_max_scale: 1 "
                  "zoom_out_min_scale: 1 zoom_out_max_scale: 1 brightness: 0 contrast: 0 "
                  "saturation: 0 hue: 0 random_flip: 0");
}

// What learns the five pictures by heart. Objects are found from an IoU of 0.2 on, by any score:
// the statistics of batch normalization need hundreds of steps before more is right.
constexpr int kEpochsThatLearn = 40;
std::string Learning(const std::string& spec) {
  std::string text =
      Replaced(Unaugmented(spec), "max_learning_rate: 1e-3", "max_learning_rate: 4e-3");
  text = Replaced(text, "validation_period_during_training: 1",
                  "validation_period_during_training: 20");
  text = Replaced(text, "matching_iou_threshold: 0.5", "matching_iou_threshold: 0.2");
  return Replaced(text, "confidence_threshold: 0.05", "confidence_threshold: 0.01");
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

  // What the journal of a job says of problems before the first step's progress.
  std::vector<std::string> WarningsOfJob(const worker::WorkerJob& job) {
    std::vector<std::string> warnings;
    const auto events = worker::JournalReader(job.job_dir()).Poll();
    EXPECT_THAT(events, IsOk());
    for (const worker::WorkerEvent& event : *events) {
      if (event.has_progress()) break;
      if (event.has_warning()) warnings.push_back(event.warning().message());
    }
    return warnings;
  }

  static std::map<std::string, double> MetricsOf(const worker::Finished& finished) {
    std::map<std::string, double> metrics;
    for (const auto& metric : finished.metrics()) {
      metrics[absl::StrCat(metric.name(), metric.class_name())] = metric.value();
    }
    return metrics;
  }

  void WriteLabel(int index, const std::string& text) {
    ASSERT_THAT(WriteFileAtomically(folder_ / absl::StrCat("data/labels/", index, ".txt"), text),
                IsOk());
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

  void SaveState(const std::string& path, const Checkpoint& checkpoint) {
    ASSERT_THAT(sealing::SaveModel(path, sealing::SealedKind::kCheckpoint, checkpoint.model,
                                   {{"train_state", checkpoint.state->SerializeAsString()}}, key_),
                IsOk());
  }

  // The loss of the first epoch, as its log has it.
  double FirstLoss(const std::string& name) {
    const auto text = ReadFile(folder_ / (name + "/ssd_training_log_resnet10.csv"));
    EXPECT_THAT(text, IsOk());
    const std::vector<std::string> lines = absl::StrSplit(*text, '\n');
    const std::vector<std::string> names = absl::StrSplit(lines.at(0), ',');
    const std::vector<std::string> values = absl::StrSplit(lines.at(1), ',');
    double loss = 0;
    EXPECT_TRUE(absl::SimpleAtod(
        values.at(std::find(names.begin(), names.end(), "loss") - names.begin()), &loss));
    return loss;
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

// Without augmentation a handful of pictures is learnt by heart in seconds. What dies here: no step
// of the optimizer, a wrong sign or rate, targets of another picture.
TEST_F(TrainerTest, LearnsAndJudgesTheSameAsEvaluate) {
  worker::WorkerJob job = JobOf("run", kEpochsThatLearn);
  job.set_spec(Learning(job.spec()));
  const auto trained = Run(job);
  ASSERT_THAT(trained, IsOk());
  std::map<std::string, double> metrics = MetricsOf(*trained);
  EXPECT_GT(metrics["mAP"], 0);
  EXPECT_GT(metrics["last_mAP"], 0);
  EXPECT_LE(metrics["last_mAP"], metrics["mAP"]);
  EXPECT_TRUE(metrics.contains("mAP_voc") && metrics.contains("last_mAP_voc"));
  EXPECT_LT(metrics["loss"], 0.8 * FirstLoss("run"));
  EXPECT_THAT(trained->notes(), Contains(HasSubstr("chosen by its mAP")));

  worker::WorkerJob evaluate = Job("run");
  evaluate.set_spec(job.spec());
  for (const auto& [file, metric] : {std::pair("best", "mAP"), std::pair("last", "last_mAP")}) {
    const int epoch = std::string(file) == "best" ? metrics["best_epoch"] : kEpochsThatLearn;
    evaluate.mutable_evaluate()->set_model(Weights("run", absl::StrFormat("epoch_%03d", epoch)));
    const auto judged = Run(evaluate);
    ASSERT_THAT(judged, IsOk());
    EXPECT_NEAR(MetricsOf(*judged)["mAP"], metrics[metric], 1e-9) << file;
  }
}

TEST_F(TrainerTest, EveryTrainedLayerMoves) {
  ASSERT_THAT(Run(JobOf("run", 1)), IsOk());
  const auto trained = LoadCheckpoint(Weights("run", "epoch_001"), key_);
  ASSERT_THAT(trained, IsOk());
  const auto fresh = (*networks::CreateNetwork("ssd", Job("run").spec(), "spec"))->Build();
  ASSERT_THAT(fresh, IsOk());
  int moved = 0;
  for (const std::string& name : fresh->graph.InitializerNames()) {
    if (!absl::EndsWith(name, "/kernel")) continue;
    const Tensor before = *fresh->graph.Initializer(name);
    const Tensor after = *trained->model.graph.Initializer(name);
    EXPECT_NE(before.data<float>(), after.data<float>()) << name;
    ++moved;
  }
  EXPECT_EQ(moved, 33);
}

TEST_F(TrainerTest, WhatTheSpecAugmentsIsWhatIsLearntFrom) {
  worker::WorkerJob plain = JobOf("plain", 1), mirrored = JobOf("mirrored", 1);
  plain.set_spec(Unaugmented(plain.spec()));
  mirrored.set_spec(Replaced(plain.spec(), "random_flip: 0", "random_flip: 0.9"));
  ASSERT_THAT(Run(plain), IsOk());
  ASSERT_THAT(Run(mirrored), IsOk());
  // The same order of the same pictures: only the mirror tells the two apart.
  EXPECT_NE(FirstLoss("plain"), FirstLoss("mirrored"));
}

TEST_F(TrainerTest, TheLastBatchOfAnEpochIsWrapped) {
  worker::WorkerJob job = JobOf("run", 1);
  job.set_spec(Replaced(job.spec(), "batch_size_per_gpu: 2", "batch_size_per_gpu: 4"));
  ASSERT_THAT(Run(job), IsOk());
  const auto trained = LoadCheckpoint(Weights("run", "epoch_001"), key_);
  ASSERT_THAT(trained, IsOk());
  EXPECT_EQ(trained->state->step(), 2);
  EXPECT_EQ(trained->state->loss_images(), 8) << "five pictures in batches of four";
}

TEST_F(TrainerTest, TheEpochThatEarlyStoppingMakesTheLastIsJudged) {
  worker::WorkerJob job = JobOf("run", 9);
  job.set_spec(Replaced(Replaced(job.spec(), "validation_period_during_training: 1",
                                 "validation_period_during_training: 5"),
                        "batch_size_per_gpu: 2",
                        "batch_size_per_gpu: 2 early_stopping { monitor: \"loss\" patience: 1 "
                        "min_delta: 1000 }"));
  const auto finished = Run(job);
  ASSERT_THAT(finished, IsOk());
  std::map<std::string, double> metrics = MetricsOf(*finished);
  EXPECT_EQ(metrics["epochs"], 2);
  EXPECT_THAT(finished->notes(), Contains(HasSubstr("ended the training after epoch 2 of")));
  EXPECT_EQ(metrics["best_epoch"], 2);
  EXPECT_TRUE(metrics.contains("mAP"));
  EXPECT_TRUE(FileExists(Weights("run", "best")));
  const std::string rows = *ReadFile(folder_ / "run/ssd_training_log_resnet10.csv");
  EXPECT_THAT(rows.substr(rows.find("\n2,")), Not(HasSubstr("nan"))) << rows;
  // Asked to go on, it says the same again.
  job.mutable_train()->set_resume_model(folder_ / "run");
  job.set_job_dir(folder_ / "again");
  const auto again = Run(job);
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(MetricsOf(*again)["last_mAP"], metrics["last_mAP"]);
  EXPECT_THAT(again->notes(), Contains(HasSubstr("early_stopping ended it")));
}

TEST_F(TrainerTest, SaysBeforeTheFirstStepWhatIsProbablyNotMeant) {
  WriteLabel(0, "triangle 0 0 0 10 10 50 50 0 0 0 0 0 0 0\n\xdf\xe4 0 0 0 1 1 9 9 0 0 0 0 0 0 0\n");
  worker::WorkerJob job = JobOf("run", 1);
  job.set_spec(
      Replaced(Replaced(job.spec(), "key: \"bar\" value: \"bar\"", "key: \"barr\" value: \"bar\""),
               "batch_size_per_gpu: 2", "batch_size_per_gpu: 16"));
  const auto finished = Run(job);
  ASSERT_THAT(finished, IsOk());
  const std::vector<std::string> warnings = WarningsOfJob(job);
  EXPECT_THAT(warnings,
              AllOf(Contains(AllOf(HasSubstr("training data"), HasSubstr("'bar' has no object"))),
                    Contains(AllOf(HasSubstr("validation data"), HasSubstr("'bar' has no object"))),
                    Contains(AllOf(HasSubstr("training data"), HasSubstr("'bar' x 2"),
                                   HasSubstr("'triangle' x 1"))),
                    Contains(HasSubstr("names what is trained on too")),
                    Contains(HasSubstr("batch_size_per_gpu is 16"))));
  for (const std::string& warning : warnings) EXPECT_THAT(finished->notes(), Contains(warning));

  job = JobOf("blind", 1);
  job.set_spec(job.spec().substr(0, job.spec().find("validation_data_sources")) + "}");
  ASSERT_THAT(Run(job), IsOk());
  EXPECT_THAT(WarningsOfJob(job), Contains(HasSubstr("no validation data")));
}

TEST_F(TrainerTest, WithoutAnObjectOfAMappedClassItDoesNotBegin) {
  worker::WorkerJob job = JobOf("run", 1);
  job.set_spec(Replaced(Replaced(job.spec(), "key: \"bar\"", "key: \"barr\""), "key: \"square\"",
                        "key: \"sqare\""));
  EXPECT_THAT(Run(job), StatusIs(absl::StatusCode::kInvalidArgument,
                                 AllOf(HasSubstr("target_class_mapping"),
                                       HasSubstr("'bar' x 2, 'square' x 3"))));
  EXPECT_FALSE(FileExists(Weights("run", "epoch_001")));
}

TEST_F(TrainerTest, OccludedObjectsAreLearntFromUnlessTheSpecSaysOtherwise) {
  for (int i = 0; i < 4; ++i) WriteLabel(i, "square 0 1 0 20 20 60 60 0 0 0 0 0 0 0\n");
  const auto learnt = Run(JobOf("learnt", 1));
  ASSERT_THAT(learnt, IsOk());
  EXPECT_THAT(
      learnt->notes(),
      AllOf(Contains(HasSubstr("training data: 5 objects in 5 images")),
            Contains(HasSubstr("training data: 4 objects of these are difficult (occluded): "
                               "learnt from")),
            Contains(HasSubstr("validation data: 4 objects of these are difficult"))));
  worker::WorkerJob job = JobOf("neutral", 1);
  job.set_spec(Replaced(job.spec(), "dataset_config {",
                        "dataset_config { include_difficult_in_training: false "));
  const auto neutral = Run(job);
  ASSERT_THAT(neutral, IsOk());
  EXPECT_THAT(
      neutral->notes(),
      AllOf(Contains(HasSubstr("training data: 1 objects in 5 images")),
            Contains(HasSubstr("4 objects more are difficult (occluded): neither learnt from "
                               "nor taken for background"))));
}

TEST_F(TrainerTest, APrunedStartKeepsItsGraphAndSaysWhatThatOverrides) {
  ASSERT_THAT(Run(JobOf("run", 1)), IsOk());
  auto pruned = LoadCheckpoint(Weights("run", "epoch_001"), key_);
  ASSERT_THAT(pruned, IsOk());
  pruned->model.record.mutable_training()->set_pruned(true);
  const std::string file = folder_ / "pruned.tlt";
  ASSERT_THAT(sealing::SaveModel(file, sealing::SealedKind::kCheckpoint, pruned->model, {}, key_),
              IsOk());

  worker::WorkerJob job = JobOf("other", 1);
  job.mutable_train()->set_initial_model(file);
  const std::string spec = job.spec();
  job.set_spec(Replaced(spec, "nlayers: 10", "nlayers: 18"));
  EXPECT_THAT(Run(job), StatusIs(absl::StatusCode::kInvalidArgument,
                                 AllOf(HasSubstr("pruned.tlt"), HasSubstr("resnet18 in the spec"),
                                       HasSubstr("resnet10"))));
  EXPECT_FALSE(FolderExists(folder_ / "other/weights"));

  job.set_spec(Replaced(Replaced(spec, "variances: \"[0.1, 0.1, 0.2, 0.2]\"",
                                 "variances: \"[1, 1, 1, 1]\" freeze_bn: true"),
                        "value: \"square\"", "value: \"quad\""));
  const auto finished = Run(job);
  ASSERT_THAT(finished, IsOk());
  EXPECT_THAT(WarningsOfJob(job),
              AllOf(Contains(HasSubstr("its classes are bar, square; the spec's are bar, quad")),
                    Contains(HasSubstr("ssd_config.variances is [1, 1, 1, 1], the model has [0.1")),
                    Contains(HasSubstr("ssd_config.freeze_bn"))));
  const auto trained = LoadCheckpoint(Weights("other", "epoch_001"), key_);
  ASSERT_THAT(trained, IsOk());
  EXPECT_EQ(trained->model.record.arch(), "resnet10");
  EXPECT_EQ(trained->model.record.ssd().variances(0), 0.1);
}

TEST_F(TrainerTest, AResumeOfAnotherNetworkIsRefusedAndOverriddenFieldsAreSaid) {
  ASSERT_THAT(Run(JobOf("run", 1)), IsOk());
  worker::WorkerJob job = JobOf("other", 2);
  job.mutable_train()->set_resume_model(Weights("run", "epoch_001"));
  const std::string spec = job.spec();
  job.set_spec(Replaced(Replaced(spec, "nlayers: 10", "nlayers: 18"), "output_width: 128",
                        "output_width: 160"));
  EXPECT_THAT(Run(job), StatusIs(absl::StatusCode::kInvalidArgument,
                                 AllOf(HasSubstr("resnet18"), HasSubstr("resnet10"),
                                       HasSubstr("160x128x3"), HasSubstr("128x128x3"))));
  job.set_spec(Replaced(spec, "scales: \"[0.1,", "scales: \"[0.15,"));
  ASSERT_THAT(Run(job), IsOk());
  EXPECT_THAT(WarningsOfJob(job), Contains(HasSubstr("ssd_config.scales is [0.15, ")));
}

TEST_F(TrainerTest, AResumeWithoutACheckpointTakesTheFallbackOrSaysThatItBegins) {
  ASSERT_THAT(Run(JobOf("run", 1)), IsOk());
  worker::WorkerJob job = JobOf("new", 2);
  job.mutable_train()->set_resume_model(folder_ / "new");
  job.mutable_train()->set_resume_fallback(Weights("run", "epoch_001"));
  ASSERT_THAT(Run(job), IsOk());
  EXPECT_FALSE(FileExists(Weights("new", "epoch_001"))) << "it goes on with the second epoch";
  EXPECT_TRUE(FileExists(Weights("new", "epoch_002")));

  job = JobOf("fresh", 1);
  job.mutable_train()->set_resume_model(folder_ / "fresh");
  ASSERT_THAT(Run(job), IsOk());
  EXPECT_THAT(WarningsOfJob(job), Contains(HasSubstr("starts from the beginning")));
}

TEST_F(TrainerTest, AStoppedTrainingNamesItsFileAndTheWayOn) {
  EXPECT_THAT(RunAndStopAt(JobOf("stopped", 50), worker::WorkerEvent::kProgress),
              StatusIs(absl::StatusCode::kCancelled,
                       AllOf(HasSubstr("of 50"), HasSubstr("stopped/weights/ssd_resnet10_"),
                             HasSubstr("--resume"))));
}

TEST_F(TrainerTest, AMixedPrecisionTrainingOnACpuLearnsOrSaysThatItIsNone) {
  worker::WorkerJob job = JobOf("run", 1);
  job.mutable_train()->set_use_amp(true);
  const auto finished = Run(job);
  ASSERT_THAT(finished, IsOk());
  EXPECT_TRUE(std::isfinite(MetricsOf(*finished)["loss"]));
  EXPECT_EQ(std::ranges::count_if(finished->notes(),
                                  [](const std::string& note) {
                                    return absl::StrContains(note, "use_amp has no effect");
                                  }),
            at::cpu::init_amx() ? 0 : 1);
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

TEST_F(TrainerTest, LeavesTaosFiles) {
  auto job = Job("run");
  job.set_spec(Spec(folder_ / "data", "visualizer { enabled: true num_images: 2 }"));
  auto trained = Run(job);
  ASSERT_THAT(trained, IsOk());
  std::map<std::string, double> metrics = MetricsOf(*trained);
  EXPECT_TRUE(metrics.contains("mAP") && metrics.contains("APsquare") && metrics.contains("APbar"));
  EXPECT_EQ(metrics["epochs"], 2);
  for (const auto& metric : trained->metrics()) {
    EXPECT_EQ(metric.higher_is_better(),
              absl::StrContains(metric.name(), "AP") || metric.name() == "images_per_second")
        << metric.name();
    EXPECT_EQ(metric.primary(), metric.name() == "mAP") << metric.name();
  }
  EXPECT_GT(metrics["parameters"], 5e6);
  EXPECT_GT(metrics["images_per_second"], 0);
  EXPECT_GT(metrics["startup_seconds"], 0);
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
  EXPECT_EQ(MetricsOf(*judged)["latency_batch_size"], 4);
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

TEST_F(TrainerTest, OnePlaceUnderTwoSpellingsIsNoticed) {
  worker::WorkerJob job = JobOf("run", 1);
  const std::string data = folder_ / "data";
  job.set_spec(Replaced(job.spec(), "target_class_mapping",
                        absl::StrCat("data_sources { image_directory_path: \"", data,
                                     "/../data/./images/\" label_directory_path: \"", data,
                                     "/labels\" } target_class_mapping")));
  ASSERT_THAT(Run(job), IsOk());
  EXPECT_THAT(WarningsOfJob(job),
              Contains(AllOf(HasSubstr("data_sources[1]"), HasSubstr("names data that"),
                             HasSubstr("data_sources[0]"))));
}

TEST_F(TrainerTest, ALedgerOfAnEarlierTryGoes) {
  ASSERT_THAT(MakeFolders(folder_ / "run"), IsOk());
  ASSERT_THAT(WriteFileAtomically(folder_ / "run/label_ledger.jsonl", "{}\n"), IsOk());
  ASSERT_THAT(Run(JobOf("run", 1)), IsOk());
  EXPECT_FALSE(FileExists(folder_ / "run/label_ledger.jsonl"));
}

TEST_F(TrainerTest, ABestThatLiesElsewhereIsNotToldOfThisFoldersFiles) {
  ASSERT_THAT(Run(Job("run")), IsOk());
  auto last = LoadCheckpoint(Weights("run", "epoch_002"), key_);
  ASSERT_THAT(last, IsOk());
  last->state->set_best_epoch(1);
  last->state->mutable_best_metrics(0)->set_value(0.9);
  SaveState(folder_ / "last.tlt", *last);

  worker::WorkerJob job = JobOf("other", 3);
  job.mutable_train()->set_resume_model(folder_ / "last.tlt");
  job.mutable_train()->set_initial_epoch(3);
  const auto finished = Run(job);
  ASSERT_THAT(finished, IsOk());
  EXPECT_THAT(WarningsOfJob(job), Contains(HasSubstr("epoch 1, the best one so far (mAP 0.9)")));
  std::map<std::string, double> metrics = MetricsOf(*finished);
  EXPECT_LT(metrics["mAP"], 0.9);
  const auto best = LoadCheckpoint(Weights("other", "best"), key_);
  ASSERT_THAT(best, IsOk());
  EXPECT_EQ(best->state->epoch(), metrics["best_epoch"]);
  EXPECT_EQ(Digest(*finished, "best"), *FileDigest(Weights("other", "best")));
}

TEST_F(TrainerTest, PicturesThatCameSinceTheCheckpointAreSaid) {
  ASSERT_THAT(RunAndStopAt(Job("run"), worker::WorkerEvent::kCheckpoint),
              StatusIs(absl::StatusCode::kCancelled));
  WriteSample(folder_ / "data", 5);
  WriteSample(folder_ / "data", 6);
  worker::WorkerJob again = Job("run");
  again.mutable_train()->set_resume_model(folder_ / "run");
  ASSERT_THAT(Run(again), IsOk());
  EXPECT_THAT(WarningsOfJob(again), Contains(AllOf(HasSubstr("pictures came or went since"),
                                                   HasSubstr("Not an exact resume"))));
}

// Stopped after the last step of an epoch, before the epoch was counted.
TEST_F(TrainerTest, AStopBetweenTheLastStepOfAnEpochAndItsEndLosesNothing) {
  const auto whole = Run(Job("whole"));
  ASSERT_THAT(whole, IsOk());
  auto stopped = LoadCheckpoint(Weights("whole", "epoch_001"), key_);
  ASSERT_THAT(stopped, IsOk());
  stopped->state->set_epoch(0);
  stopped->state->set_step_in_epoch(3);
  stopped->state->set_judged(false);
  stopped->state->set_best_epoch(0);
  stopped->state->clear_best_metrics();
  ASSERT_THAT(MakeFolders(folder_ / "stopped/weights"), IsOk());
  SaveState(Weights("stopped", "interrupted"), *stopped);
  worker::WorkerJob again = Job("stopped");
  again.mutable_train()->set_resume_model(folder_ / "stopped");
  const auto resumed = Run(again);
  ASSERT_THAT(resumed, IsOk());
  for (const char* output : {"best", "last", "log"}) {
    EXPECT_EQ(Digest(*resumed, output), Digest(*whole, output)) << output;
  }
}

// The rate of the last step; the loss before it is a number.
TEST_F(TrainerTest, WeightsThatAreNoNumbersAreNoCheckpoint) {
  worker::WorkerJob job = JobOf("run", 1);
  job.set_spec(Replaced(Replaced(job.spec(), "batch_size_per_gpu: 2", "batch_size_per_gpu: 4"),
                        "max_learning_rate: 1e-3", "max_learning_rate: 3e38"));
  EXPECT_THAT(Run(job), StatusIs(absl::StatusCode::kFailedPrecondition,
                                 AllOf(HasSubstr("weights that are no numbers after epoch 1"),
                                       HasSubstr("lower max_learning_rate"))));
  EXPECT_FALSE(FileExists(Weights("run", "epoch_001")));

  // Weights that are numbers, of a network that is useless.
  job.set_spec(Replaced(job.spec(), "max_learning_rate: 3e38", "max_learning_rate: 1e25"));
  job.set_job_dir(folder_ / "again");
  const auto finished = Run(job);
  ASSERT_THAT(finished, IsOk());
  EXPECT_THAT(finished->notes(), Contains(HasSubstr("after epoch 1: what the network puts out")));
}

TEST_F(TrainerTest, WhatIsNoSoundModelIsNeitherJudgedNorStartedFrom) {
  ASSERT_THAT(Run(JobOf("run", 1)), IsOk());
  auto trained = LoadCheckpoint(Weights("run", "epoch_001"), key_);
  ASSERT_THAT(trained, IsOk());
  Model& model = trained->model;
  const std::string engine = folder_ / "a.engine", broken = folder_ / "broken.tlt";
  ASSERT_THAT(sealing::SaveModel(engine, sealing::SealedKind::kEngine, model, {}, ""), IsOk());
  worker::WorkerJob job = JobOf("other", 1);
  job.mutable_train()->set_initial_model(engine);
  EXPECT_THAT(Run(job), StatusIs(absl::StatusCode::kInvalidArgument,
                                 HasSubstr("is of kind engine (.engine); expected checkpoint")));

  Tensor gamma = (*model.graph.Initializer("bn_conv1/gamma")).Clone();
  gamma.data<float>()[0] = std::numeric_limits<float>::infinity();
  ASSERT_THAT(model.graph.SetInitializer("bn_conv1/gamma", gamma), IsOk());
  ASSERT_THAT(sealing::SaveModel(broken, sealing::SealedKind::kCheckpoint, model, {}, key_),
              IsOk());
  worker::WorkerJob evaluate = Job("run");
  evaluate.mutable_evaluate()->set_model(broken);
  EXPECT_THAT(Run(evaluate),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("broken.tlt"), HasSubstr("that are not finite"))));
}

TEST_F(TrainerTest, SaysThatNoEpochWasLeft) {
  ASSERT_THAT(Run(JobOf("run", 1)), IsOk());
  worker::WorkerJob job = JobOf("other", 1);
  job.mutable_train()->set_initial_model(Weights("run", "epoch_001"));
  job.mutable_train()->set_initial_epoch(2);
  const auto finished = Run(job);
  ASSERT_THAT(finished, IsOk());
  EXPECT_THAT(finished->notes(), Contains(HasSubstr("no epoch was left to train")));
}

TEST_F(TrainerTest, AnInferenceNamesAPictureThatCannotBeRead) {
  ASSERT_THAT(Run(JobOf("run", 1)), IsOk());
  worker::WorkerJob job = Job("found");
  job.mutable_infer()->set_model(Weights("run", "epoch_001"));
  job.mutable_infer()->set_images(folder_ / "data/images");
  job.mutable_infer()->set_labels_dir(folder_ / "found");
  ASSERT_THAT(WriteFileAtomically(folder_ / "data/images/broken.jpg", "x"), IsOk());
  const auto finished = Run(job);
  ASSERT_THAT(finished, IsOk());
  EXPECT_THAT(finished->notes(),
              Contains(AllOf(HasSubstr("1 of 6 images cannot be read"), HasSubstr("broken.jpg"))));
}

}  // namespace
}  // namespace trainyard::training
