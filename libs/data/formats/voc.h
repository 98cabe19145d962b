#pragma once

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/data/kitti_folder.h"
#include "libs/data/ledger.h"

namespace trainyard::data {

/// Parses a label file of Pascal VOC. Never fails: what cannot be used becomes an entry of
/// `refused`. The whole image is left out (kWrongFormat) when the text is no XML, has no
/// <annotation>, is deeper than 32 elements or holds more than 100,000 of them; nothing outside of
/// the text is looked at, and entities that the file itself declares are not expanded.
///
/// VOC counts pixels from 1 and its corners belong to the box, so (xmin, ymin, xmax, ymax) are the
/// edges (xmin - 1, ymin - 1, xmax, ymax). <truncated> 1 becomes `truncated` 1, <difficult> 1
/// `occluded` 1, which evaluation counts neither for nor against. Class names lose their blanks.
/// Parts, poses and masks are passed over. Places are `<path>: object 2`, from 1, as the index of a
/// DegenerateBox is from 0. A <size> that is not the picture's `size` is a finding. Pure.
///
/// Source: The PASCAL Visual Object Classes Challenge 2012, development kit.
KittiLabels ParseVocLabels(absl::string_view text, const std::string& path,
                           const std::string& image, ImageSize size);

/// ScanKittiFolder for label files `<label_dir>/<stem>.xml`, which may be the folder of the images.
absl::StatusOr<Ledger> ScanVocFolder(
    const KittiFolder& folder, int threads, const std::function<void(KittiFrame frame)>& keep,
    const std::function<bool(int64_t done, int64_t total)>& go_on = nullptr);

}  // namespace trainyard::data
