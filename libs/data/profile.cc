#include "libs/data/profile.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/files.h"
#include "libs/base/paths.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/base/writes.h"
#include "libs/data/class_map.h"
#include "libs/data/data_layout.h"
#include "libs/data/data_split.h"
#include "libs/data/findings.h"
#include "libs/data/formats/folder_tree.h"
#include "libs/data/image_io.h"
#include "libs/data/internal/class_name.h"
#include "libs/data/internal/parallel.h"
#include "libs/data/internal/pixel_budget.h"
#include "libs/data/internal/workplace.h"
#include "libs/data/review/copies.h"
#include "libs/data/review/fingerprint.h"

namespace trainyard::data {
namespace {

using internal::kProfileMark;
using worker::v1::DataProfile;

constexpr char kTraining[] = "training", kValidation[] = "validation", kTest[] = "test",
               kProbe[] = "probe";
constexpr size_t kMostLeftOut = 20;
// Pictures whose colours are looked at.
constexpr size_t kMostColoured = 200;
// JPEGs of grey pictures are not exactly grey.
constexpr int kGreyTolerance = 6;

// An object, by the size of its picture.
struct Shape {
  float width = 0, height = 0;
  int class_index = 0;
};

// A picture that can be used. Its label file lies in the workplace already.
struct Picture {
  std::string path;
  // Of both files, without folder and ending.
  std::string stem;
  // Of the picture as the set names it: what a link of the set leads to may have none.
  std::string ending;
  ImageSize size;
  std::vector<Shape> shapes;
};

std::vector<int> ClassesOf(const Picture& picture) {
  std::set<int> classes;
  for (const Shape& shape : picture.shapes) classes.insert(shape.class_index);
  return {classes.begin(), classes.end()};
}

bool IsGrey(const Tensor& image) {
  const auto pixels = image.data<uint8_t>();
  for (size_t i = 0; i + 2 < pixels.size(); i += 3) {
    const auto [least, most] = std::minmax({pixels[i], pixels[i + 1], pixels[i + 2]});
    if (most - least > kGreyTolerance) return false;
  }
  return true;
}

class Profiler {
 public:
  Profiler(const ProfileOptions& options, const std::function<void(int64_t, int64_t)>& progress,
           std::stop_token stop)
      : options_(options), progress_(progress), stop_(std::move(stop)), work_(options.output) {}

  absl::StatusOr<DataProfile> Run() {
    TY_RETURN_IF_ERROR(CheckOutput());
    TY_ASSIGN_OR_RETURN(const DataLayout layout, RecogniseData(options_.data));
    profile_.set_format(std::string(NameOf(layout.format)));
    for (const std::string& note : layout.notes) profile_.add_notes(note);
    TY_RETURN_IF_ERROR(work_.Open());
    TY_RETURN_IF_ERROR(Scan(layout.training, kTraining));
    TY_RETURN_IF_ERROR(Scan(layout.validation, kValidation));
    TY_RETURN_IF_ERROR(Scan(layout.test, kTest));
    TY_RETURN_IF_ERROR(CheckContent());
    TY_RETURN_IF_ERROR(LookAtPictures());
    TY_RETURN_IF_ERROR(MakeValidation());
    TY_RETURN_IF_ERROR(MakeProbe());
    Describe();
    TY_RETURN_IF_ERROR(LinkPictures());
    TY_RETURN_IF_ERROR(Publish());
    return std::move(profile_);
  }

 private:
  absl::Status CheckOutput() const {
    if (!FolderExists(options_.output)) return absl::OkStatus();
    TY_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListFolder(options_.output));
    if (names.empty() || FileExists(JoinPath(options_.output, kProfileMark))) return absl::OkStatus();
    return absl::AlreadyExistsError(
        absl::StrCat("'", options_.output, "' holds something else; choose another folder"));
  }

  // The parts of a name that label files of two folders may share.
  std::string StemFor(const std::string& part, const std::string& path) {
    const std::string wanted = Stem(path);
    std::string stem = wanted;
    for (int i = 2; !stems_[part].insert(stem).second; ++i) stem = absl::StrCat(wanted, "_", i);
    return stem;
  }

  std::string LabelPath(const std::string& part, const Picture& picture) const {
    return work_.In(absl::StrCat(part, "/labels/", picture.stem, ".txt"));
  }

