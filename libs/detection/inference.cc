#include <charconv>
#include <map>
#include <mutex>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "libs/base/files.h"
#include "libs/base/paths.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/base/text_file.h"
#include "libs/data/image_io.h"
#include "libs/data/picture_folder.h"
#include "libs/data/preprocess.h"
#include "libs/detection/draw.h"
#include "libs/detection/evaluator.h"
#include "libs/detection/internal/batches.h"
#include "libs/detection/internal/metrics.h"
#include "libs/detection/internal/network_call.h"

namespace trainyard {
namespace {

using model::v1::ModelRecord;

// Pictures with boxes keep the names of their inputs: in the same folder they would replace them.
void CheckInputsStay(absl::Span<const std::string> image_paths, const std::string& annotated_dir,
                     Problems& problems) {
  if (annotated_dir.empty()) return;
  const std::string folder = CanonicalPath(annotated_dir);
  std::set<std::string> inputs;
  for (const std::string& path : image_paths) inputs.insert(CanonicalPath(path));
  for (const std::string& path : image_paths) {
    const std::string target = JoinPath(folder, BaseName(path));
    if (CanonicalPath(DirName(path)) != folder && !inputs.contains(CanonicalPath(target))) continue;
    problems.Add("images",
                 "the output folder '%s' holds the input '%s', and the picture with boxes "
                 "would replace it; choose another output folder",
                 annotated_dir, path);
    return;
  }
}

constexpr int64_t kMaxLedgerBytes = int64_t{64} << 20;

// The names that inferences wrote into a folder, one a line: what may be replaced there. A hidden
// file beside the folder, so that the folder holds outputs alone. A line break in a name is /, which
// no name has.
std::string LedgerOf(const std::string& folder) {
  return JoinPath(DirName(folder), absl::StrCat(".trainyard_inference_", BaseName(folder)));
}

absl::StatusOr<std::set<std::string>> ReadLedger(const std::string& folder) {
  const std::string path = LedgerOf(folder);
  if (!FileExists(path)) return std::set<std::string>();
  TY_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxLedgerBytes));
  std::set<std::string> names;
  for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    names.insert(absl::StrReplaceAll(line, {{"/", "\n"}}));
  }
  return names;
}

// Takes the names in `folder` for this inference's outputs: makes the folder and enters them in its
// ledger, before anything is written. Refuses when a file of such a name is there that no inference
// wrote. `left` receives what earlier ones wrote and this one does not.
absl::Status ClaimOutputs(const std::string& folder, const std::set<std::string>& names,
                          absl::string_view what, std::vector<std::string>& left) {
  TY_ASSIGN_OR_RETURN(std::set<std::string> ours, ReadLedger(folder));
  std::vector<std::string> foreign;
  for (const std::string& name : names) {
    if (!ours.contains(name) && FileExists(JoinPath(folder, name))) foreign.push_back(name);
  }
  if (!foreign.empty()) {
    return absl::AlreadyExistsError(absl::StrCat(
        "the output folder '", folder, "' holds ", foreign.size(), " ", what, " (", SomeOf(foreign),
        ") that no inference wrote and this one would replace; choose "
        "another output folder, or move them away"));
  }
  for (const std::string& name : ours) {
    if (!names.contains(name) && FileExists(JoinPath(folder, name))) left.push_back(name);
  }
  ours.insert(names.begin(), names.end());
  TY_RETURN_IF_ERROR(MakeFolders(folder));
  const std::string lines =
      absl::StrReplaceAll(absl::StrJoin(ours, "/"), {{"/", "\n"}, {"\n", "/"}});
  return WriteFileAtomically(LedgerOf(folder), lines + "\n");
}

// Both folders are looked at before either is written to.
absl::Status ClaimFolders(absl::Span<const std::string> image_paths,
                          const InferenceOptions& options, Findings& findings) {
  std::set<std::string> labels, pictures;
  for (const std::string& path : image_paths) {
    labels.insert(Stem(path) + ".txt");
    pictures.insert(BaseName(path));
  }
  const auto claim = [&](const std::string& folder, const std::set<std::string>& names,
                         const std::string& what) -> absl::Status {
    if (folder.empty()) return absl::OkStatus();
    std::vector<std::string> left;
    TY_RETURN_IF_ERROR(ClaimOutputs(folder, names, absl::StrCat(what, "s"), left));
    if (left.empty()) return absl::OkStatus();
    findings.notes.push_back(absl::StrCat(
        "'", folder, "' still holds ", Counted(static_cast<int64_t>(left.size()), what),
        " of an earlier inference (", SomeOf(left), "), of pictures that are not among these"));
    return absl::OkStatus();
  };
  TY_RETURN_IF_ERROR(claim(options.labels_dir, labels, "label file"));
  return claim(options.annotated_dir, pictures, "picture");
}

