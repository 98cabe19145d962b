#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace trainyard::testing {

/// Class folders out of a KITTI set, so that classification can be tried on real pictures.
struct CropOptions {
  std::string image_dir, label_dir;
  /// Gets train/, val/ and test/, none of which may be there.
  std::string out;
  /// Objects whose box has no more pixels than this inside the picture are passed over. >= 0.
  int64_t min_pixels = 400;
  /// Classes with fewer objects than this are left out. >= 1.
  int64_t min_count = 20;
  /// What is cut out on each side beside the box, as a share of its width or height. [0, 10].
  double margin = 0.1;
  /// >= 1. The crops do not depend on it.
  int threads = 2;
};

/// The parts of the set, as they are numbered below.
inline constexpr std::array<const char*, 3> kCropParts = {"train", "val", "test"};

/// What CropObjects did.
struct CropReport {
  /// Crops in the three parts, by class.
  std::map<std::string, std::array<int64_t, 3>> written;
  /// Objects of classes that were left out, because they are few or have no name for a folder.
  std::map<std::string, int64_t> left_out;
  /// Objects of no more than min_pixels.
  int64_t small = 0;
  /// Lines for people on pictures and labels that were refused or are strange.
  std::vector<std::string> notes;

  /// Lines for people: all of the above.
  std::vector<std::string> Describe() const;
};

/// The part that an image belongs to, by a hash of its name without its ending: about 70 % are
/// train (0), 15 % val (1), 15 % test (2). So crops of one picture never lie in two parts, whatever
/// else is in the set.
size_t CropPartOf(absl::string_view image_name);

/// Cuts every labelled object out and writes it to `<out>/<part>/<class>/<image>_<i>.png`, `i`
/// being its place among the objects of its label file. Classes are in lower case; KITTI's DontCare
/// is none. All parts have a folder for each class that is written; they appear whole at the end.
///
/// kInvalidArgument for options out of range (all of them), or when more than a tenth of the set is
/// refused; kNotFound without images; kFailedPrecondition when no class is left; kAlreadyExists
/// when a part is there.
absl::StatusOr<CropReport> CropObjects(const CropOptions& options);

}  // namespace trainyard::testing
