#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/data/kitti_folder.h"
#include "libs/data/ledger.h"

namespace trainyard::data {

/// An entry of `images`.
struct CocoImage {
  int64_t id = 0;
  /// Below the folder of images, without "." and doubled slashes.
  std::string file_name;
  /// As stated; 0 when it is not. The picture's own size counts.
  int64_t width = 0, height = 0;
};

/// An entry of `annotations` that an image and a category are there for.
struct CocoAnnotation {
  int64_t id = 0;
  /// Index of CocoFile::images.
  int64_t image = 0;
  /// x, y, width, height in pixels; finite, at most 1e7 in size.
  std::array<double, 4> box{};
  /// Index of CocoFile::categories.
  int32_t category = 0;
  bool crowd = false;
};

/// An entry of `categories`.
struct CocoCategory {
  int64_t id = 0;
  /// Without blanks, as TAO reads it: `trafficlight`.
  std::string name;
};

/// A file of COCO annotations: boxes and classes; outlines, key points and captions are passed
/// over.
struct CocoFile {
  /// What messages call it.
  std::string shown;
  /// In the order of the file.
  std::vector<CocoImage> images;
  /// By id.
  std::vector<CocoCategory> categories;
  /// By image, those of one in the order of the file.
  std::vector<CocoAnnotation> annotations;
  /// What cannot be used: annotations without a box, an image or a category; images without id or
  /// name, of an id that another has, or that lie outside of the folder of images.
  std::vector<LedgerEntry> refused;

  /// The annotations of images[index]. O(log n).
  absl::Span<const CocoAnnotation> Of(int64_t index) const;
};

/// Parses a file of annotations. No tree is built: memory is that of the names, 56 bytes for each
/// annotation and, while it is read, 80 more. `shown` is what entries and messages call the file.
///
/// kInvalidArgument, `shown` in front, for text that is no JSON (with line and column), that has no
/// images, no annotations or no categories, or that gives one category id to two names; and once
/// more than 100,000 entries and a tenth of those read are refused, so that no file fills the
/// memory.
///
/// Source: COCO's data format; TAO's `dataset_convert` for names.
absl::StatusOr<CocoFile> ParseCoco(absl::string_view text, const std::string& shown);

/// ParseCoco of a file of at most 2 GiB, checked before it is read. Fails as ReadFile too.
absl::StatusOr<CocoFile> ReadCoco(const std::string& path, const std::string& shown);

/// Where the frames of a COCO file lie.
struct CocoFolder {
  std::string image_dir;
  /// What stands before the frame in ids: "val2017" in "val2017/000012".
  std::string id_prefix;
  /// What ledgers call the folder; empty = as it is above.
  std::string image_dir_shown;
};

/// The frame of images[index], but for its size and labels.
KittiFrame CocoFrame(const CocoFile& file, const CocoFolder& folder, int64_t index);

/// The labels of images[index], of which `size` is the picture's: corners are x, y, x + width,
/// y + height; a crowd is an object whose `occluded` is 1, which evaluation counts neither for nor
/// against. Boxes are refused as in KITTI files; a DegenerateBox has the annotation's id.
KittiLabels CocoLabels(const CocoFile& file, int64_t index, const std::string& id, ImageSize size);

/// Looks all images through, in the order of the file, as ScanKittiFolder: what the file itself
/// could not be used of is in the ledger as well. A picture of another size than the file states is
/// a finding. `index` is that of the frame's image. kNotFound without the folder; kCancelled when
/// `go_on` returned false.
absl::StatusOr<Ledger> ScanCoco(
    const CocoFile& file, const CocoFolder& folder, int threads,
    const std::function<void(KittiFrame frame, int64_t index)>& keep,
    const std::function<bool(int64_t done, int64_t total)>& go_on = nullptr);

}  // namespace trainyard::data