// What the decoder drops comes back by no threshold.
void NoteThreshold(double threshold, float confidence, Findings& findings) {
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

absl::Status Check(const ModelRecord& record, absl::Span<const std::string> image_paths,
                   const InferenceOptions& options) {
  TY_RETURN_IF_ERROR(CheckPreprocess(record.preprocess()));
  Problems problems;
  if (!(options.threshold > 0 && options.threshold < 1)) {
    problems.Add("threshold", "is %g; expected above 0 and below 1", options.threshold);
  }
  if (options.batch_size < 1) {
    problems.Add("batch_size", "is %d; expected at least 1", options.batch_size);
  }
  if (options.loader_threads < 1) {
    problems.Add("loader_threads", "is %d; expected at least 1", options.loader_threads);
  }
  // Two outputs of one name would overwrite each other.
  std::map<std::string, std::string> owners;
  for (const std::string& path : image_paths) {
    if (options.labels_dir.empty() && options.annotated_dir.empty()) break;
    const std::string name = options.labels_dir.empty() ? BaseName(path) : Stem(path);
    const auto [owner, fresh] = owners.emplace(name, path);
    if (!fresh) {
      problems.Add(path, "has the same name as %s; both would be written to '%s'", owner->second,
                   name);
    }
  }
  CheckInputsStay(image_paths, options.annotated_dir, problems);
  if (!options.labels_dir.empty()) CheckLabelNames(record, problems);
  return problems.ToStatus();
}

// The shortest text that reads back as the same float32, with a decimal point, never an exponent.
std::string FloatText(float value) {
  char text[64];
  const auto end = std::to_chars(text, text + sizeof(text), value, std::chars_format::fixed).ptr;
  std::string result(text, end);
  if (result.find_first_of(".ni") == std::string::npos) result += ".0";
  return result;
}

std::string ClassName(const ModelRecord& record, int class_id) {
  return class_id >= 1 && class_id <= record.classes_size() ? record.classes(class_id - 1)
                                                            : absl::StrCat("class_", class_id);
}

// Reads images for several threads.
class ImageReader {
 public:
  explicit ImageReader(absl::Span<const std::string> paths) : paths_(paths) {}

  absl::StatusOr<Sample> Read(int64_t index) {
    const std::string& path = paths_[static_cast<size_t>(index)];
    TY_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path, kMaxImageFileBytes));
    ImageFacts facts;
    TY_ASSIGN_OR_RETURN(Tensor image, DecodeImage(bytes, path, &facts));
    const std::lock_guard<std::mutex> lock(mutex_);
    findings_.AddPicture(facts, BaseName(path));
    return Sample{.id = path, .image = std::move(image)};
  }

  // Once nobody reads any more.
  Findings TakeFindings() { return std::move(findings_); }

 private:
  const absl::Span<const std::string> paths_;
  std::mutex mutex_;
  Findings findings_;  // Guarded.
};

absl::Status WriteLabels(const std::string& folder, const Sample& sample, const ModelRecord& record,
                         absl::Span<const Detection> detections) {
  std::string text;
  for (const Detection& one : detections) {
    absl::StrAppend(&text, LabelLine(ClassName(record, one.class_id), one), "\n");
  }
  return WriteFileAtomically(JoinPath(folder, Stem(sample.id) + ".txt"), text);
}

absl::Status WriteAnnotated(const std::string& folder, Sample& sample, const ModelRecord& record,
                            absl::Span<const Detection> detections) {
  const std::vector<std::string> classes(record.classes().begin(), record.classes().end());
  TY_RETURN_IF_ERROR(DrawDetections(sample.image, detections, classes));
  const bool png = absl::AsciiStrToLower(Extension(sample.id)) == ".png";
  TY_ASSIGN_OR_RETURN(const std::string bytes,
                      png ? EncodePng(sample.image) : EncodeJpeg(sample.image));
  return WriteFileAtomically(JoinPath(folder, BaseName(sample.id)), bytes);
}

absl::Status WriteFound(InputBatch& batch, std::vector<std::vector<Detection>> found,
                        const ModelRecord& record, const InferenceOptions& options,
                        InferenceResult& result) {
  for (size_t i = 0; i < found.size(); ++i) {
    std::erase_if(found[i], [&](const Detection& one) {
      return one.score < static_cast<float>(options.threshold);
    });
    ScaleToImage(found[i], batch.sizes[i]);
    ++result.images;
    result.detections += static_cast<int64_t>(found[i].size());
    if (!options.labels_dir.empty()) {
      TY_RETURN_IF_ERROR(WriteLabels(options.labels_dir, batch.samples[i], record, found[i]));
    }
    if (!options.annotated_dir.empty()) {
      TY_RETURN_IF_ERROR(WriteAnnotated(options.annotated_dir, batch.samples[i], record, found[i]));
    }
  }
  return absl::OkStatus();
}

