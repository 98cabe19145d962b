#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/data/data_use.h"
#include "libs/data/opened_data.h"

namespace trainyard::tasks {

/// Which class folders are opened, and for what.
struct ClassDataOptions {
  /// The folder of the class folders (libs/data/class_folders.h).
  std::string root;
  /// The field of the spec that names it, for messages: "train_config.train_dataset_path"; "" =
  /// none.
  std::string field;
  /// Those of the model; class i is `classes[i]`.
  std::vector<std::string> classes;
  data::DataUse use = data::DataUse::kTraining;
  /// Any picture that cannot be decoded is an error.
  bool strict = false;
  /// That look the pictures through. >= 1.
  int threads = 1;
};

/// Opens class folders; the samples have ClassTruth.
///
/// Notes tell "training data: 300 pictures in 3 classes (a 100, b 100, c 100)", then what is left
/// out, what is not read and what was noticed. A warning, and a note, tells which classes of the
/// model have no picture among validation data.
///
/// kInvalidArgument, all at once and with both lists, for folders that are no class of the model,
/// and for training also for classes that have no folder, or of whose pictures none can be decoded;
/// else fails as ListClassFolders and OpenClassFolders do. "training data" or "validation data"
/// stands in front, with the field.
absl::StatusOr<data::OpenedData> OpenClassData(const ClassDataOptions& options);

/// What is said, before a training, of validation data that are trained on too: lines for notes and
/// warnings. Either both folders are one (links are resolved), or files lie in both: those that are
/// one file, and those of one class, name and size, which are probably copies. Nothing is decoded;
/// nothing is said of folders that cannot be listed, which opening them tells.
std::vector<std::string> WarningsOfSharedPictures(const ClassDataOptions& training,
                                                  const ClassDataOptions& validation);

}  // namespace trainyard::tasks