  absl::Status Keep(const std::string& part, const KittiFrame& frame) {
    Picture picture{.path = CanonicalPath(frame.image_path),
                    .stem = StemFor(part, frame.image_path),
                    .ending = Extension(frame.image_path),
                    .size = frame.size};
    std::string lines;
    for (const KittiObject& object : frame.labels.objects) {
      const std::string key = ClassKey(object.type);
      if (key == internal::kDontCareKey) continue;
      const int index = class_indices_.emplace(key, class_indices_.size()).first->second;
      picture.shapes.push_back(
          {object.box.width() / static_cast<float>(std::max<int64_t>(1, frame.size.width)),
           object.box.height() / static_cast<float>(std::max<int64_t>(1, frame.size.height)), index});
      absl::StrAppend(&lines, FormatKittiLine(object), "\n");
    }
    TY_RETURN_IF_ERROR(AppendToFile(LabelPath(part, picture), lines));
    pictures_[part].push_back(std::move(picture));
    return absl::OkStatus();
  }

  absl::Status Scan(const FrameScan& scan, const std::string& part) {
    for (const char* kind : {"images", "labels"}) {
      TY_RETURN_IF_ERROR(MakeFolders(work_.In(absl::StrCat(part, "/", kind))));
    }
    if (scan == nullptr) return absl::OkStatus();
    absl::Status kept;
    const auto keep = [&](const KittiFrame& frame) {
      if (kept.ok()) kept = Keep(part, frame);
    };
    const auto go_on = [&](int64_t done, int64_t total) {
      if (progress_) progress_(done, total);
      return kept.ok() && !stop_.stop_requested();
    };
    absl::StatusOr<Ledger> ledger = scan(options_.threads, keep, go_on);
    TY_RETURN_IF_ERROR(kept);
    TY_RETURN_IF_ERROR(Annotate(ledger.status(), part));
    TY_RETURN_IF_ERROR(ledger->Check(options_.strict));
    for (const std::string& line : ledger->Describe(kMostLeftOut)) profile_.add_notes(line);
    return absl::OkStatus();
  }

  absl::Status CheckContent() const {
    Problems problems;
    const size_t count = PicturesOf(kTraining).size();
    if (count < 2) {
      problems.Add("the data", "have %d pictures to train on; expected at least 2", count);
    }
    if (class_indices_.empty()) problems.Add("the labels", "have no object");
    return problems.ToStatus();
  }

  // Decodes the training pictures, for near duplicates and colours.
  absl::Status LookAtPictures() {
    const std::vector<Picture>& pictures = PicturesOf(kTraining);
    const bool compares = static_cast<int64_t>(pictures.size()) <= options_.most_compared;
    const size_t count = compares ? pictures.size() : std::min(pictures.size(), kMostColoured);
    std::vector<std::optional<Fingerprint>> prints(count);
    std::atomic<bool> is_grey = true;
    internal::ParallelFor(static_cast<int64_t>(count), options_.threads, [&](int64_t i) {
      if (stop_.stop_requested()) return;
      const auto at = static_cast<size_t>(i);
      // It was read before; one that went meanwhile is a group of its own, and coloured.
      const auto bytes = ReadFile(pictures[at].path, kMaxImageFileBytes);
      if (compares && bytes.ok()) {
        absl::StatusOr<Fingerprint> print = FingerprintOf(*bytes, "");
        if (print.ok()) prints[at] = *std::move(print);
      }
      // One with colours suffices; a fingerprint needs less than the whole picture.
      if (!is_grey) return;
      const ImageSize size = pictures[at].size;
      const internal::PixelBudget::Share share(internal::ProcessPixels(), size.width * size.height);
      const auto image = bytes.ok() ? DecodeImage(*bytes, "") : bytes.status();
      if (!image.ok() || !IsGrey(*image)) is_grey = false;
    });
    if (stop_.stop_requested()) return absl::CancelledError("cancelled while pictures were compared");
    profile_.set_is_grey(is_grey);
    if (compares) {
      Group(FindCopies(prints, options_.threads));
    } else {
      profile_.add_notes(absl::StrFormat("%d training pictures are too many to be compared with each "
                                        "other: near duplicates are not kept together",
                                        pictures.size()));
    }
    return absl::OkStatus();
  }

