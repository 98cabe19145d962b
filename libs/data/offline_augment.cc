#include "libs/data/offline_augment.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <exception>
#include <filesystem>
#include <mutex>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/files.h"
#include "libs/base/paths.h"
#include "libs/base/status.h"
#include "libs/base/writes.h"
#include "libs/data/image_io.h"
#include "libs/data/internal/parallel.h"
#include "libs/data/internal/pixel_budget.h"
#include "libs/data/internal/workplace.h"
#include "libs/data/kitti_folder.h"
#include "libs/spec/augment_spec.h"

namespace trainyard {
namespace {

using spec::augment::v1::AugmentConfig;
using spec::augment::v1::ColorConfig;
using spec::augment::v1::SpatialConfig;

constexpr double kPi = 3.14159265358979323846;
constexpr int kJpegQuality = 95;
constexpr size_t kChunk = 64;
// OpenCV moves pixels by coordinates of 16 bits.
constexpr int kMaxMovedSide = 32766;
// What an output holds. Where a ledger is, an augmentation was.
constexpr char kLedger[] = "ledger.jsonl", kLabels[] = "labels", kImages[] = "images";

// 3 x 3 matrices act on (x, y, 1), where pixel i covers [i, i + 1).
cv::Matx33d Shift(double x, double y) { return {1, 0, x, 0, 1, y, 0, 0, 1}; }

// The turn, mirror, shear and shift of the spec, for a picture of this size.
cv::Matx33d SpatialMatrix(const SpatialConfig& config, cv::Size size) {
  const double unit = config.rotation_config().units() == "radians" ? 1 : kPi / 180;
  const double angle = config.rotation_config().angle() * unit;
  const double c = std::cos(angle), s = std::sin(angle);
  // y points down, so that this turns counter-clockwise for the one who looks at it.
  const cv::Matx33d turn(c, s, 0, -s, c, 0, 0, 0, 1);
  const cv::Matx33d mirror(config.flip_config().flip_horizontal() ? -1 : 1, 0, 0,  //
                           0, config.flip_config().flip_vertical() ? -1 : 1, 0,    //
                           0, 0, 1);
  const cv::Matx33d shear(1, config.shear_config().shear_ratio_x(), 0,  //
                          config.shear_config().shear_ratio_y(), 1, 0,  //
                          0, 0, 1);
  const double cx = size.width / 2.0, cy = size.height / 2.0;
  return Shift(config.translation_config().translate_x(),
               config.translation_config().translate_y()) *
         Shift(cx, cy) * shear * mirror * turn * Shift(-cx, -cy);
}

// Hue, saturation, contrast and brightness as one 3 x 4 matrix on (r, g, b, 1) of 0..255.
cv::Matx34d ColourMatrix(const ColorConfig& config) {
  // NTSC's YIQ; its inverse is computed, so that neutral settings give the identity.
  const cv::Matx33d to_yiq(0.299, 0.587, 0.114,       //
                           0.5959, -0.2746, -0.3213,  //
                           0.2115, -0.5227, 0.3112);
  const double angle = config.hue_saturation_config().hue_rotation_angle() * kPi / 180;
  const double saturation = config.hue_saturation_config().saturation_shift();
  const double c = saturation * std::cos(angle), s = saturation * std::sin(angle);
  const cv::Matx33d chroma(1, 0, 0, 0, c, -s, 0, s, c);
  const double gain = 1.0 + config.contrast_config().contrast();
  const double centre = config.contrast_config().center();
  const cv::Matx33d colours = to_yiq.inv() * chroma * to_yiq * gain;
  const double offset = centre * (1 - gain) + config.brightness_config().offset();
  cv::Matx34d matrix;
  for (int row = 0; row < 3; ++row) {
    for (int column = 0; column < 3; ++column) matrix(row, column) = colours(row, column);
    matrix(row, 3) = offset;
  }
  return matrix;
}

template <typename Matrix>
bool IsIdentity(const Matrix& matrix) {
  for (int row = 0; row < matrix.rows; ++row) {
    for (int column = 0; column < matrix.cols; ++column) {
      if (std::abs(matrix(row, column) - (row == column ? 1 : 0)) > 1e-9) return false;
    }
  }
  return true;
}

cv::Mat MovePixels(const cv::Mat& image, const cv::Matx33d& move, cv::Size target) {
  cv::Mat moved = image;
  if (!IsIdentity(move)) {
    // OpenCV's coordinates have their origin in the centre of the first pixel.
    const cv::Matx33d m = Shift(-0.5, -0.5) * move * Shift(0.5, 0.5);
    const cv::Matx23d top(m(0, 0), m(0, 1), m(0, 2), m(1, 0), m(1, 1), m(1, 2));
    cv::warpAffine(image, moved, top, image.size(), cv::INTER_LINEAR, cv::BORDER_CONSTANT);
  }
  if (moved.size() == target) return moved;
  const bool smaller = target.width < image.cols && target.height < image.rows;
  cv::Mat resized;
  cv::resize(moved, resized, target, 0, 0, smaller ? cv::INTER_AREA : cv::INTER_LINEAR);
  return resized;
}

cv::Mat ChangeColours(const AugmentConfig& config, cv::Mat image) {
  const cv::Matx34d matrix = ColourMatrix(config.color_config());
  if (!IsIdentity(matrix)) {
    // Row by row: floats of a whole picture take four times its memory.
    cv::Mat values;
    for (int row = 0; row < image.rows; ++row) {
      cv::Mat pixels = image.row(row);
      pixels.convertTo(values, CV_32F);
      cv::transform(values, values, matrix);
      values.convertTo(pixels, CV_8U);  // Rounds and saturates.
    }
  }
  if (config.output_image_channel() == 1) cv::cvtColor(image, image, cv::COLOR_RGB2GRAY);
  const int side = static_cast<int>(config.blur_config().size());
  if (side > 0) {
    cv::GaussianBlur(image, image, {side, side}, static_cast<double>(config.blur_config().std()));
  }
  return image;
}

// With the two decimals of a label file, so that what is judged here is what its readers see.
float AsWritten(double value) { return static_cast<float>(std::nearbyint(value * 100) / 100); }

Box MoveBox(const Box& box, const cv::Matx33d& move) {
  const double xs[] = {box.x1, box.x2, box.x1, box.x2};
  const double ys[] = {box.y1, box.y1, box.y2, box.y2};
  cv::Vec2d low(INFINITY, INFINITY), high(-INFINITY, -INFINITY);
  for (int corner = 0; corner < 4; ++corner) {
    const cv::Vec3d moved = move * cv::Vec3d(xs[corner], ys[corner], 1);
    for (int axis = 0; axis < 2; ++axis) {
      low[axis] = std::min(low[axis], moved[axis]);
      high[axis] = std::max(high[axis], moved[axis]);
    }
  }
  return {AsWritten(low[0]), AsWritten(low[1]), AsWritten(high[0]), AsWritten(high[1])};
}

// False when nothing is left of it.
bool ClipBox(cv::Size size, Box& box) {
  const auto width = static_cast<float>(size.width), height = static_cast<float>(size.height);
  box = {std::clamp(box.x1, 0.0f, width), std::clamp(box.y1, 0.0f, height),
         std::clamp(box.x2, 0.0f, width), std::clamp(box.y2, 0.0f, height)};
  // The same test that readers of label files make.
  return static_cast<int>(box.x1) < static_cast<int>(box.x2) &&
         static_cast<int>(box.y1) < static_cast<int>(box.y2);
}

// Whether more than the rounding of a corner was clipped.
bool IsCut(const Box& moved, const Box& clipped) {
  constexpr float kRounding = 1e-3f;
  return clipped.x1 - moved.x1 > kRounding || clipped.y1 - moved.y1 > kRounding ||
         moved.x2 - clipped.x2 > kRounding || moved.y2 - clipped.y2 > kRounding;
}

// `config` has its defaults. Throws what OpenCV throws.
absl::StatusOr<AugmentedSample> TransformOrThrow(const AugmentConfig& config, const Tensor& image,
                                                 const std::vector<KittiObject>& objects) {
  const cv::Mat source(static_cast<int>(image.dim(0)), static_cast<int>(image.dim(1)), CV_8UC3,
                       const_cast<uint8_t*>(image.data<uint8_t>().data()));
  const cv::Size target(
      config.has_output_image_width() ? static_cast<int>(config.output_image_width()) : source.cols,
      config.has_output_image_height() ? static_cast<int>(config.output_image_height())
                                       : source.rows);
  if (int64_t{target.width} * target.height > kMaxImagePixels || target.width > kMaxImageSide ||
      target.height > kMaxImageSide) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "output_image_width and output_image_height are %d and %d; at most %d pixels in all",
        target.width, target.height, kMaxImagePixels));
  }
  const cv::Matx33d move = SpatialMatrix(config.spatial_config(), source.size());
  if (!IsIdentity(move) && std::max(source.cols, source.rows) > kMaxMovedSide) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "the picture is %d x %d; spatial_config turns, mirrors, shears and shifts at most %d a side",
        source.cols, source.rows, kMaxMovedSide));
  }
  const cv::Mat result = ChangeColours(config, MovePixels(source, move, target).clone());

  AugmentedSample sample;
  TY_ASSIGN_OR_RETURN(sample.image,
                      Tensor::Create(DType::kUInt8, {result.rows, result.cols, result.channels()}));
  cv::Mat out(result.size(), result.type(), sample.image.data<uint8_t>().data());
  result.copyTo(out);
  cv::Matx33d move_and_scale = move;
  for (int column = 0; column < 3; ++column) {
    move_and_scale(0, column) *= static_cast<double>(target.width) / source.cols;
    move_and_scale(1, column) *= static_cast<double>(target.height) / source.rows;
  }
  for (KittiObject object : objects) {
    object.box = MoveBox(object.box, move_and_scale);
    const Box moved = object.box;
    if (ClipBox(target, object.box)) {
      if (IsCut(moved, object.box)) sample.clipped_lines.push_back(object.line);
      sample.objects.push_back(std::move(object));
    } else {
      ++sample.vanished;
      sample.vanished_lines.push_back(object.line);
    }
  }
  return sample;
}

