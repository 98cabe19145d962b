#include "libs/data/kitti_folder.h"

#include <optional>

#include "libs/base/files.h"
#include "libs/data/internal/label_folder.h"

namespace trainyard::data {

std::string FrameOf(const std::string& image) {
  return image.substr(0, image.size() - Extension(image).size());
}

std::string LabelPathOf(const KittiFolder& folder, const std::string& image) {
  return JoinPath(folder.label_dir, FrameOf(image) + ".txt");
}

absl::StatusOr<Ledger> ScanKittiFolder(
    const KittiFolder& folder, int threads, const std::function<void(KittiFrame frame)>& keep,
    const std::function<bool(int64_t done, int64_t total)>& go_on) {
  const auto parse = [&folder](absl::string_view text, const std::string& path,
                               const std::string& image, ImageSize size) {
    const auto held_against = folder.keep_outside ? std::nullopt : std::optional(size);
    return ParseKittiLabels(text, path, image, held_against);
  };
  return internal::ScanLabelFolder(
      folder, {.name = "KITTI's form", .extension = ".txt", .parse = parse}, threads, keep, go_on);
}

}  // namespace trainyard::data