  // A picture without copies is a group of its own.
  void Group(const Copies& copies) {
    groups_.resize(PicturesOf(kTraining).size());
    std::iota(groups_.begin(), groups_.end(), 0);
    int64_t near_duplicates = 0;
    for (const CopyGroup& group : copies.groups) {
      for (const int64_t member : group.members) {
        groups_[static_cast<size_t>(member)] = static_cast<int>(group.members.front());
      }
      near_duplicates += static_cast<int64_t>(group.members.size()) - 1;
    }
    profile_.set_near_duplicates(near_duplicates);
    if (copies.left_out == 0) return;
    profile_.add_notes(absl::StrCat(Counted(copies.left_out, "pair"),
                                    " of pictures that are near were not compared, for each was with "
                                    "its nearest ones"));
  }

  // The label file of a picture goes with it.
  absl::Status Move(const std::string& from, const std::string& to, const Picture& picture) {
    std::error_code error;
    std::filesystem::rename(LabelPath(from, picture), LabelPath(to, picture), error);
    if (!error) return absl::OkStatus();
    return absl::InternalError(
        absl::StrCat("cannot move '", LabelPath(from, picture), "': ", error.message()));
  }

  // Of training pictures, where the set has no validation pictures of its own.
  absl::Status MakeValidation() {
    if (!PicturesOf(kValidation).empty()) return absl::OkStatus();
    std::vector<Picture>& training = pictures_[kTraining];
    std::vector<SplitItem> items;
    for (size_t i = 0; i < training.size(); ++i) {
      items.push_back({.group = i < groups_.size() ? groups_[i] : static_cast<int>(i),
                       .classes = ClassesOf(training[i])});
    }
    std::vector<bool> chosen =
        ChooseValidation(items, options_.validation_share, options_.random_seed);
    if (std::count(chosen.begin(), chosen.end(), true) == 0) {
      profile_.add_notes("all pictures are near duplicates of each other; they are split one by one");
      for (size_t i = 0; i < items.size(); ++i) items[i].group = static_cast<int>(i);
      chosen = ChooseValidation(items, options_.validation_share, options_.random_seed);
    }
    std::vector<Picture> rest;
    for (size_t i = 0; i < training.size(); ++i) {
      if (chosen[i]) TY_RETURN_IF_ERROR(Move(kTraining, kValidation, training[i]));
      (chosen[i] ? pictures_[kValidation] : rest).push_back(std::move(training[i]));
    }
    training = std::move(rest);
    return absl::OkStatus();
  }

  // Evenly over the training pictures, so that its batches cost what theirs do.
  absl::Status MakeProbe() {
    const std::vector<Picture>& training = PicturesOf(kTraining);
    const size_t count = std::min(training.size(), static_cast<size_t>(options_.probe_pictures));
    for (const char* kind : {"images", "labels"}) {
      TY_RETURN_IF_ERROR(MakeFolders(work_.In(absl::StrCat(kProbe, "/", kind))));
    }
    for (size_t i = 0; i < count; ++i) {
      const Picture& picture = training[i * training.size() / count];
      TY_ASSIGN_OR_RETURN(const std::string labels, ReadFile(LabelPath(kTraining, picture)));
      TY_RETURN_IF_ERROR(AppendToFile(LabelPath(kProbe, picture), labels));
      pictures_[kProbe].push_back(picture);
    }
    return absl::OkStatus();
  }

  void DescribePart(const std::string& part, DataProfile::Part* described) const {
    const std::vector<Picture>& pictures = PicturesOf(part);
    if (pictures.empty()) return;
    described->set_images(JoinPath(options_.output, absl::StrCat(part, "/images")));
    described->set_labels(JoinPath(options_.output, absl::StrCat(part, "/labels")));
    described->set_pictures(static_cast<int64_t>(pictures.size()));
    int64_t objects = 0;
    for (const Picture& picture : pictures) objects += static_cast<int64_t>(picture.shapes.size());
    described->set_objects(objects);
  }

  // Numbers of classes by name; `numbers` maps the order in which they were met.
  void DescribeClasses(std::vector<int>* numbers) {
    numbers->resize(class_indices_.size());
    std::vector<DataProfile::Class*> classes;
    for (const auto& [name, index] : class_indices_) {
      (*numbers)[static_cast<size_t>(index)] = profile_.classes_size();
      profile_.add_classes()->set_name(name);
    }
    for (const auto& [part, pictures] : pictures_) {
      if (part == kProbe) continue;
      for (const Picture& picture : pictures) {
        for (const Shape& shape : picture.shapes) {
          auto& one = *profile_.mutable_classes((*numbers)[static_cast<size_t>(shape.class_index)]);
          one.set_objects(one.objects() + 1);
          if (part == kValidation) one.set_validation_objects(one.validation_objects() + 1);
        }
      }
    }
  }

