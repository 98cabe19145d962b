#include "libs/data/offline_augment.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/files.h"
#include "libs/base/paths.h"
#include "libs/base/status.h"
#include "libs/base/writes.h"
#include "libs/data/image_io.h"
#include "libs/data/internal/augment_draw.h"
#include "libs/data/internal/augment_picture.h"
#include "libs/data/internal/augment_source.h"
#include "libs/data/internal/parallel.h"
#include "libs/data/internal/pixel_budget.h"
#include "libs/data/internal/workplace.h"
#include "libs/data/kitti_folder.h"
#include "libs/spec/augment_spec.h"

namespace trainyard::data {
namespace {

using internal::AugmentSource;
using spec::augment::v1::AugmentConfig;

constexpr int kJpegQuality = 95;
constexpr int64_t kChunk = 64;
// What an output holds. Where a ledger is, an augmentation was.
constexpr char kLedger[] = "ledger.jsonl", kImages[] = "images";
// Of both kinds of sets.
constexpr const char* kLabels[] = {"labels", "annotations.json"};

// Where a set lies: paths, and how its spec calls them.
struct Inputs {
  std::string images, labels;
  std::string images_shown, labels_shown;
  bool is_coco = false;
};

Inputs InputsOf(const AugmentConfig& config, const std::string& root) {
  Inputs inputs;
  if (config.has_data_services()) {
    const auto& data = config.data_services().data();
    inputs = {.images_shown = data.image_dir(),
              .labels_shown = data.ann_path(),
              .is_coco = data.dataset_type() == "coco"};
  } else {
    inputs = {.images_shown = config.dataset_config().image_path(),
              .labels_shown = config.dataset_config().label_path()};
  }
  inputs.images = root.empty() ? inputs.images_shown : JoinPath(root, inputs.images_shown);
  inputs.labels = root.empty() ? inputs.labels_shown : JoinPath(root, inputs.labels_shown);
  return inputs;
}

std::unique_ptr<AugmentSource> SourceOf(const AugmentConfig& config, const Inputs& inputs) {
  if (inputs.is_coco) {
    return internal::AugmentCocoFile(inputs.images, inputs.labels, inputs.images_shown,
                                     inputs.labels_shown);
  }
  return internal::AugmentKittiFolder(
      {.image_dir = inputs.images,
       .label_dir = inputs.labels,
       .id_prefix = inputs.images_shown,
       .image_extension = config.image_extension(),
       .image_dir_shown = inputs.images_shown,
       .label_dir_shown = inputs.labels_shown,
       .keep_outside = true});  // They are counted among those that left the picture.
}

// What the output replaces must be neither an input nor anything that no augmentation made.
absl::Status CheckOutput(const OfflineAugmentOptions& options, const Inputs& inputs) {
  bool overlaps = IsInFolder(options.root, options.output);
  for (const std::string& input : {inputs.images, inputs.labels}) {
    overlaps = overlaps || IsInFolder(options.output, input) || IsInFolder(input, options.output);
  }
  if (overlaps) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the output '", options.output, "' overlaps with the data set",
        options.root.empty() ? "" : absl::StrCat(" '", options.root, "'"), " (images in '",
        inputs.images_shown, "', labels in '", inputs.labels_shown,
        "'), which must stay as it is; choose a folder beside it"));
  }
  if (FileExists(JoinPath(options.output, kLedger))) return absl::OkStatus();
  for (const char* name : {kImages, kLabels[0], kLabels[1]}) {
    const std::string path = JoinPath(options.output, name);
    int64_t count = FileExists(path) ? 1 : 0;
    if (FolderExists(path)) {
      TY_ASSIGN_OR_RETURN(const std::vector<std::string> files, ListFolder(path));
      count = static_cast<int64_t>(files.size());
    }
    if (count == 0) continue;
    return absl::AlreadyExistsError(
        absl::StrCat("'", path, "' ", FolderExists(path) ? "holds " : "is there: ", count,
                     FolderExists(path) ? " files" : " file", ", and no augmentation made ",
                     FolderExists(path) ? "them" : "it", " (there is no '", options.output, "/",
                     kLedger, "'); choose another output, or remove ",
                     FolderExists(path) ? "them" : "it"));
  }
  return absl::OkStatus();
}

// Transforms the images of one set.
class SetAugmenter {
 public:
  SetAugmenter(const AugmentConfig& config, const OfflineAugmentOptions& options,
               const std::function<void(int64_t, int64_t)>& progress, std::stop_token stop)
      : config_(config), options_(options), progress_(progress), stop_(std::move(stop)) {}

