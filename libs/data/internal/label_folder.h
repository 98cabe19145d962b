#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/data/internal/frame_scan.h"
#include "libs/data/kitti_folder.h"

namespace trainyard::data::internal {

/// How the labels of a folder are written, one file for each image.
struct LabelForm {
  /// What messages call it: "KITTI's form".
  std::string name;
  /// Of label files, with the dot.
  std::string extension;
  /// Files beyond are refused before they are read.
  int64_t max_bytes = int64_t{64} << 20;
  /// Labels of one file. `path` and `image` go into its entries.
  std::function<KittiLabels(absl::string_view text, const std::string& path,
                            const std::string& image, ImageSize size)>
      parse;
  /// An image without a label file is one without objects, not a fault.
  bool missing_is_empty = false;
  /// Whether a file of the label folder with the extension holds no labels: lists of classes.
  std::function<bool(absl::string_view name)> is_other = [](absl::string_view name) {
    return name == "classes.txt";
  };
};

/// ScanKittiFolder for labels of any form.
absl::StatusOr<Ledger> ScanLabelFolder(const KittiFolder& folder, const LabelForm& form,
                                       int threads,
                                       const std::function<void(KittiFrame frame)>& keep,
                                       const GoOn& go_on);

}  // namespace trainyard::data::internal
