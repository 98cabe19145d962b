#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/data/image_io.h"
#include "libs/data/internal/workplace.h"
#include "libs/data/kitti.h"
#include "libs/data/kitti_folder.h"
#include "libs/data/ledger.h"
#include "libs/data/offline_augment.h"

namespace trainyard::data::internal {

/// A labelled set that is augmented: which images it has, what lies in them, and how labels are written
/// again. After Scan, the const functions are for any thread.
class AugmentSource {
 public:
  virtual ~AugmentSource() = default;

  /// Looks the set through; what cannot be used is in the ledger and is none of its images. As
  /// ScanKittiFolder and ScanCoco.
  virtual absl::StatusOr<Ledger> Scan(int threads,
                                      const std::function<bool(int64_t, int64_t)>& go_on) = 0;
  int64_t size() const { return static_cast<int64_t>(names_.size()); }
  /// The file of an image below the folder of images, and so below that of the output.
  const std::string& Name(int64_t image) const { return names_[static_cast<size_t>(image)]; }
  /// Objects, known again by KittiObject::line.
  virtual absl::StatusOr<std::vector<KittiObject>> Objects(int64_t image, ImageSize size) const = 0;
  /// Where an object stands, for people.
  virtual std::string Place(int64_t image, int line) const = 0;

  /// What the output has beside images: "labels", a folder, or "annotations.json".
  virtual std::string LabelsName() const = 0;
  /// The labels of an image that was made, as text: in no other order than the images' do they become
  /// an argument of Write.
  virtual std::string Format(int64_t image, const AugmentedSample& sample) const = 0;
  /// Takes them into `labels`, the path of what LabelsName names. From one thread, in the order of the
  /// images.
  virtual absl::Status Write(int64_t image, const std::string& text, const std::string& labels) = 0;
  /// After the last.
  virtual absl::Status Finish(const std::string& labels) = 0;

 protected:
  std::vector<std::string> names_;
};

/// A folder of images and one of KITTI's label files.
std::unique_ptr<AugmentSource> AugmentKittiFolder(KittiFolder folder);

/// A folder of images and a file of COCO's annotations, which messages call `shown`. Ids of images,
/// annotations and categories are kept; names of categories are as libs/data/formats/coco.h reads
/// them; masks and key points are not written. Scan fails with kInvalidArgument for a file that is
/// none, and when two images name one file, whose copies would be one too.
std::unique_ptr<AugmentSource> AugmentCocoFile(std::string image_dir, std::string annotations,
                                               std::string image_dir_shown, std::string shown);

}  // namespace trainyard::data::internal
