#include "tests/support/crop_objects.h"

#include <algorithm>
#include <climits>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/digest.h"
#include "libs/base/files.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/data/class_map.h"
#include "libs/data/image_io.h"
#include "libs/data/internal/sample_parts.h"
#include "libs/data/kitti_folder.h"
#include "libs/tensor/tensor.h"

namespace trainyard::testing {
namespace {

// An object that is large enough, and its place in its label file.
struct Cut {
  std::string class_name;
  data::Box box;
  size_t index = 0;
};

struct Picture {
  std::string path;
  std::vector<Cut> cuts;
};

absl::Status CheckOptions(const CropOptions& o) {
  Problems problems;
  if (o.min_pixels < 0) problems.Add("min_pixels", "is %d; expected at least 0", o.min_pixels);
  if (o.min_count < 1) problems.Add("min_count", "is %d; expected at least 1", o.min_count);
  if (!(o.margin >= 0 && o.margin <= 10)) {
    problems.Add("margin", "is %g; expected 0 to 10", o.margin);
  }
  if (o.threads < 1) problems.Add("threads", "is %d; expected at least 1", o.threads);
  return problems.ToStatus();
}

// Names that begin with a dot are hidden: no stage would read the folder.
bool CanNameAFolder(absl::string_view name) {
  return !name.empty() && name.size() <= NAME_MAX && !absl::StartsWith(name, ".") &&
         !absl::StrContains(name, '/');
}

double PixelsInside(const data::Box& box, data::ImageSize size) {
  const double width =
      std::min<double>(box.x2, static_cast<double>(size.width)) - std::max<double>(box.x1, 0);
  const double height =
      std::min<double>(box.y2, static_cast<double>(size.height)) - std::max<double>(box.y1, 0);
  return std::max(width, 0.0) * std::max(height, 0.0);
}

// The objects of a frame that are to be cut; those that are too small are counted.
Picture PictureOf(const data::KittiFrame& frame, int64_t min_pixels, int64_t* small) {
  Picture picture{.path = frame.image_path};
  for (size_t i = 0; i < frame.labels.objects.size(); ++i) {
    const data::KittiObject& object = frame.labels.objects[i];
    std::string name = data::ClassKey(object.type);
    if (name == "dontcare") continue;
    if (PixelsInside(object.box, frame.size) > static_cast<double>(min_pixels)) {
      picture.cuts.push_back({.class_name = std::move(name), .box = object.box, .index = i});
    } else {
      ++*small;
    }
  }
  return picture;
}

// The whole pixels from `low` to `high` and `margin` of that length on both sides, within [0, end).
std::pair<int64_t, int64_t> Widened(double low, double high, double margin, int64_t end) {
  const double more = margin * (high - low);
  const double limit = static_cast<double>(end);
  return {static_cast<int64_t>(std::clamp(std::floor(low - more), 0.0, limit)),
          static_cast<int64_t>(std::clamp(std::ceil(high + more), 0.0, limit))};
}

Tensor CutOut(const Tensor& image, const data::Box& box, double margin) {
  const auto [y1, y2] = Widened(box.y1, box.y2, margin, image.dim(0));
  const auto [x1, x2] = Widened(box.x1, box.x2, margin, image.dim(1));
  Tensor crop = Tensor::Zeros(DType::kUInt8, {y2 - y1, x2 - x1, 3});
  const auto row_bytes = static_cast<size_t>((x2 - x1) * 3);
  for (int64_t y = y1; y < y2; ++y) {
    std::memcpy(crop.data<uint8_t>().data() + static_cast<size_t>(y - y1) * row_bytes,
                image.data<uint8_t>().data() + (y * image.dim(1) + x1) * 3, row_bytes);
  }
  return crop;
}

absl::Status WriteCrops(const Picture& picture, double margin, const std::string& folder) {
  TY_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(picture.path, data::kMaxImageFileBytes));
  TY_ASSIGN_OR_RETURN(const Tensor image, data::DecodeImage(bytes, picture.path));
  for (const Cut& cut : picture.cuts) {
    TY_ASSIGN_OR_RETURN(const std::string png, data::EncodePng(CutOut(image, cut.box, margin)));
    const std::string name = absl::StrCat(Stem(picture.path), "_", cut.index, ".png");
    TY_RETURN_IF_ERROR(WriteFileAtomically(JoinPath(JoinPath(folder, cut.class_name), name), png));
  }
  return absl::OkStatus();
}

// Takes the classes that are left out away from `pictures`, and counts those that stay.
void ChooseClasses(int64_t min_count, std::vector<Picture>& pictures, CropReport& report) {
  std::map<std::string, int64_t> counts;
  for (const Picture& picture : pictures) {
    for (const Cut& cut : picture.cuts) ++counts[cut.class_name];
  }
  for (const auto& [name, count] : counts) {
    if (count < min_count || !CanNameAFolder(name)) report.left_out[name] = count;
  }
  for (Picture& picture : pictures) {
    std::erase_if(picture.cuts,
                  [&report](const Cut& cut) { return report.left_out.contains(cut.class_name); });
    const size_t part = CropPartOf(picture.path);
    for (const Cut& cut : picture.cuts) ++report.written[cut.class_name][part];
  }
}

}  // namespace