  absl::StatusOr<OfflineAugmentReport> Run() {
    const Inputs inputs = InputsOf(config_, options_.root);
    source_ = SourceOf(config_, inputs);
    TY_RETURN_IF_ERROR(CheckOutput(options_, inputs));
    const auto go_on = [this](int64_t, int64_t) { return !stop_.stop_requested(); };
    TY_ASSIGN_OR_RETURN(report_.ledger, source_->Scan(options_.threads, go_on));
    TY_RETURN_IF_ERROR(report_.ledger.Check(options_.strict));
    internal::Workplace workplace(options_.output);
    TY_RETURN_IF_ERROR(workplace.Open());
    images_ = workplace.In(kImages);
    labels_ = workplace.In(source_->LabelsName());
    TY_RETURN_IF_ERROR(MakeFolders(images_));
    if (!inputs.is_coco) TY_RETURN_IF_ERROR(MakeFolders(labels_));
    TY_RETURN_IF_ERROR(TransformAll());
    TY_RETURN_IF_ERROR(source_->Finish(labels_));
    TY_RETURN_IF_ERROR(WriteFileAtomically(workplace.In(kLedger), report_.ledger.ToJsonLines()));
    TY_RETURN_IF_ERROR(workplace.Sync());
    TY_RETURN_IF_ERROR(MakeFolders(options_.output));
    TY_RETURN_IF_ERROR(Publish(workplace));
    const auto such_as = [](const std::string& example) {
      return example.empty() ? "" : absl::StrCat(" (", example, ")");
    };
    report_.notes.push_back(absl::StrCat(report_.images, " images, ", report_.boxes, " boxes; ",
                                         report_.vanished, " boxes left the picture",
                                         such_as(vanished_example_), "; ", report_.clipped,
                                         " were cut at its edge", such_as(clipped_example_)));
    return std::move(report_);
  }

 private:
  // An image and what is written of it.
  struct Made {
    AugmentedSample sample;
    std::string labels;
  };

  // Images go first and come last, and the old ones only move aside, which is quick: at no moment
  // lie pictures beside labels of another augmentation. The ledger stays: it tells the next try that
  // the rest is ours.
  absl::Status Publish(const internal::Workplace& workplace) const {
    for (const char* name : {kImages, kLabels[0], kLabels[1]}) {
      const std::string target = JoinPath(options_.output, name);
      if (FolderExists(target) || FileExists(target)) {
        TY_RETURN_IF_ERROR(RenameSynced(target, workplace.In(absl::StrCat("old-", name))));
      }
    }
    for (const std::string& name : {std::string(kLedger), source_->LabelsName(), std::string(kImages)}) {
      const std::string target = JoinPath(options_.output, name);
      TY_RETURN_IF_ERROR(RemoveTree(target));
      TY_RETURN_IF_ERROR(RenameSynced(workplace.In(name), target));
    }
    return absl::OkStatus();
  }

  absl::Status TransformAll() {
    const int64_t total = source_->size();
    std::vector<Made> made;
    for (int64_t begin = 0; begin < total; begin += kChunk) {
      const int64_t end = std::min(total, begin + kChunk);
      made.assign(static_cast<size_t>(end - begin), {});
      std::vector<absl::Status> failures(made.size());
      internal::ParallelFor(end - begin, options_.threads, [&](int64_t i) {
        const auto at = static_cast<size_t>(i);
        failures[at] = TransformOne(begin + i, made[at]);
      });
      // That of the first image, whichever thread was first.
      for (const absl::Status& failure : failures) TY_RETURN_IF_ERROR(failure);
      for (int64_t i = begin; i < end; ++i) {
        TY_RETURN_IF_ERROR(Take(i, made[static_cast<size_t>(i - begin)]));
      }
      if (progress_) progress_(end, total);
    }
    return absl::OkStatus();
  }

  // The spec of one image: with lists, what is drawn for it.
  AugmentConfig ConfigFor(int64_t image) const {
    if (!config_.has_data_services()) return config_;
    return internal::DrawAugmentation(config_.data_services(), static_cast<uint64_t>(image));
  }

  // Of the picture that is read or the one that is made, whichever is larger.
  static int64_t PixelsOf(const AugmentConfig& config, ImageSize size) {
    const int64_t width = config.has_output_image_width() ? config.output_image_width() : size.width;
    const int64_t height =
        config.has_output_image_height() ? config.output_image_height() : size.height;
    return std::max(size.width * size.height, width * height);
  }

