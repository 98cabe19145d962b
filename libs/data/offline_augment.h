#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/data/kitti.h"
#include "libs/data/ledger.h"
#include "libs/tensor/tensor.h"
#include "trainyard/spec/augment/v1/augment_config.pb.h"

namespace trainyard::data {

struct OfflineAugmentOptions {
  /// The folder that the spec's image_path and label_path lie in (TAO's -d). In a spec of data services
  /// image_dir and ann_path may be paths of their own; "" = they are.
  std::string root;
  /// Gets images/, labels/ (of COCO annotations.json) and ledger.jsonl; made when it is not there
  /// (TAO's -o).
  std::string output;
  /// Any refused label or image is an error.
  bool strict = false;
  /// >= 1.
  int threads = 1;
};

struct OfflineAugmentReport {
  int64_t images = 0;
  int64_t boxes = 0;
  /// Boxes that lie outside the new picture, or have no pixel left in it.
  int64_t vanished = 0;
  /// Boxes of which a part lies outside the new picture and is cut off.
  int64_t clipped = 0;
  Ledger ledger;
  /// For the log.
  std::vector<std::string> notes;
};

/// An image and the objects of its label file.
struct AugmentedSample {
  /// u8 [h, w, 3], or [h, w, 1] when the spec asks for one channel.
  Tensor image;
  std::vector<KittiObject> objects;
  int64_t vanished = 0;
  /// KittiObject::line of the boxes that vanished, and of those that were cut.
  std::vector<int> vanished_lines, clipped_lines;
};

/// Transforms one u8 RGB picture and its objects as the spec says, in this order: turn about the
/// centre (counter-clockwise as seen), mirror, shear about the centre, shift, resize; hue and
/// saturation (a turn and a scaling of the chroma in YIQ), contrast, brightness, blur. What comes
/// from outside the picture is black. Shapes move by one interpolation, colours are rounded once.
///
/// A box becomes the smallest one around its four moved corners, clipped to the picture; one
/// without width or height in whole pixels is dropped and counted. All other columns stay. Pure;
/// any thread. kInvalidArgument for what libs/spec refuses and for another tensor.
///
/// Source: TAO's `augment`.
absl::StatusOr<AugmentedSample> AugmentSample(const spec::augment::v1::AugmentConfig& config,
                                              const Tensor& image,
                                              const std::vector<KittiObject>& objects);

/// Does so for every image of a set: each keeps its name and format (JPEG at quality 95). The set is of
/// KITTI, or of COCO when a spec of data services says so: then ids of images, annotations and
/// categories stay, names of categories are written as TAO reads them (without blanks), and masks are
/// left out. With lists, what is done to the image at place i of those that can be used is a function
/// of (random_seed, i), so that equal inputs give equal bytes on any number of threads.
///
/// Made in a hidden folder beside `output` and renamed at the end; images and labels of an
/// earlier run (ledger.jsonl is there) are replaced. `progress` hears (done, total). Fails without
/// leaving a file behind: kInvalidArgument (spec, Ledger::Check, a COCO file that is none; `output` is
/// or holds `root`, or lies in or around its images or labels, links resolved), kUnimplemented (spec),
/// kAlreadyExists (`output` has images or labels that no augmentation made), kNotFound,
/// kFailedPrecondition (another process writes there), kCancelled, kResourceExhausted and kInternal
/// (disk).
absl::StatusOr<OfflineAugmentReport> AugmentDataSet(
    const spec::augment::v1::AugmentConfig& config, const OfflineAugmentOptions& options,
    const std::function<void(int64_t done, int64_t total)>& progress = nullptr,
    std::stop_token stop = {});

}  // namespace trainyard::data
