#pragma once

#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/base/problems.h"
#include "libs/data/findings.h"
#include "libs/tasks/task.h"
#include "libs/tensor/tensor.h"

namespace trainyard::tasks {

// What the writers of all tasks have in common: names of outputs, and whom they would replace.

/// Adds a problem for every image whose output has the name of another's: both would be written there.
/// `name_of` gives an output's name without its folder.
void CheckNamesDiffer(absl::Span<const std::string> image_paths,
                      const std::function<std::string(const std::string& path)>& name_of,
                      Problems& problems);

/// Adds a problem when `folder` holds one of the images, which its output, of the same name, would
/// replace; links are resolved. `what` is the output: "the picture with boxes". "" is no folder.
void CheckInputsStay(absl::Span<const std::string> image_paths, const std::string& folder,
                     absl::string_view what, Problems& problems);

/// Adds a problem when `threshold` is not above 0 and below 1.
void CheckThreshold(double threshold, Problems& problems);

/// Takes the names in `folder` for the outputs of an inference: makes the folder and enters them in
/// its ledger, a hidden file beside it, before anything is written. kAlreadyExists when a file of such
/// a name is there that no inference wrote; `what` says what the files are ("label files"). `left`
/// receives what earlier inferences wrote and this one does not.
absl::Status ClaimOutputs(const std::string& folder, const std::set<std::string>& names,
                          absl::string_view what, std::vector<std::string>& left);

/// ClaimOutputs of files that are each a `what` ("label file"), with a note on those that are left.
/// "" is no folder.
absl::Status ClaimFolder(const std::string& folder, const std::set<std::string>& names,
                         absl::string_view what, data::Findings& findings);

/// Writes a picture as `name`, in the format of its ending.
absl::Status WritePicture(const std::string& folder, const std::string& name,
                          const Tensor& picture);

/// What the outputs of images from several folders are called: each image's path from the folder that
/// they have in common, with _ for /. Of images of one folder these are their names.
class FlatNames {
 public:
  explicit FlatNames(absl::Span<const std::string> image_paths);
  std::string Of(const std::string& image_path) const;

 private:
  /// Bytes of each path before its name.
  size_t common_ = 0;
};

/// PredictionWriter::Folders: "images" and "labels", as far as they are asked for.
std::vector<std::pair<std::string, std::string>> FoldersOf(const PredictionOptions& options);

/// The shortest text that reads back as the same float32, with a decimal point, never an exponent.
std::string FloatText(float value);

}  // namespace trainyard::tasks
