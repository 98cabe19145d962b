#include "libs/data/data_layout.h"

#include <initializer_list>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/files.h"
#include "libs/base/printable.h"
#include "libs/base/status.h"
#include "libs/data/findings.h"

namespace trainyard::data {
namespace {

// The first of these folders that is there.
std::optional<std::string> FolderAmong(const std::string& folder,
                                       std::initializer_list<const char*> names) {
  for (const char* name : names) {
    std::string path = JoinPath(folder, name);
    if (FolderExists(path)) return path;
  }
  return std::nullopt;
}

// Null when it is no KITTI folder.
FrameScan KittiPart(const std::string& folder) {
  const auto images = FolderAmong(folder, {"images", "image_2", "image"});
  const auto labels = FolderAmong(folder, {"labels", "label_2", "label"});
  if (!images.has_value() || !labels.has_value()) return nullptr;
  const KittiFolder kitti{
      .image_dir = *images, .label_dir = *labels, .id_prefix = BaseName(*images)};
  return [kitti](int threads, const auto& keep, const auto& go_on) {
    return ScanKittiFolder(kitti, threads, keep, go_on);
  };
}

std::optional<DataLayout> Kitti(const std::string& folder) {
  DataLayout layout{.format = "kitti", .training = KittiPart(folder)};
  if (layout.training != nullptr) return layout;
  const auto part = [&](std::initializer_list<const char*> names) -> FrameScan {
    const auto path = FolderAmong(folder, names);
    if (!path.has_value()) return nullptr;
    FrameScan scan = KittiPart(*path);
    if (scan == nullptr) {
      layout.notes.push_back(
          absl::StrCat("'", *path, "' has no images with labels, and is passed over"));
    }
    return scan;
  };
  layout.training = part({"train", "trainval", "training"});
  layout.validation = part({"val", "valid", "validation"});
  layout.test = part({"test", "testing"});
  if (layout.training == nullptr) return std::nullopt;
  return layout;
}

// A line a format: nothing when the folder is none of it.
constexpr std::optional<DataLayout> (*kFormats[])(const std::string& folder) = {Kitti};

}  // namespace

absl::StatusOr<DataLayout> RecogniseData(const std::string& folder) {
  if (!FolderExists(folder)) {
    return absl::NotFoundError(absl::StrCat("there is no folder '", folder, "'"));
  }
  for (const auto format : kFormats) {
    if (std::optional<DataLayout> layout = format(folder)) return *std::move(layout);
  }
  TY_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListFolder(folder));
  std::vector<std::string> shown;
  for (const std::string& name : names) shown.push_back(Shown(name));
  return absl::InvalidArgumentError(absl::StrCat(
      "'", folder, "' holds ", names.empty() ? "nothing" : SomeOf(shown, 8),
      "; expected folders images and labels (KITTI), or train, and maybe val and test, with both; "
      "`trainyard data convert --to kitti` makes them of COCO, Pascal VOC and YOLO"));
}

}  // namespace trainyard::data
