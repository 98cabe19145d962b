// RecognizeDataSet: which format a folder is, by its names and by the look of some label files.

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <tuple>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "libs/base/files.h"
#include "libs/base/printable.h"
#include "libs/base/status.h"
#include "libs/data/findings.h"
#include "libs/data/formats/coco_look.h"
#include "libs/data/formats/data_set.h"
#include "libs/data/formats/folder_tree.h"

namespace trainyard::data {
namespace {

using internal::LabelLook;
using internal::TreeFolder;

std::string ShownFolder(const std::string& path) {
  return path.empty() ? "the folder itself" : absl::StrCat("'", Shown(path), "'");
}

std::vector<std::string> Parts(const std::string& path) {
  return absl::StrSplit(path, '/', absl::SkipEmpty());
}

// What all sets call their folders, so that it tells no part from another.
bool IsCommonWord(const std::string& part) {
  static const auto* words = new std::set<std::string>{
      "images", "image", "imgs", "img", "jpegimages", "image_2", "image_3", "pictures"};
  return words->count(absl::AsciiStrToLower(part)) > 0;
}

std::string NameFrom(const std::string& image_dir) {
  std::vector<std::string> parts;
  for (const std::string& part : Parts(image_dir)) {
    if (!IsCommonWord(part)) parts.push_back(part);
  }
  return absl::StrJoin(parts, "/");
}

int64_t Shared(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  std::vector<std::string> both;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
  return static_cast<int64_t>(both.size());
}

// Parts of two paths that are equal, wherever they stand: labels/train belongs to images/train.
int64_t EqualParts(const std::string& a, const std::string& b) {
  std::vector<std::string> first = Parts(a), second = Parts(b);
  std::sort(first.begin(), first.end());
  std::sort(second.begin(), second.end());
  return Shared(first, second);
}

class Recognizer {
 public:
  Recognizer(const std::string& root, std::vector<TreeFolder> folders)
      : root_(root), folders_(std::move(folders)) {
    found_.folder = root;
  }

  absl::StatusOr<RecognizedDataSet> Run() {
    AddLabelFolders(LabelLook::kKitti, DataFormat::kKitti);
    AddCoco();
    AddLabelFolders(LabelLook::kVoc, DataFormat::kVoc);
    AddLabelFolders(LabelLook::kYolo, DataFormat::kYolo);
    AddRecords();
    if (found_.candidates.empty()) AddClassFolders();
    if (found_.candidates.empty()) return NothingKnown();
    TellAmbiguities();
    return std::move(found_);
  }

 private:
  const std::map<LabelLook, int>& LooksOf(const TreeFolder& folder) {
    const auto [known, is_new] = looks_.try_emplace(folder.path);
    if (is_new) known->second = internal::LooksOf(root_, folder);
    return known->second;
  }

  // The folder of pictures that most label files of `labels` have a picture in; the nearest by name
  // among equals.
  const TreeFolder* PicturesFor(const TreeFolder& labels, const std::vector<std::string>& stems,
                                int64_t* shared) const {
    const TreeFolder* best = nullptr;
    std::tuple<int64_t, int64_t> most{0, 0};
    for (const TreeFolder& folder : folders_) {
      const int64_t both = Shared(stems, folder.pictures);
      if (both == 0) continue;
      const int64_t near =
          folder.path == labels.path ? 1'000 : EqualParts(folder.path, labels.path);
      if (best != nullptr && std::tuple(both, near) <= most) continue;
      best = &folder;
      most = {both, near};
    }
    *shared = std::get<0>(most);
    return best;
  }

  void AddLabelFolders(LabelLook look, DataFormat format) {
    DataCandidate candidate{.format = format};
    for (const TreeFolder& labels : folders_) {
      const auto& looks = LooksOf(labels);
      const auto count = looks.find(look);
      if (count == looks.end()) continue;
      std::vector<std::string> stems;
      for (const std::string& name : look == LabelLook::kVoc ? labels.xmls : labels.texts) {
        stems.push_back(Stem(name));
      }
      std::sort(stems.begin(), stems.end());
      int64_t shared = 0;
      const TreeFolder* pictures = PicturesFor(labels, stems, &shared);
      if (pictures == nullptr) {
        found_.ambiguities.push_back(absl::StrCat("label files in ", ShownFolder(labels.path),
                                                  " look like ", NameOf(format),
                                                  ", but no picture has the name of one"));
        continue;
      }
      candidate.parts.push_back({.image_dir = pictures->path, .labels = labels.path});
      candidate.reasons.push_back(absl::StrCat(
          Counted(shared, "label file"), " in ", ShownFolder(labels.path), " for pictures in ",
          ShownFolder(pictures->path), "; ", count->second, " of ", Looked(looks),
          " that were looked into ", count->second == 1 ? "is" : "are", " of ", NameOf(format)));
    }
    if (format == DataFormat::kYolo) AddNameLists(candidate);
    Add(std::move(candidate));
  }

