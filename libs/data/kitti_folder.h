#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/data/image_io.h"
#include "libs/data/kitti.h"
#include "libs/data/ledger.h"

namespace trainyard::data {

/// Where the frames of a KITTI set lie.
struct KittiFolder {
  std::string image_dir, label_dir;
  /// What stands before the frame in ids: "images" in "images/000012".
  std::string id_prefix;
  /// Only images whose name ends so, in any case of letters; empty = .jpg, .jpeg and .png.
  std::string image_extension;
  /// The frames to take: paths below both folders without endings, such as "drive_1/000012", none of
  /// them twice. Empty = every image that lies in the folder itself.
  std::vector<std::string> frames;
  /// What ledgers call the two folders; empty = as they are above.
  std::string image_dir_shown, label_dir_shown;
  /// Keeps boxes that lie outside of their picture, for a caller that counts them itself.
  bool keep_outside = false;
};

/// The frame of an image's name: the name without its ending, folders kept.
std::string FrameOf(const std::string& image);

/// Where the label file of an image lies: `<label_dir>/<frame>.txt`.
std::string LabelPathOf(const KittiFolder& folder, const std::string& image);

/// An image that can be decoded, and its label file.
struct KittiFrame {
  std::string id;
  /// Of its file, below the folder of images.
  std::string name;
  std::string image_path, label_path;
  ImageSize size;
  KittiLabels labels;
};

/// Looks all images of a folder (libs/data/picture_folder.h) through, on `threads` threads: `keep`
/// is called in the order of the names, from the calling thread, for each frame whose image can be
/// decoded and whose label file is there. All else goes to the ledger that is returned: lines
/// refused; images without labels, or with the same label file as another image (a.jpg and a.png);
/// images that cannot be decoded; pictures of formats that are not read. Its findings tell what
/// else is there: pictures turned upright, boxes beyond their pictures, pictures of other endings
/// and in folders below, label files without an image; with `frames`, pictures that are none of them.
/// A frame of `frames` without an image is refused as one that cannot be read. Memory holds names and a
/// few dozen frames.
/// `go_on`, when given, hears how far it came every few dozen images.
///
/// kNotFound, naming it, for a folder that is not there, and for one without images: the message
/// names the extensions that were seen. kCancelled when `go_on` returned false.
absl::StatusOr<Ledger> ScanKittiFolder(
    const KittiFolder& folder, int threads, const std::function<void(KittiFrame frame)>& keep,
    const std::function<bool(int64_t done, int64_t total)>& go_on = nullptr);

}  // namespace trainyard::data