size_t CropPartOf(absl::string_view image_name) {
  const std::string digest = Sha256Hex(Stem(BaseName(image_name)));
  const uint64_t hundredth = std::strtoull(digest.substr(0, 12).c_str(), nullptr, 16) % 100;
  return hundredth < 70 ? 0 : hundredth < 85 ? 1 : 2;
}

std::vector<std::string> CropReport::Describe() const {
  std::vector<std::string> lines = notes;
  for (const auto& [name, count] : left_out) {
    lines.push_back(absl::StrCat("left out: ", count, " of class '", name, "'",
                                 CanNameAFolder(name) ? "" : ", which cannot name a folder"));
  }
  if (small > 0) lines.push_back(absl::StrCat("left out: ", small, " too small"));
  for (const auto& [name, counts] : written) {
    std::vector<std::string> parts;
    for (size_t i = 0; i < counts.size(); ++i) {
      parts.push_back(absl::StrCat(counts[i], " ", kCropParts[i]));
    }
    lines.push_back(absl::StrCat(name, ": ", absl::StrJoin(parts, ", ")));
  }
  return lines;
}

absl::StatusOr<CropReport> CropObjects(const CropOptions& options) {
  TY_RETURN_IF_ERROR(CheckOptions(options));
  CropReport report;
  std::vector<Picture> pictures;
  const data::KittiFolder folder{
      .image_dir = options.image_dir, .label_dir = options.label_dir, .id_prefix = "images"};
  TY_ASSIGN_OR_RETURN(const data::Ledger ledger,
                      data::ScanKittiFolder(folder, options.threads, [&](data::KittiFrame frame) {
                        pictures.push_back(PictureOf(frame, options.min_pixels, &report.small));
                      }));
  TY_RETURN_IF_ERROR(ledger.Check(/*strict=*/false));
  report.notes = ledger.Describe(5);
  ChooseClasses(options.min_count, pictures, report);
  if (report.written.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("no class of '", options.label_dir, "' has ", options.min_count,
                     " objects of more than ", options.min_pixels,
                     " pixels; lower one of the two\n", absl::StrJoin(report.Describe(), "\n")));
  }
  std::array<std::vector<const Picture*>, kCropParts.size()> shared;
  for (const Picture& picture : pictures) shared[CropPartOf(picture.path)].push_back(&picture);
  std::vector<data::internal::SamplePart> parts;
  for (size_t i = 0; i < shared.size(); ++i) {
    parts.push_back({.name = kCropParts[i], .count = static_cast<int64_t>(shared[i].size())});
  }
  std::vector<std::string> classes;
  for (const auto& [name, counts] : report.written) classes.push_back(name);
  const auto write = [&](size_t part, int64_t i, const std::string& place) {
    return WriteCrops(*shared[part][static_cast<size_t>(i)], options.margin, place);
  };
  TY_RETURN_IF_ERROR(data::internal::WriteSampleParts(options.out, parts, classes, options.threads,
                                                      write,
                                                      /*progress=*/nullptr, /*stop=*/{}));
  return report;
}

}  // namespace trainyard::testing