  void DescribeShapes(const std::vector<int>& numbers) {
    const std::vector<Picture>& training = PicturesOf(kTraining);
    int64_t objects = 0;
    for (const Picture& picture : training) objects += static_cast<int64_t>(picture.shapes.size());
    const int64_t step = std::max<int64_t>(1, objects / std::max(1, options_.most_objects));
    int64_t number = 0;
    for (const Picture& picture : training) {
      for (const Shape& shape : picture.shapes) {
        if (number++ % step != 0) continue;
        profile_.add_object_widths(shape.width);
        profile_.add_object_heights(shape.height);
        profile_.add_object_classes(numbers[static_cast<size_t>(shape.class_index)]);
      }
    }
  }

  void DescribeSizes() {
    std::vector<int64_t> widths, heights;
    for (const Picture& picture : PicturesOf(kTraining)) {
      widths.push_back(picture.size.width);
      heights.push_back(picture.size.height);
    }
    const auto median = [](std::vector<int64_t>& values) {
      const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
      std::nth_element(values.begin(), middle, values.end());
      return static_cast<int32_t>(*middle);
    };
    profile_.set_picture_width(median(widths));
    profile_.set_picture_height(median(heights));
  }

  void Describe() {
    DescribePart(kTraining, profile_.mutable_training());
    DescribePart(kValidation, profile_.mutable_validation());
    if (!PicturesOf(kTest).empty()) DescribePart(kTest, profile_.mutable_test());
    DescribePart(kProbe, profile_.mutable_probe());
    std::vector<int> numbers;
    DescribeClasses(&numbers);
    DescribeShapes(numbers);
    DescribeSizes();
  }

  absl::Status LinkPictures() const {
    for (const auto& [part, pictures] : pictures_) {
      for (const Picture& picture : pictures) {
        const std::string link = work_.In(
            absl::StrCat(part, "/images/", picture.stem, picture.ending));
        std::error_code error;
        std::filesystem::create_symlink(picture.path, link, error);
        if (error) {
          return absl::InternalError(
              absl::StrCat("cannot make the link '", link, "': ", error.message()));
        }
      }
    }
    return absl::OkStatus();
  }

  absl::Status Publish() const {
    TY_RETURN_IF_ERROR(WriteFileAtomically(work_.In(kProfileMark), profile_.format() + "\n"));
    TY_RETURN_IF_ERROR(work_.Sync());
    TY_RETURN_IF_ERROR(MakeFolders(options_.output));
    // The mark first: what a kill leaves is still ours.
    for (const char* name : {kProfileMark, kTraining, kValidation, kTest, kProbe}) {
      const std::string target = JoinPath(options_.output, name);
      TY_RETURN_IF_ERROR(RemoveTree(target));
      TY_RETURN_IF_ERROR(RenameSynced(work_.In(name), target));
    }
    return absl::OkStatus();
  }

  const std::vector<Picture>& PicturesOf(const std::string& part) const {
    static const auto& none = *new std::vector<Picture>();
    const auto found = pictures_.find(part);
    return found == pictures_.end() ? none : found->second;
  }

  const ProfileOptions& options_;
  const std::function<void(int64_t, int64_t)>& progress_;
  std::stop_token stop_;
  internal::Workplace work_;
  DataProfile profile_;
  // By part.
  std::map<std::string, std::vector<Picture>> pictures_;
  std::map<std::string, std::set<std::string>> stems_;
  // By ClassKey, in the order in which they were met.
  std::map<std::string, int> class_indices_;
  // Of the training pictures, before some of them become validation data; empty when not compared.
  std::vector<int> groups_;
};

}  // namespace

absl::StatusOr<DataProfile> ProfileData(const ProfileOptions& options,
                                      const std::function<void(int64_t, int64_t)>& progress,
                                      std::stop_token stop) {
  if (!(options.validation_share > 0 && options.validation_share < 1)) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "validation_share is %g; expected a number in (0, 1)", options.validation_share));
  }
  return Profiler(options, progress, std::move(stop)).Run();
}

}  // namespace trainyard::data