absl::StatusOr<AugmentedSample> Transform(const AugmentConfig& config, const Tensor& image,
                                          const std::vector<KittiObject>& objects) {
  try {
    return TransformOrThrow(config, image, objects);
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("OpenCV: ", error.what()));
  }
}

namespace fs = std::filesystem;

bool IsInside(const fs::path& inner, const fs::path& outer) {
  const fs::path relative = inner.lexically_relative(outer);
  return !relative.empty() && *relative.begin() != "..";
}

// What the output replaces must be neither an input nor anything that no augmentation made.
absl::Status CheckOutput(const OfflineAugmentOptions& options, const KittiFolder& inputs) {
  const fs::path root = CanonicalPath(options.root), output = CanonicalPath(options.output);
  bool overlaps = IsInside(root, output);
  for (const std::string& input : {inputs.image_dir, inputs.label_dir}) {
    const fs::path folder = CanonicalPath(input);
    overlaps = overlaps || IsInside(output, folder) || IsInside(folder, output);
  }
  if (overlaps) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the output '", options.output, "' overlaps with the data set '", options.root,
        "' (images in '", inputs.image_dir_shown, "', labels in '", inputs.label_dir_shown,
        "'), which must stay as it is; choose a folder beside it"));
  }
  if (FileExists(JoinPath(options.output, kLedger))) return absl::OkStatus();
  for (const char* name : {kImages, kLabels}) {
    const std::string folder = JoinPath(options.output, name);
    if (!FolderExists(folder)) continue;
    TY_ASSIGN_OR_RETURN(const std::vector<std::string> files, ListFolder(folder));
    if (files.empty()) continue;
    return absl::AlreadyExistsError(
        absl::StrCat("'", folder, "' holds ", files.size(),
                     " files, and no augmentation made them (there is no '", options.output, "/",
                     kLedger, "'); choose another output, or remove them"));
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
    const std::string& image_path = config_.dataset_config().image_path();
    const std::string& label_path = config_.dataset_config().label_path();
    folder_ = {.image_dir = JoinPath(options_.root, image_path),
               .label_dir = JoinPath(options_.root, label_path),
               .id_prefix = image_path,
               .image_extension = config_.image_extension(),
               .image_dir_shown = image_path,
               .label_dir_shown = label_path,
               .keep_outside = true};  // They are counted among those that left the picture.
    TY_RETURN_IF_ERROR(CheckOutput(options_, folder_));
    TY_RETURN_IF_ERROR(Scan());
    TY_RETURN_IF_ERROR(report_.ledger.Check(options_.strict));
    internal::Workplace workplace(options_.output);
    TY_RETURN_IF_ERROR(workplace.Open());
    images_ = workplace.In(kImages);
    labels_ = workplace.In(kLabels);
    TY_RETURN_IF_ERROR(MakeFolders(images_));
    TY_RETURN_IF_ERROR(MakeFolders(labels_));
    TY_RETURN_IF_ERROR(TransformAll());
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
  // Images go first and come last, and the old ones only move aside, which is quick: at no moment
  // lie pictures beside labels of another augmentation. The ledger stays: it tells the next try that
  // the rest is ours.
  absl::Status Publish(const internal::Workplace& workplace) const {
    for (const char* name : {kImages, kLabels}) {
      const std::string target = JoinPath(options_.output, name);
      if (FolderExists(target)) {
        TY_RETURN_IF_ERROR(RenameSynced(target, workplace.In(absl::StrCat("old-", name))));
      }
    }
    for (const char* name : {kLedger, kLabels, kImages}) {
      const std::string target = JoinPath(options_.output, name);
      TY_RETURN_IF_ERROR(RemoveTree(target));
      TY_RETURN_IF_ERROR(RenameSynced(workplace.In(name), target));
    }
    return absl::OkStatus();
  }

  absl::Status Scan() {
    const auto keep = [this](KittiFrame frame) { names_.push_back(BaseName(frame.image_path)); };
    const auto go_on = [this](int64_t, int64_t) { return !stop_.stop_requested(); };
    TY_ASSIGN_OR_RETURN(report_.ledger, ScanKittiFolder(folder_, options_.threads, keep, go_on));
    return absl::OkStatus();
  }

  absl::Status TransformAll() {
    const auto total = static_cast<int64_t>(names_.size());
    for (size_t begin = 0; begin < names_.size(); begin += kChunk) {
      const size_t end = std::min(names_.size(), begin + kChunk);
      internal::ParallelFor(static_cast<int64_t>(end - begin), options_.threads, [&](int64_t i) {
        const absl::Status status = TransformOne(names_[begin + static_cast<size_t>(i)]);
        const std::lock_guard lock(mutex_);
        if (failure_.ok()) failure_ = status;
      });
      TY_RETURN_IF_ERROR(failure_);
      if (progress_) progress_(static_cast<int64_t>(end), total);
    }
    return absl::OkStatus();
  }

  // Of the picture that is read or the one that is made, whichever is larger.
  int64_t PixelsOf(ImageSize size) const {
    const int64_t width = config_.has_output_image_width() ? config_.output_image_width() : size.width;
    const int64_t height =
        config_.has_output_image_height() ? config_.output_image_height() : size.height;
    return std::max(size.width * size.height, width * height);
  }

  absl::Status TransformOne(const std::string& name) {
    if (stop_.stop_requested()) return absl::CancelledError("cancelled before the end");
    const std::string image_path = JoinPath(folder_.image_dir, name);
    const std::string label_path = LabelPathOf(folder_, name);
    TY_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(image_path, kMaxImageFileBytes));
    TY_ASSIGN_OR_RETURN(const ImageSize size, ReadImageSize(bytes, image_path));
    const internal::PixelBudget::Share share(internal::ProcessPixels(), PixelsOf(size));
    TY_ASSIGN_OR_RETURN(const Tensor image, DecodeImage(bytes, image_path));
    TY_ASSIGN_OR_RETURN(const std::string text, ReadFile(label_path));
    const KittiLabels labels = ParseKittiLabels(text, label_path, name);
    const absl::StatusOr<AugmentedSample> made = Transform(config_, image, labels.objects);
    TY_RETURN_IF_ERROR(Annotate(made.status(), image_path));
    const AugmentedSample& sample = *made;
    const bool as_png = absl::EndsWithIgnoreCase(name, ".png");
    TY_ASSIGN_OR_RETURN(const std::string encoded,
                        as_png ? EncodePng(sample.image) : EncodeJpeg(sample.image, kJpegQuality));
    std::string lines;
    for (const KittiObject& object : sample.objects) {
      absl::StrAppend(&lines, FormatKittiLine(object), "\n");
    }
    // Nobody reads the hidden folder, and it is made durable as a whole.
    TY_RETURN_IF_ERROR(AppendToFile(JoinPath(images_, name), encoded));
    TY_RETURN_IF_ERROR(AppendToFile(JoinPath(labels_, Stem(name) + ".txt"), lines));
    const std::lock_guard lock(mutex_);
    ++report_.images;
    report_.boxes += static_cast<int64_t>(sample.objects.size());
    report_.vanished += sample.vanished;
    report_.clipped += static_cast<int64_t>(sample.clipped_lines.size());
    Exemplify(label_path, sample.vanished_lines, vanished_example_);
    Exemplify(label_path, sample.clipped_lines, clipped_example_);
    return absl::OkStatus();
  }

  // Keeps the first place by its name: threads come in any order.
  static void Exemplify(const std::string& label_path, const std::vector<int>& lines,
                        std::string& example) {
    if (lines.empty()) return;
    std::string place = absl::StrCat(label_path, ":", lines.front());
    if (example.empty() || place < example) example = std::move(place);
  }

  const AugmentConfig& config_;
  const OfflineAugmentOptions& options_;
  const std::function<void(int64_t, int64_t)>& progress_;
  const std::stop_token stop_;
  KittiFolder folder_;
  std::vector<std::string> names_;
  std::string images_, labels_;

  std::mutex mutex_;
  OfflineAugmentReport report_;  // Guarded while threads run.
  std::string vanished_example_, clipped_example_;  // Guarded.
  absl::Status failure_;         // Guarded.
};

