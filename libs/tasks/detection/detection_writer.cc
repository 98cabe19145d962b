#include "libs/tasks/detection/detection_writer.h"

#include <map>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "libs/base/files.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/base/text_file.h"
#include "libs/model/model.h"
#include "libs/tasks/detection/draw_boxes.h"
#include "libs/tasks/detection/evaluation_plan.h"
#include "libs/tasks/output_folder.h"

namespace trainyard::tasks {
namespace {

// TAO's, where a call gives none.

// Both folders are looked at before either is written to.
absl::Status ClaimFolders(absl::Span<const std::string> image_paths,
                          const PredictionOptions& options, data::Findings& findings) {
  std::set<std::string> labels, pictures;
  for (const std::string& path : image_paths) {
    labels.insert(Stem(path) + ".txt");
    pictures.insert(BaseName(path));
  }
  TY_RETURN_IF_ERROR(ClaimFolder(options.labels_dir, labels, "label file", findings));
  return ClaimFolder(options.annotated_dir, pictures, "picture", findings);
}

// What the decoder drops comes back by no threshold.
void NoteThreshold(double threshold, float confidence, data::Findings& findings) {
  if (static_cast<float>(threshold) >= confidence) return;
  findings.notes.push_back(absl::StrFormat(
      "the threshold is %g, but nms_config.confidence_threshold drops what is not above %g before",
      threshold, confidence));
}

// Class names must stand in a label file as one word each, of which no two are the same.
void CheckLabelNames(const ModelRecord& record, Problems& problems) {
  std::map<std::string, std::string> owners;
  for (const std::string& name : record.classes()) {
    const std::string written = LabelName(name);
    const auto [owner, fresh] = owners.emplace(written, name);
    if (written.empty()) {
      problems.Add("classes", "have one named '%s'; blanks alone are no column of a label file",
                   name);
    } else if (!fresh) {
      problems.Add("classes",
                   "'%s' and '%s' are both written as '%s' in label files, where blanks "
                   "separate columns; train with other names, or write no label files",
                   owner->second, name, written);
    }
  }
}

// Classes whose names label files cannot hold as they are.
void NoteNames(const ModelRecord& record, data::Findings& findings) {
  for (const std::string& name : record.classes()) {
    const std::string written = LabelName(name);
    if (written == name) continue;
    findings.notes.push_back(absl::StrCat("class '", name, "' is written as '", written,
                                          "' in the label files, where blanks separate columns"));
  }
}

absl::Status Check(const ModelRecord& record, absl::Span<const std::string> image_paths,
                   const PredictionOptions& options, double threshold) {
  Problems problems;
  CheckThreshold(threshold, problems);
  if (!options.labels_dir.empty()) {
    CheckNamesDiffer(
        image_paths, [](const std::string& path) { return Stem(path); }, problems);
  } else if (!options.annotated_dir.empty()) {
    CheckNamesDiffer(image_paths, BaseName, problems);
  }
  // Pictures with boxes keep the names of their inputs: in the same folder they would replace them.
  CheckInputsStay(image_paths, options.annotated_dir, "the picture with boxes", problems);
  if (!options.labels_dir.empty()) CheckLabelNames(record, problems);
  return problems.ToStatus();
}

std::string ClassName(const ModelRecord& record, int class_id) {
  return class_id >= 1 && class_id <= record.classes_size() ? record.classes(class_id - 1)
                                                            : absl::StrCat("class_", class_id);
}

absl::Status WriteLabels(const std::string& folder, const data::Sample& sample,
                         const ModelRecord& record, absl::Span<const data::Detection> detections) {
  std::string text;
  for (const data::Detection& one : detections) {
    absl::StrAppend(&text, LabelLine(ClassName(record, one.class_id), one), "\n");
  }
  return WriteFileAtomically(JoinPath(folder, Stem(sample.id) + ".txt"), text);
}

absl::Status WriteAnnotated(const std::string& folder, data::Sample& sample,
                            const ModelRecord& record,
                            absl::Span<const data::Detection> detections) {
  TY_RETURN_IF_ERROR(DrawDetections(sample.image, detections, trainyard::ClassesOf(record)));
  return WritePicture(folder, BaseName(sample.id), sample.image);
}

class DetectionWriter final : public PredictionWriter {
 public:
  DetectionWriter(const Decoder& decoder, const ModelRecord& record, PredictionOptions options)
      : decoder_(decoder),
        record_(record),
        options_(std::move(options)),
        threshold_(options_.threshold.value_or(kShownScore)) {}

  std::vector<std::string> output_names() const override { return decoder_.output_names(); }
  bool needs_images() const override { return !options_.annotated_dir.empty(); }

  absl::Status Open(absl::Span<const std::string> image_paths, data::Findings& findings) override {
    TY_RETURN_IF_ERROR(Check(record_, image_paths, options_, threshold_));
    TY_RETURN_IF_ERROR(ClaimFolders(image_paths, options_, findings));
    NoteThreshold(threshold_, decoder_.confidence_threshold(), findings);
    if (!options_.labels_dir.empty()) NoteNames(record_, findings);
    return absl::OkStatus();
  }

  absl::Status Write(data::Batch& batch, absl::Span<const Tensor> outputs) override {
    TY_ASSIGN_OR_RETURN(auto found, DecodeBatch(decoder_, outputs, batch.samples.size()));
    images_ += static_cast<int64_t>(found.size());
    for (size_t i = 0; i < found.size(); ++i) {
      std::erase_if(found[i], [&](const data::Detection& one) {
        return one.score < static_cast<float>(threshold_);
      });
      data::Sample& sample = batch.samples[i].sample;
      ScaleToImage(found[i], batch.samples[i].size);
      found_ += static_cast<int64_t>(found[i].size());
      if (!options_.labels_dir.empty()) {
        TY_RETURN_IF_ERROR(WriteLabels(options_.labels_dir, sample, record_, found[i]));
      }
      if (!options_.annotated_dir.empty()) {
        TY_RETURN_IF_ERROR(WriteAnnotated(options_.annotated_dir, sample, record_, found[i]));
      }
    }
    return absl::OkStatus();
  }

  std::string Summary() const override {
    return absl::StrCat(found_, " objects in ", images_, " images");
  }

  std::vector<std::pair<std::string, std::string>> Folders() const override {
    return FoldersOf(options_);
  }

 private:
  const Decoder& decoder_;
  const ModelRecord& record_;
  const PredictionOptions options_;
  const double threshold_;
  int64_t found_ = 0, images_ = 0;
};

}  // namespace

std::unique_ptr<PredictionWriter> MakeDetectionWriter(const Decoder& decoder,
                                                      const ModelRecord& record,
                                                      PredictionOptions options) {
  return std::make_unique<DetectionWriter>(decoder, record, std::move(options));
}

std::string LabelName(absl::string_view class_name) {
  return absl::StrJoin(SplitAtBlanks(class_name), "_");
}

std::string LabelLine(absl::string_view class_name, const data::Detection& detection) {
  const data::Box& box = detection.box;
  return absl::StrCat(LabelName(class_name), " 0 0 0 ", FloatText(box.x1), " ", FloatText(box.y1), " ",
                      FloatText(box.x2), " ", FloatText(box.y2), " 0 0 0 0 0 0 0 ",
                      FloatText(detection.score));
}

}  // namespace trainyard::tasks
