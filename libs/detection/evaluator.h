#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/data/box.h"
#include "libs/data/findings.h"
#include "libs/data/sample.h"
#include "libs/detection/average_precision.h"
#include "libs/detection/decoder.h"
#include "libs/detection/evaluation_plan.h"
#include "libs/graph/runner.h"
#include "libs/tensor/tensor.h"
#include "trainyard/model/v1/model_record.pb.h"
#include "trainyard/v1/artifact.pb.h"

namespace trainyard {

/// Where a run stands: called from the calling thread, after each batch.
using ProgressFunction = std::function<void(int64_t done, int64_t total)>;

/// One batch as the network saw it, for a validation loss. The spans live as long as the call.
struct RawBatch {
  /// In the order of the decoder's output_names().
  absl::Span<const Tensor> outputs;
  /// Per image, the objects in pixels of the network input (scaled, rounded, clipped, thin ones
  /// left out: the boxes that are matched in kTao).
  absl::Span<const std::vector<LabelledBox>> objects;
};

/// One judged image, for pictures and reports.
struct JudgedImage {
  int64_t index = 0;
  const std::string& id;
  /// The decoded image, u8 RGB at its own size.
  const Tensor& image;
  /// Pixels of that image.
  absl::Span<const LabelledBox> objects;
  absl::Span<const Detection> detections;
};

struct EvaluationOptions {
  /// Threads that decode and preprocess. >= 1.
  int loader_threads = 1;
  /// Whether they work while the network does; false where both would share the same cores.
  bool runs_ahead = true;
  /// Measure the network's time when all images are judged: a batch is run again, warm, for up to a
  /// second or two.
  bool measures_latency = false;
  /// Looked at before every batch.
  std::stop_token stop;
  ProgressFunction progress;
  /// Called before a batch is decoded; a failure ends the evaluation.
  std::function<absl::Status(const RawBatch&)> raw_outputs;
  /// Called for every image, in order.
  std::function<absl::Status(const JudgedImage&)> judged;
  /// Called for an image that cannot be read. Set: the image is left out. Not
  /// set: the evaluation fails.
  std::function<void(const absl::Status&)> skipped;
};

/// How long a network takes, warm: the median over runs of one batch, divided by its images.
struct Latency {
  double ms_per_image = 0;
  int batch_size = 0;
  int runs = 0;
};

struct EvaluationResult {
  ApResult ap;
  Matching matching = Matching::kTao;
  ApMode ap_mode = ApMode::kSample;
  /// Images judged and left out; objects (difficult ones too) and detections in them.
  int64_t images = 0, images_skipped = 0, objects = 0, detections = 0;
  /// By the other rule: kVoc beside kTao, kTao beside kVoc; nothing beside kCoco.
  std::optional<ApResult> beside;
  Matching beside_matching = Matching::kVoc;
  /// The network alone, warm, when it was measured; else 0.
  Latency latency;
  /// All of it, decoding of images included: wall time over images, from the end of the first batch
  /// on (of a single batch, all of it).
  double total_ms_per_image = 0;

  /// ap.Metrics, and those of the other rule as `mAP_voc` and `AP_voc` (or `_tao`).
  std::vector<v1::Metric> AccuracyMetrics() const;
  /// AccuracyMetrics, then `ms_per_image` (the network) with `latency_batch_size`, and
  /// `images_per_second` (all of it).
  std::vector<v1::Metric> Metrics() const;
};

/// Judges a network on labelled images. Boxes are compared in pixels of the network input for kTao
/// (detections rounded half to even and clipped to [0, W] x [0, H], objects as RawBatch tells), and
/// in pixels of the original image, as they are, for kVoc and kCoco.
///
/// Images are read and preprocessed by `loader_threads` threads, at most a few batches ahead, while
/// the runner works; batches and results do not depend on the number of threads. `runner` is used
/// from the calling thread only.
///
/// Fails with kCancelled on request; kInvalidArgument when the record has no preprocessing, the
/// plan breaks its ranges, or the runner lacks an output that the decoder needs;
/// kFailedPrecondition when there is no image to judge; otherwise as the source, the runner, the
/// decoder or a callback do.
absl::StatusOr<EvaluationResult> Evaluate(GraphRunner& runner, const model::v1::ModelRecord& record,
                                          const Decoder& decoder, const SampleSource& source,
                                          const EvaluationPlan& plan,
                                          const EvaluationOptions& options);

struct InferenceOptions {
  /// Detections below this are left out. (0, 1).
  double threshold = 0.3;
  int batch_size = 1;
  /// As in EvaluationOptions.
  int loader_threads = 1;
  bool runs_ahead = true;
  bool measures_latency = false;
  /// Folders for annotated images and label files, made when absent; "" = none.
  std::string annotated_dir, labels_dir;
  std::stop_token stop;
  ProgressFunction progress;
  /// As in EvaluationOptions.
  std::function<void(const absl::Status&)> skipped;
};

struct InferenceResult {
  int64_t images = 0, images_skipped = 0, detections = 0;
  /// What was noticed: pictures that were turned upright, files of earlier inferences that stay.
  Findings findings;
  /// As in EvaluationResult.
  Latency latency;
  double total_ms_per_image = 0;
  std::vector<v1::Metric> Metrics() const;
};

/// Finds objects in image files. For each it writes `<labels_dir>/<base>.txt` (one line a
/// detection, LabelLine; empty when nothing was found) and `<annotated_dir>/<base><ext>` at the
/// original size, in the original's format. Two images with one base name are kInvalidArgument, and
/// so is an `annotated_dir` that holds one of the images (it would be replaced; links are
/// resolved), before anything is written; kAlreadyExists when a file of such a name is in one of
/// the folders that no inference wrote: `.trainyard_inference_NAME` beside a folder NAME lists those
/// that one did.
/// Label files for classes of which two have one LabelName are kInvalidArgument. Otherwise fails as
/// Evaluate does.
absl::StatusOr<InferenceResult> Infer(GraphRunner& runner, const model::v1::ModelRecord& record,
                                      const Decoder& decoder,
                                      absl::Span<const std::string> image_paths,
                                      const InferenceOptions& options);

/// The images of a folder (libs/data/picture_folder.h: .jpg .jpeg .png in any case, sorted by name,
/// neither hidden nor below it), or the one image itself. What lies there and is not taken becomes
/// lines of `notes`, when given. kNotFound when there is nothing there, kFailedPrecondition when the
/// folder has no images, kInvalidArgument for a file with another extension.
absl::StatusOr<std::vector<std::string>> ListImages(const std::string& path,
                                                    std::vector<std::string>* notes = nullptr);

/// The name of a class as it stands in label files: blanks, which separate columns there, are _.
std::string LabelName(absl::string_view class_name);

/// TAO's line of a label file, without the line break:
/// `<class> 0 0 0 <x1> <y1> <x2> <y2> 0 0 0 0 0 0 0 <score>`, the class as LabelName has it, numbers
/// in their shortest float32 form.
std::string LabelLine(absl::string_view class_name, const Detection& detection);

}  // namespace trainyard