  static int Looked(const std::map<LabelLook, int>& looks) {
    int all = 0;
    for (const auto& [look, count] : looks) all += count;
    return all;
  }

  void AddNameLists(DataCandidate& candidate) const {
    if (candidate.parts.empty()) return;
    for (const TreeFolder& folder : folders_) {
      if (!folder.has_names) continue;
      candidate.reasons.push_back(absl::StrCat("a list of classes in ", ShownFolder(folder.path)));
    }
  }

  // A file of annotations whose pictures are found.
  void AddCoco() {
    DataCandidate candidate{.format = DataFormat::kCoco};
    // By folder and first picture: the files that are about the same pictures.
    std::map<std::pair<std::string, std::string>, std::string> about;
    for (const TreeFolder& folder : folders_) {
      for (const std::string& name : folder.jsons) {
        const std::string path = JoinPath(folder.path, name);
        const internal::CocoLook look = internal::LookAtJson(JoinPath(root_, path));
        if (!look.is_coco) continue;
        const TreeFolder* images = ImagesFor(folder, look.file_names);
        if (images == nullptr) {
          found_.ambiguities.push_back(
              absl::StrCat("'", Shown(path),
                           "' looks like annotations of COCO, but no folder holds its pictures",
                           look.file_names.empty()
                               ? std::string()
                               : absl::StrCat(" such as '", Shown(look.file_names.front()), "'")));
          continue;
        }
        const auto [known, is_new] =
            about.emplace(std::pair(images->path, look.file_names.front()), path);
        if (!is_new) {
          PreferAnnotations(known->second, path, candidate);
          continue;
        }
        candidate.parts.push_back({.image_dir = images->path, .labels = path});
        candidate.reasons.push_back(absl::StrCat("'", Shown(path),
                                                 "' is JSON with images and annotations, whose "
                                                 "pictures lie in ",
                                                 ShownFolder(images->path)));
      }
    }
    Add(std::move(candidate));
  }

  // Of two files about the same pictures the one called instances..., else the first, is taken.
  void PreferAnnotations(std::string& taken, const std::string& other, DataCandidate& candidate) {
    std::string left = other;
    if (absl::StartsWith(BaseName(other), "instances") &&
        !absl::StartsWith(BaseName(taken), "instances")) {
      for (DataPart& part : candidate.parts) {
        if (part.labels == taken) part.labels = other;
      }
      std::swap(taken, left);
    }
    found_.ambiguities.push_back(absl::StrCat("'", Shown(taken), "' and '", Shown(left),
                                              "' are about the same pictures; the first is taken"));
  }

  const TreeFolder* ImagesFor(const TreeFolder& annotations,
                              const std::vector<std::string>& file_names) const {
    const TreeFolder* best = nullptr;
    std::tuple<int64_t, int64_t> most{0, 0};
    for (const TreeFolder& folder : folders_) {
      int64_t there = 0;
      for (const std::string& name : file_names) {
        if (FileExists(JoinPath(JoinPath(root_, folder.path), name))) ++there;
      }
      if (there == 0) continue;
      const int64_t near =
          folder.path == annotations.path ? 1'000 : EqualParts(folder.path, annotations.path);
      if (best != nullptr && std::tuple(there, near) <= most) continue;
      best = &folder;
      most = {there, near};
    }
    return best;
  }

  void AddRecords() {
    DataCandidate candidate{.format = DataFormat::kTfrecord};
    for (const TreeFolder& folder : folders_) {
      if (folder.records.empty()) continue;
      candidate.reasons.push_back(
          absl::StrCat(Counted(static_cast<int64_t>(folder.records.size()), "file"), " in ",
                       ShownFolder(folder.path), " named as shards of records are"));
    }
    Add(std::move(candidate));
  }

