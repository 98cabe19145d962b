#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/base/json.h"
#include "libs/data/loader.h"
#include "libs/data/findings.h"
#include "libs/tensor/tensor.h"
#include "trainyard/model/v1/model_record.pb.h"
#include "trainyard/v1/artifact.pb.h"

namespace trainyard::tasks {

/// Turns the raw outputs of a network into what its task predicts. Each task has a kind of its own
/// (detection/decoder.h, classification/classifier_head.h), which is all that it sees of a network. Needs the model's record alone, so
/// that an engine needs no spec. Thread-safe.
class Head {
 public:
  virtual ~Head() = default;
  /// The outputs of the graph that it reads, in the order in which it wants them.
  virtual std::vector<std::string> output_names() const = 0;
};

/// What a model came to on labelled data, in the measures of its task. Immutable.
class Evaluation {
 public:
  virtual ~Evaluation() = default;
  /// The first is primary and no other; each says whether higher is better.
  virtual std::vector<trainyard::v1::Metric> Metrics() const = 0;
  /// TAO's console text, whole lines; `decimals`: 3 for `evaluate`, 5 in training.
  virtual std::string Table(int decimals) const = 0;
  /// Members of results.json, in order.
  virtual JsonMembers Json() const = 0;
  /// Files to lie beside results.json: a name and bytes. Fails when a picture cannot be encoded.
  virtual absl::StatusOr<std::vector<std::pair<std::string, std::string>>> Files() const = 0;
};

/// Compares what a network puts out with what is true, batch by batch. Used once, by one thread.
class Evaluator {
 public:
  virtual ~Evaluator() = default;
  /// As Head::output_names.
  virtual std::vector<std::string> output_names() const = 0;
  /// `outputs` in that order, a row for each of the batch's samples. kInternal when they do not fit.
  virtual absl::Status Add(const data::Batch& batch, absl::Span<const Tensor> outputs) = 0;
  /// Of all that was added.
  virtual absl::StatusOr<std::shared_ptr<const Evaluation>> Finish() = 0;
};

/// What an evaluation needs to say why its metrics are what they are, for people who read it.
struct ExplanationOptions {
  /// Threads that Finish may use. >= 1; results do not depend on it.
  int threads = 1;
  /// Reads sample `index` of the source again, with its image, to draw what went wrong there; used by
  /// Evaluation::Files, from one thread. Null: nothing is drawn.
  std::function<absl::StatusOr<data::Sample>(int64_t index)> read;
};

/// What a call may choose of an evaluation, beside what the spec says.
struct EvaluationChoices {
  /// Detection alone: `tao`, `voc` or `coco`; "" is `tao`.
  std::string matching;
  /// Explain the result. Absent in the validations of a training, which nobody reads so closely and
  /// which must be fast. A task that has nothing to add passes over it.
  std::optional<ExplanationOptions> explanation;
};

/// Where predictions go.
struct PredictionOptions {
  /// Predictions below this are left out. (0, 1). Absent: as the task decides.
  std::optional<double> threshold;
  /// Folders for annotated images and for labels, made when absent; "" = none.
  std::string annotated_dir, labels_dir;
};

/// Writes what a network predicts of images. Used once, by one thread.
class PredictionWriter {
 public:
  virtual ~PredictionWriter() = default;
  /// As Head::output_names.
  virtual std::vector<std::string> output_names() const = 0;
  /// Whether Write needs the decoded images.
  virtual bool needs_images() const = 0;
  /// Checks the options against the images, and takes the names of all outputs for this run before
  /// anything is written. kInvalidArgument with all problems; kAlreadyExists when it would replace
  /// files that no inference wrote. `findings` receives what a person should know.
  virtual absl::Status Open(absl::Span<const std::string> image_paths,
                            data::Findings& findings) = 0;
  /// Changes the batch's images.
  virtual absl::Status Write(data::Batch& batch, absl::Span<const Tensor> outputs) = 0;
  /// Once, behind the last Write of a run that came through: writes what belongs to all images
  /// together. A run that failed or was cancelled does not get here, and leaves none of it.
  virtual absl::Status Finish() { return absl::OkStatus(); }
  /// What was predicted so far: "12 objects in 3 images".
  virtual std::string Summary() const = 0;
  /// The folders that were asked for, by the names of outputs.
  virtual std::vector<std::pair<std::string, std::string>> Folders() const = 0;
};

/// How TAO's files call what an evaluation measures.
struct EvaluationNames {
  /// Columns of the training log: of metrics (ColumnOf, metrics.h), the primary one first.
  std::vector<std::string> columns;
  /// The primary metric in status.json: "mean average precision".
  std::string primary_title;
};

/// A kind of prediction: what its truth is, how it is judged, what inference writes. Stateless; one of
/// each.
class Task {
 public:
  virtual ~Task() = default;
  /// `detection`.
  virtual absl::string_view name() const = 0;
  /// Whether an inference on a folder takes the pictures of all folders below it too, as TAO's does.
  virtual bool reads_folders_below() const { return false; }
  /// For lines of progress: "finding objects".
  virtual const char* predicting() const = 0;
  /// kInvalidArgument, by the fields of a request, for what the task does not have.
  virtual absl::Status CheckChoices(const EvaluationChoices& choices) const = 0;
  virtual EvaluationNames Names(const std::vector<std::string>& classes) const = 0;
  /// Draws what is true of a picture, u8 RGB [h, w, 3]: for looking at a training's batches.
  virtual absl::Status DrawTruth(const data::Truth& truth, Tensor& picture) const = 0;
  /// `head` and `record` outlive the writer. kInternal for another task's head.
  virtual absl::StatusOr<std::unique_ptr<PredictionWriter>> MakeWriter(
      const Head& head, const model::v1::ModelRecord& record, PredictionOptions options) const = 0;
};

}  // namespace trainyard::tasks
