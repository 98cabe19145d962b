#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace trainyard::data {

/// Whether a file belongs to a system or a tool and is no data, whatever its ending: names that
/// begin with a dot (`._photo.jpg` of a Mac, `.DS_Store`, our own `.tmp-...`), Thumbs.db,
/// desktop.ini, __MACOSX and their like.
bool IsHiddenName(absl::string_view name);

/// What lies in a folder of pictures. All names are sorted by bytes, without the folder.
struct PictureFolder {
  /// The files to read.
  std::vector<std::string> pictures;
  /// Pictures by their endings that are not read: .bmp, .gif, .webp, .tif, ...
  std::vector<std::string> unsupported;
  /// Pictures that could be read, but whose ending is not the one that was asked for.
  std::vector<std::string> other_ending;
  /// All other files but hidden ones: how many, by ending.
  std::map<std::string, int64_t> others;
  /// A picture in a folder below, as `seq/1.jpg`, and how many there are (counted up to 10,000).
  std::string below_example;
  int64_t below = 0;

  /// Lines for people on what is not read here: pictures in folders below, of other endings, and
  /// (with `tell_unsupported`) of other types.
  std::vector<std::string> Notes(bool tell_unsupported) const;
};

/// Lists a folder for every stage that reads pictures: convert, training from folders, evaluation,
/// augmentation, inference, calibration. Files that end in `extension` in any case of letters;
/// without one, in .jpg, .jpeg or .png. Hidden files and folders are passed over. kNotFound when
/// the folder is not there; others as ListFolder.
absl::StatusOr<PictureFolder> ListPictures(const std::string& folder,
                                           const std::string& extension = "");

/// What lies below a folder of pictures, at any depth. All names are paths from the folder on, as
/// `seq/1.jpg`, sorted by bytes.
struct PicturesBelow {
  /// The files to read: .jpg, .jpeg and .png in any case.
  std::vector<std::string> pictures;
  /// Pictures by their endings that are not read, as in PictureFolder.
  std::vector<std::string> unsupported;
  /// Links to folders, which are not followed: they may lead round in a circle.
  std::vector<std::string> links;

  /// Lines for people on what is not read here: pictures of other types, and links.
  std::vector<std::string> Notes() const;
};

/// Lists a folder and all folders below it; hidden files and folders are passed over. The folder
/// itself may be a link. One folder is open at a time, however deep they lie. kNotFound when the folder
/// is not there; kPermissionDenied and others, with its path, for one below that cannot be listed.
absl::StatusOr<PicturesBelow> ListPicturesBelow(const std::string& folder);

/// The images of a folder (ListPictures: .jpg .jpeg .png in any case, sorted by name, neither hidden
/// nor below it), or the one image itself. What lies there and is not taken becomes
/// lines of `notes`, when given. kNotFound when there is nothing there, kFailedPrecondition when the
/// folder has no images, kInvalidArgument for a file with another extension.
absl::StatusOr<std::vector<std::string>> ListImages(const std::string& path,
                                                    std::vector<std::string>* notes = nullptr);

/// As ListImages, but with the pictures of all folders below it (ListPicturesBelow).
absl::StatusOr<std::vector<std::string>> ListImagesBelow(const std::string& path,
                                                         std::vector<std::string>* notes = nullptr);

}  // namespace trainyard::data
