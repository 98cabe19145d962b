#include "libs/data/formats/coco.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/data/internal/frame_scan.h"
#include "libs/data/internal/label_taker.h"

namespace trainyard::data {
namespace {

// The path of a file without its last extension.
std::string WithoutExtension(const std::string& path) {
  return path.substr(0, path.size() - Extension(path).size());
}

}  // namespace

absl::Span<const CocoAnnotation> CocoFile::Of(int64_t index) const {
  const auto [begin, end] = std::equal_range(
      annotations.begin(), annotations.end(), CocoAnnotation{.image = index},
      [](const CocoAnnotation& a, const CocoAnnotation& b) { return a.image < b.image; });
  return absl::MakeConstSpan(annotations)
      .subspan(static_cast<size_t>(begin - annotations.begin()), static_cast<size_t>(end - begin));
}

KittiFrame CocoFrame(const CocoFile& file, const CocoFolder& folder, int64_t index) {
  const std::string& name = file.images[static_cast<size_t>(index)].file_name;
  KittiFrame frame;
  frame.id = JoinPath(folder.id_prefix, WithoutExtension(name));
  frame.name = name;
  frame.name = name;
  frame.image_path = JoinPath(folder.image_dir, name);
  frame.label_path = file.shown;
  return frame;
}

KittiLabels CocoLabels(const CocoFile& file, int64_t index, const std::string& id, ImageSize size) {
  internal::LabelTaker taker(id, size);
  for (const CocoAnnotation& annotation : file.Of(index)) {
    taker.CountLine();
    const auto& [x, y, width, height] = annotation.box;
    KittiObject object;
    object.type = file.categories[static_cast<size_t>(annotation.category)].name;
    object.occluded = annotation.crowd ? 1 : 0;
    object.box = {static_cast<float>(x), static_cast<float>(y), static_cast<float>(x + width),
                  static_cast<float>(y + height)};
    taker.Take(std::move(object), annotation.id,
               absl::StrCat(file.shown, ": annotation ", annotation.id));
  }
  return taker.Finish();
}

absl::StatusOr<Ledger> ScanCoco(const CocoFile& file, const CocoFolder& folder, int threads,
                                const std::function<void(KittiFrame frame, int64_t index)>& keep,
                                const std::function<bool(int64_t done, int64_t total)>& go_on) {
  if (!FolderExists(folder.image_dir)) {
    return absl::NotFoundError(absl::StrCat("there is no image folder '", folder.image_dir, "'"));
  }
  Ledger ledger;
  ledger.entries = file.refused;
  ledger.images = ledger.RefusedImages();
  ledger.lines = ledger.RefusedLines();
  const auto shown = [&](int64_t i) {
    const std::string& dir =
        folder.image_dir_shown.empty() ? folder.image_dir : folder.image_dir_shown;
    return JoinPath(dir, file.images[static_cast<size_t>(i)].file_name);
  };
  const auto look = [&](int64_t i) {
    internal::LookedAt looked;
    looked.frame = CocoFrame(file, folder, i);
    looked.shown = shown(i);
    if (internal::LookAtImage(looked)) {
      looked.frame.labels = CocoLabels(file, i, looked.frame.id, looked.frame.size);
    }
    const CocoImage& image = file.images[static_cast<size_t>(i)];
    const ImageSize stated{image.width, image.height};
    if (!looked.refused && image.width != 0 && image.height != 0 &&
        !(stated == looked.frame.size)) {
      looked.frame.labels.findings.other_size.Add(
          absl::StrFormat("%s: %d x %d, stated %d x %d", looked.shown, looked.frame.size.width,
                          looked.frame.size.height, image.width, image.height));
    }
    return looked;
  };
  TY_RETURN_IF_ERROR(internal::ScanFrames(static_cast<int64_t>(file.images.size()), threads, look,
                                          keep, go_on, &ledger));
  return ledger;
}

}  // namespace trainyard::data
