#include "libs/tasks/classification/classification_writer.h"

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/csv.h"
#include "libs/base/files.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/tasks/draw.h"
#include "libs/tasks/output_folder.h"

namespace trainyard::tasks {
namespace {

using model::v1::ModelRecord;

constexpr char kResultName[] = "result.csv";

absl::Status Check(absl::Span<const std::string> image_paths, const PredictionOptions& options,
                   const FlatNames& names) {
  Problems problems;
  if (options.threshold) CheckThreshold(*options.threshold, problems);
  if (!options.annotated_dir.empty()) {
    CheckNamesDiffer(image_paths, [&names](const std::string& path) { return names.Of(path); },
                     problems);
    CheckInputsStay(image_paths, options.annotated_dir, "the picture with its class", problems);
  }
  return problems.ToStatus();
}

class ClassificationWriter final : public PredictionWriter {
 public:
  ClassificationWriter(const ClassifierHead& head, const ModelRecord& record,
                       PredictionOptions options)
      : head_(head), record_(record), options_(std::move(options)) {}

  std::vector<std::string> output_names() const override { return head_.output_names(); }
  bool needs_images() const override { return !options_.annotated_dir.empty(); }

  absl::Status Open(absl::Span<const std::string> image_paths, data::Findings& findings) override {
    names_ = FlatNames(image_paths);
    TY_RETURN_IF_ERROR(Check(image_paths, options_, names_));
    std::set<std::string> pictures;
    for (const std::string& path : image_paths) pictures.insert(names_.Of(path));
    TY_RETURN_IF_ERROR(ClaimFolder(options_.labels_dir, {kResultName}, "result file", findings));
    return ClaimFolder(options_.annotated_dir, pictures, "picture", findings);
  }

  absl::Status Write(data::Batch& batch, absl::Span<const Tensor> outputs) override {
    TY_ASSIGN_OR_RETURN(const Tensor probabilities,
                        CheckedProbabilities(head_, batch, outputs, record_.classes_size()));
    const auto classes = static_cast<size_t>(record_.classes_size());
    for (size_t i = 0; i < batch.samples.size(); ++i) {
      const auto row = probabilities.data<float>().subspan(i * classes, classes);
      const int best = BestClass(row);
      TY_RETURN_IF_ERROR(WriteOne(batch.samples[i].sample, best, row[static_cast<size_t>(best)]));
    }
    return absl::OkStatus();
  }

  absl::Status Finish() override {
    if (options_.labels_dir.empty()) return absl::OkStatus();
    return WriteFileAtomically(JoinPath(options_.labels_dir, kResultName), lines_);
  }

  std::string Summary() const override {
    const std::string all = data::Counted(images_, "picture");
    if (!options_.threshold) return all;
    return absl::StrFormat("%s, %d below %g", all, below_, *options_.threshold);
  }

  std::vector<std::pair<std::string, std::string>> Folders() const override {
    return FoldersOf(options_);
  }

 private:
  absl::Status WriteOne(data::Sample& sample, int class_id, float confidence) {
    ++images_;
    const bool is_below =
        options_.threshold && confidence < static_cast<float>(*options_.threshold);
    below_ += is_below;
    const std::string& name = record_.classes(class_id);
    if (!is_below && !options_.labels_dir.empty()) {
      absl::StrAppend(&lines_, CsvCell(sample.id), ",", CsvCell(name), ",", FloatText(confidence),
                      "\n");
    }
    if (options_.annotated_dir.empty()) return absl::OkStatus();
    if (!is_below) {
      // TAO's colours begin with class 1.
      TY_RETURN_IF_ERROR(DrawTag(sample.image, 0, 0, ColorOf(class_id + 1),
                                 absl::StrFormat("%s: %.2f", name, confidence)));
    }
    return WritePicture(options_.annotated_dir, names_.Of(sample.id), sample.image);
  }

  const ClassifierHead& head_;
  const ModelRecord& record_;
  const PredictionOptions options_;
  // Of pictures from several folders.
  FlatNames names_{{}};
  // Of result.csv.
  std::string lines_;
  int64_t images_ = 0, below_ = 0;
};

}  // namespace

std::unique_ptr<PredictionWriter> MakeClassificationWriter(const ClassifierHead& head,
                                                           const model::v1::ModelRecord& record,
                                                           PredictionOptions options) {
  return std::make_unique<ClassificationWriter>(head, record, std::move(options));
}

}  // namespace trainyard::tasks