absl::StatusOr<AugmentConfig> Checked(AugmentConfig config) {
  TY_RETURN_IF_ERROR(CheckAugment(config));
  ApplyDefaults(&config);
  return config;
}

}  // namespace

absl::StatusOr<AugmentedSample> AugmentSample(const AugmentConfig& config, const Tensor& image,
                                              const std::vector<KittiObject>& objects) {
  TY_ASSIGN_OR_RETURN(const AugmentConfig checked, Checked(config));
  if (image.dtype() != DType::kUInt8 || image.rank() != 3 || image.dim(2) != 3 ||
      image.size() == 0) {
    return absl::InvalidArgumentError(
        absl::StrFormat("the image is %s %s; expected u8 [height, width, 3]", NameOf(image.dtype()),
                        ShapeText(image.shape())));
  }
  return Transform(checked, image, objects);
}

absl::StatusOr<OfflineAugmentReport> AugmentKitti(
    const AugmentConfig& config, const OfflineAugmentOptions& options,
    const std::function<void(int64_t done, int64_t total)>& progress, std::stop_token stop) {
  TY_ASSIGN_OR_RETURN(const AugmentConfig checked, Checked(config));
  return SetAugmenter(checked, options, progress, std::move(stop)).Run();
}

}  // namespace trainyard
