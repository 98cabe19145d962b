#pragma once

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/data/formats/yolo_names.h"
#include "libs/data/kitti_folder.h"
#include "libs/data/ledger.h"

namespace trainyard::data {

/// Parses a label file of YOLO: lines of a class number and a box's centre, width and height, as
/// parts of the picture's `size`; a sixth column is a score, which is not used. Lines of a number
/// and three points or more are outlines, whose smallest box is taken. Never fails: each bad line
/// becomes an entry of `refused`: other columns; what is no finite number or, beyond -1 to 2, no
/// part of a picture; a class number without a name; boxes as in KITTI files. A corner that is
/// nearer to a whole pixel than six decimals can tell is that pixel. Pure.
///
/// Source: darknet's and Ultralytics' label files.
KittiLabels ParseYoloLabels(absl::string_view text, const std::string& path,
                            const std::string& image, ImageSize size, const YoloNames& names);

/// ScanKittiFolder for label files `<label_dir>/<stem>.txt`, which may be the folder of the images.
/// An image without label file has no objects, as the trainers of this format take it; a note
/// counts them.
absl::StatusOr<Ledger> ScanYoloFolder(
    const KittiFolder& folder, const YoloNames& names, int threads,
    const std::function<void(KittiFrame frame)>& keep,
    const std::function<bool(int64_t done, int64_t total)>& go_on = nullptr);

}  // namespace trainyard::data