  // A folder with pictures for each class, and none beside them.
  void AddClassFolders() {
    DataCandidate candidate{.format = DataFormat::kClassFolders};
    std::vector<std::string> classes;
    for (const TreeFolder& folder : folders_) {
      if (!folder.path.empty() && !folder.pictures.empty()) classes.push_back(folder.path);
    }
    const bool labelled = std::any_of(folders_.begin(), folders_.end(), [](const TreeFolder& f) {
      return !f.texts.empty() || !f.xmls.empty() || !f.jsons.empty();
    });
    if (labelled || classes.size() < 2 || !folders_.front().pictures.empty()) return;
    candidate.reasons.push_back(absl::StrCat(classes.size(),
                                             " folders of pictures without label files (",
                                             SomeOf(classes), "), as for classification"));
    Add(std::move(candidate));
  }

  void Add(DataCandidate candidate) {
    if (candidate.reasons.empty()) return;
    NameParts(candidate.parts);
    found_.candidates.push_back(std::move(candidate));
  }

  // By the folders of pictures; by those of the labels where they are shared.
  static void NameParts(std::vector<DataPart>& parts) {
    if (parts.size() == 1) return;
    std::map<std::string, int> count;
    for (DataPart& part : parts) ++count[part.name = NameFrom(part.image_dir)];
    for (DataPart& part : parts) {
      if (count[part.name] > 1) {
        part.name = part.labels.empty() ? "." : JoinPath(DirName(part.labels), Stem(part.labels));
      }
      if (part.name.empty()) part.name = std::string(1, '.');
    }
    std::sort(parts.begin(), parts.end(),
              [](const DataPart& a, const DataPart& b) { return a.name < b.name; });
  }

  void TellAmbiguities() {
    std::vector<std::string> formats;
    for (const DataCandidate& candidate : found_.candidates) {
      formats.emplace_back(NameOf(candidate.format));
    }
    if (formats.size() > 1) {
      found_.ambiguities.insert(
          found_.ambiguities.begin(),
          absl::StrCat("the folder can be read as ", absl::StrJoin(formats, " and as "),
                       "; name the one that is meant"));
    }
    std::set<std::string> used;
    for (const DataCandidate& candidate : found_.candidates) {
      if (!HasFrames(candidate.format)) return;
      for (const DataPart& part : candidate.parts) used.insert(part.image_dir);
    }
    for (const TreeFolder& folder : folders_) {
      if (folder.pictures.empty() || used.count(folder.path) > 0) continue;
      found_.ambiguities.push_back(
          absl::StrCat(Counted(static_cast<int64_t>(folder.pictures.size()), "picture"), " in ",
                       ShownFolder(folder.path), " belong to no labels"));
    }
  }

  absl::Status NothingKnown() const {
    std::map<std::string, size_t> seen;
    for (const TreeFolder& folder : folders_) {
      seen["pictures"] += folder.pictures.size();
      seen[".txt"] += folder.texts.size();
      seen[".xml"] += folder.xmls.size();
      seen[".json"] += folder.jsons.size();
    }
    return absl::NotFoundError(absl::StrCat(
        "'", root_, "' is no data set of a format that is known: there are ",
        absl::StrJoin(seen, ", ",
                      [](std::string* out, const auto& entry) {
                        absl::StrAppend(out, entry.second, " ", entry.first);
                      }),
        " in ", Counted(static_cast<int64_t>(folders_.size()), "folder"),
        found_.ambiguities.empty() ? "" : "; ", absl::StrJoin(found_.ambiguities, "; "),
        "; known are pictures with label files of KITTI, Pascal VOC or YOLO, annotations of COCO, "
        "TFRecord shards, and a folder of pictures for each class"));
  }

  const std::string& root_;
  const std::vector<TreeFolder> folders_;
  std::map<std::string, std::map<LabelLook, int>> looks_;
  RecognizedDataSet found_;
};

}  // namespace

absl::StatusOr<RecognizedDataSet> RecognizeDataSet(const std::string& folder) {
  if (!FolderExists(folder)) {
    return absl::NotFoundError(absl::StrCat("there is no folder '", folder, "'"));
  }
  TY_ASSIGN_OR_RETURN(std::vector<TreeFolder> folders, internal::ReadFolderTree(folder));
  return Recognizer(folder, std::move(folders)).Run();
}

}  // namespace trainyard::data