absl::Status InferBatch(NetworkCall& network, const Decoder& decoder, InputBatch& batch,
                        const ModelRecord& record, const InferenceOptions& options,
                        InferenceResult& result) {
  for (const absl::Status& status : batch.skipped) {
    if (!options.skipped) return status;
    options.skipped(status);
    ++result.images_skipped;
  }
  if (batch.samples.empty()) return absl::OkStatus();
  TY_ASSIGN_OR_RETURN(const std::vector<Tensor> outputs, network.Run(batch.input));
  TY_ASSIGN_OR_RETURN(auto found, decoder.Decode(outputs));
  if (found.size() != batch.samples.size()) {
    return absl::InternalError(absl::StrCat("the decoder returned ", found.size(),
                                            " images; expected ", batch.samples.size()));
  }
  return WriteFound(batch, std::move(found), record, options, result);
}

}  // namespace

std::vector<v1::Metric> InferenceResult::Metrics() const {
  std::vector<v1::Metric> metrics;
  AddSpeedMetrics(latency, total_ms_per_image, metrics);
  return metrics;
}

absl::StatusOr<InferenceResult> Infer(GraphRunner& runner, const ModelRecord& record,
                                      const Decoder& decoder,
                                      absl::Span<const std::string> image_paths,
                                      const InferenceOptions& options) {
  TY_RETURN_IF_ERROR(Check(record, image_paths, options));
  const auto total = static_cast<int64_t>(image_paths.size());
  TY_ASSIGN_OR_RETURN(NetworkCall network, NetworkCall::Create(runner, decoder));
  InferenceResult result;
  TY_RETURN_IF_ERROR(ClaimFolders(image_paths, options, result.findings));
  NoteThreshold(options.threshold, record.ssd().confidence_threshold(), result.findings);
  SteadyRate rate;
  ImageReader images(image_paths);
  {
    BatchReader reader(total,
                       {.batch_size = options.batch_size,
                        .threads = options.loader_threads,
                        .keep_images = !options.annotated_dir.empty(),
                        .runs_ahead = options.runs_ahead},
                       record.preprocess(), [&](int64_t index) { return images.Read(index); });
    while (true) {
      if (options.stop.stop_requested()) return absl::CancelledError("the inference was cancelled");
      std::optional<InputBatch> batch = reader.Next();
      if (!batch.has_value()) break;
      TY_RETURN_IF_ERROR(InferBatch(network, decoder, *batch, record, options, result));
      rate.Note(result.images);
      if (options.progress) options.progress(result.images + result.images_skipped, total);
    }
  }
  result.findings.Merge(images.TakeFindings());
  result.total_ms_per_image = rate.MsPerImage();
  if (options.measures_latency) {
    TY_ASSIGN_OR_RETURN(result.latency, network.MeasureLatency());
  }
  return result;
}

absl::StatusOr<std::vector<std::string>> ListImages(const std::string& path,
                                                    std::vector<std::string>* notes) {
  if (FileExists(path)) {
    if (HasImageExtension(path)) return std::vector<std::string>{path};
    return absl::InvalidArgumentError(
        absl::StrCat("'", path, "' is no image; expected .jpg, .jpeg or .png"));
  }
  TY_ASSIGN_OR_RETURN(const PictureFolder found, ListPictures(path));
  const std::vector<std::string> left_out = found.Notes(/*tell_unsupported=*/true);
  if (found.pictures.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("folder '", path, "' holds no images (.jpg, .jpeg, .png)",
                     left_out.empty() ? "" : "; ", absl::StrJoin(left_out, "; ")));
  }
  if (notes != nullptr) notes->insert(notes->end(), left_out.begin(), left_out.end());
  std::vector<std::string> paths;
  for (const std::string& name : found.pictures) paths.push_back(JoinPath(path, name));
  return paths;
}

std::string LabelName(absl::string_view class_name) {
  return absl::StrJoin(SplitAtBlanks(class_name), "_");
}

std::string LabelLine(absl::string_view class_name, const Detection& detection) {
  const Box& box = detection.box;
  return absl::StrCat(LabelName(class_name), " 0 0 0 ", FloatText(box.x1), " ", FloatText(box.y1), " ",
                      FloatText(box.x2), " ", FloatText(box.y2), " 0 0 0 0 0 0 0 ",
                      FloatText(detection.score));
}

}  // namespace trainyard
