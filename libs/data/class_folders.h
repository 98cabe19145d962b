#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/data/data_use.h"

namespace trainyard::data {

/// A class of a data set: the sub-folder of its name, and the pictures at any depth below it.
struct ClassFolder {
  /// Exactly as the folder is spelled.
  std::string name;
  /// Paths from the class folder on, sorted by bytes.
  std::vector<std::string> pictures;
};

/// A data set of one folder for each class, TAO's form for classification.
struct ClassFolders {
  std::string root;
  /// Sorted by the bytes of their names, which is the order of class numbers.
  std::vector<ClassFolder> classes;
  /// Lines for people on what is not read: pictures beside the class folders or of types that are
  /// not read, links.
  std::vector<std::string> notes;

  std::vector<std::string> Names() const;
};

/// Lists the data set in `root`. Hidden folders and files are passed over (IsHiddenName), and so
/// are files beside the class folders; a class folder may be a link, the links to folders in it are
/// not followed (ListPicturesBelow). Nothing is decoded.
///
/// kNotFound when the folder is not there. kInvalidArgument, with all problems, when it has no
/// sub-folder, when a class's name is not UTF-8, and, for training, when there is but one class or
/// a class has no picture; other uses need one picture in all. Others as ListPicturesBelow.
///
/// Source: TAO Toolkit, data format of image classification.
absl::StatusOr<ClassFolders> ListClassFolders(const std::string& root,
                                              DataUse use = DataUse::kTraining);

/// The classes of a data set to train on, without a look into their folders. Fails as ListClassFolders
/// does for the folder itself and its names.
absl::StatusOr<std::vector<std::string>> ListClassNames(const std::string& root);

}  // namespace trainyard::data