  // Writes the picture; the rest is `made`.
  absl::Status TransformOne(int64_t image, Made& made) const {
    if (stop_.stop_requested()) return absl::CancelledError("cancelled before the end");
    const std::string& name = source_->Name(image);
    const std::string path = JoinPath(InputsOf(config_, options_.root).images, name);
    const AugmentConfig config = ConfigFor(image);
    TY_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path, kMaxImageFileBytes));
    TY_ASSIGN_OR_RETURN(const ImageSize size, ReadImageSize(bytes, path));
    const internal::PixelBudget::Share share(internal::ProcessPixels(), PixelsOf(config, size));
    TY_ASSIGN_OR_RETURN(const Tensor picture, DecodeImage(bytes, path));
    TY_ASSIGN_OR_RETURN(const std::vector<KittiObject> objects, source_->Objects(image, size));
    absl::StatusOr<AugmentedSample> sample = internal::AugmentPicture(config, picture, objects);
    TY_RETURN_IF_ERROR(Annotate(sample.status(), path));
    const bool as_png = absl::EndsWithIgnoreCase(name, ".png");
    TY_ASSIGN_OR_RETURN(const std::string encoded,
                        as_png ? EncodePng(sample->image) : EncodeJpeg(sample->image, kJpegQuality));
    const std::string target = JoinPath(images_, name);
    // COCO's names may have folders.
    TY_RETURN_IF_ERROR(MakeFolders(DirName(target)));
    // Nobody reads the hidden folder, and it is made durable as a whole.
    TY_RETURN_IF_ERROR(AppendToFile(target, encoded));
    made.labels = source_->Format(image, *sample);
    made.sample = *std::move(sample);
    made.sample.image = Tensor();
    return absl::OkStatus();
  }

  absl::Status Take(int64_t image, const Made& made) {
    TY_RETURN_IF_ERROR(source_->Write(image, made.labels, labels_));
    const AugmentedSample& sample = made.sample;
    ++report_.images;
    report_.boxes += static_cast<int64_t>(sample.objects.size());
    report_.vanished += sample.vanished;
    report_.clipped += static_cast<int64_t>(sample.clipped_lines.size());
    Exemplify(image, sample.vanished_lines, vanished_example_);
    Exemplify(image, sample.clipped_lines, clipped_example_);
    return absl::OkStatus();
  }

  // Keeps the first place.
  void Exemplify(int64_t image, const std::vector<int>& lines, std::string& example) const {
    if (!lines.empty() && example.empty()) example = source_->Place(image, lines.front());
  }

  const AugmentConfig& config_;
  const OfflineAugmentOptions& options_;
  const std::function<void(int64_t, int64_t)>& progress_;
  const std::stop_token stop_;
  std::unique_ptr<AugmentSource> source_;
  std::string images_, labels_;
  OfflineAugmentReport report_;
  std::string vanished_example_, clipped_example_;
};

absl::StatusOr<AugmentConfig> Checked(AugmentConfig config) {
  TY_RETURN_IF_ERROR(spec::CheckAugment(config));
  spec::ApplyDefaults(&config);
  return config;
}

}  // namespace

absl::StatusOr<AugmentedSample> AugmentSample(const AugmentConfig& config, const Tensor& image,
                                              const std::vector<KittiObject>& objects) {
  if (config.has_data_services()) {
    return absl::InvalidArgumentError(
        "data_services says what is drawn for the images of a set; expected a spec of one image");
  }
  TY_ASSIGN_OR_RETURN(const AugmentConfig checked, Checked(config));
  if (image.dtype() != DType::kUInt8 || image.rank() != 3 || image.dim(2) != 3 ||
      image.size() == 0) {
    return absl::InvalidArgumentError(
        absl::StrFormat("the image is %s %s; expected u8 [height, width, 3]", NameOf(image.dtype()),
                        ShapeText(image.shape())));
  }
  return internal::AugmentPicture(checked, image, objects);
}

absl::StatusOr<OfflineAugmentReport> AugmentDataSet(
    const AugmentConfig& config, const OfflineAugmentOptions& options,
    const std::function<void(int64_t done, int64_t total)>& progress, std::stop_token stop) {
  TY_ASSIGN_OR_RETURN(const AugmentConfig checked, Checked(config));
  return SetAugmenter(checked, options, progress, std::move(stop)).Run();
}

}  // namespace trainyard::data
