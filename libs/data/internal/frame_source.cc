#include "libs/data/internal/frame_source.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <unordered_map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "libs/base/files.h"
#include "libs/base/paths.h"
#include "libs/base/printable.h"
#include "libs/base/status.h"
#include "libs/data/findings.h"
#include "libs/data/formats/coco.h"

namespace trainyard::data::internal {
namespace {

using spec::dataset::v1::COCOConfig;
using spec::dataset::v1::KITTIConfig;

constexpr int kRandomFolds = 2;

const char* UseOf(int fold) { return fold == 0 ? "validation" : "training"; }

// An empty fold is as val_split says; a val_split that means a part of one image is a slip.
std::string SplitNote(double split, int fold, int64_t total) {
  if (split == 0 || split == 100) return "";
  return absl::StrFormat(
      "val_split %g (per cent) of %d images is less than one: fold %03d, the %s data, is empty%s",
      split, total, fold, UseOf(fold), split < 1 ? "; was a part of 1 meant?" : "");
}

// Of entries that are of one picture: "2 images are of pictures that ... (a.png)<rest>".
void NoteRepeats(const Finding& found, absl::string_view of, absl::string_view rest,
                 std::vector<std::string>& notes) {
  if (found.count == 0) return;
  notes.push_back(absl::StrCat(Counted(found.count, "image"), found.count == 1 ? " is" : " are",
                               " of a picture that ", of, " has, too (", found.example, ")", rest));
}

// Images with KITTI label files, in random order or by sequences.
class KittiSource final : public FrameSource {
 public:
  KittiSource(const KITTIConfig& config, const std::string& root, uint64_t seed)
      : config_(config), root_(root), seed_(seed) {
    // TAO's 0 partitions means one fold too.
    folds_ = by_sequence() ? std::max(1, static_cast<int>(config.num_partitions())) : kRandomFolds;
    folder_ = {.image_dir = JoinPath(root, config.image_dir_name()),
               .label_dir = JoinPath(root, config.label_dir_name()),
               .id_prefix = config.image_dir_name(),
               .image_extension = config.image_extension(),
               .image_dir_shown = config.image_dir_name(),
               .label_dir_shown = config.label_dir_name()};
  }

  absl::Status ListSequences() {
    if (!by_sequence()) return absl::OkStatus();
    absl::StatusOr<std::vector<Sequence>> sequences =
        ReadSequences(JoinPath(root_, config_.kitti_sequence_to_frames_file()), notes_);
    TY_RETURN_IF_ERROR(Annotate(sequences.status(), "kitti_config.kitti_sequence_to_frames_file"));
    sequences_ = *std::move(sequences);
    for (const Sequence& sequence : sequences_) {
      folder_.frames.insert(folder_.frames.end(), sequence.frames.begin(), sequence.frames.end());
    }
    return absl::OkStatus();
  }

  int folds() const override { return folds_; }
  uint32_t Shards(int) const override { return config_.num_shards(); }
  std::string Place() const override { return folder_.image_dir; }

  absl::StatusOr<Ledger> Scan(int threads, const std::function<void(KittiFrame)>& keep,
                              const GoOn& go_on) override {
    return ScanKittiFolder(folder_, threads, keep, go_on);
  }

  Folds Partition(std::vector<std::string> names) override {
    if (!by_sequence()) {
      return RandomFolds(std::move(names), static_cast<double>(config_.val_split()), seed_);
    }
    const std::vector<std::vector<size_t>> dealt = DealSequences(sequences_, folds_);
    for (size_t fold = 0; fold < dealt.size(); ++fold) NoteSequences(fold, dealt[fold]);
    return SequenceFolds(sequences_, dealt, names, seed_);
  }

  std::string EmptyFoldNote(int fold, int64_t total) const override {
    if (by_sequence()) {
      return absl::StrFormat("fold %03d, the %s data, is empty: %d folds of %s", fold, UseOf(fold),
                             folds_, Counted(static_cast<int64_t>(sequences_.size()), "sequence"));
    }
    return SplitNote(static_cast<double>(config_.val_split()), fold, total);
  }

  KittiFrame Frame(const std::string& name) const override {
    KittiFrame frame;
    frame.id = JoinPath(folder_.id_prefix, FrameOf(name));
    frame.name = name;
    frame.image_path = JoinPath(folder_.image_dir, name);
    frame.label_path = LabelPathOf(folder_, name);
    return frame;
  }

  absl::StatusOr<KittiLabels> Labels(const KittiFrame& frame, ImageSize size) const override {
    TY_ASSIGN_OR_RETURN(const std::string text, ReadFile(frame.label_path));
    return ParseKittiLabels(text, frame.label_path, frame.id, size);
  }

  std::string WarningKey(const std::string& label_path, const DegenerateBox& box) const override {
    std::error_code ignored;
    const std::string absolute = std::filesystem::absolute(label_path, ignored).string();
    return absl::StrCat(absolute.empty() ? label_path : absolute, "_", box.index);
  }

  std::map<std::string, std::string> Options() const override {
    std::map<std::string, std::string> options = sequence_options_;
    options.insert({{"image_dir_name", config_.image_dir_name()},
                    {"label_dir_name", config_.label_dir_name()},
                    {"image_extension", config_.image_extension()},
                    {"partition_mode", config_.partition_mode()},
                    {"num_shards", absl::StrCat(config_.num_shards())},
                    {"random_seed", absl::StrCat(seed_)}});
    if (by_sequence()) {
      options["num_partitions"] = absl::StrCat(folds_);
      options["kitti_sequence_to_frames_file"] = config_.kitti_sequence_to_frames_file();
    } else {
      options["val_split"] = absl::StrCat(config_.val_split());
    }
    return options;
  }

 private:
  bool by_sequence() const { return config_.partition_mode() == "sequence"; }

  // Which sequences a fold holds, for people and for the manifest.
  void NoteSequences(size_t fold, const std::vector<size_t>& dealt) {
    std::vector<std::string> names;
    for (const size_t sequence : dealt) names.push_back(Shown(sequences_[sequence].name));
    sequence_options_[absl::StrFormat("fold_%03d_sequences", fold)] = absl::StrJoin(names, ",");
    if (names.empty()) return;
    notes_.push_back(
        absl::StrFormat("fold %03d, %s data: %s (%s)", fold, UseOf(static_cast<int>(fold)),
                        Counted(static_cast<int64_t>(names.size()), "sequence"), SomeOf(names, 5)));
  }

  const KITTIConfig config_;
  const std::string root_;
  const uint64_t seed_;
  int folds_ = kRandomFolds;
  KittiFolder folder_;
  std::vector<Sequence> sequences_;
  std::map<std::string, std::string> sequence_options_;
};

// Files of COCO annotations, each a fold in the order of its images.
class CocoSource final : public FrameSource {
 public:
  CocoSource(const COCOConfig& config, const std::string& root) : config_(config), root_(root) {}

  absl::Status ReadFiles() {
    for (int i = 0; i < config_.annotation_files_size(); ++i) {
      const std::string& name = config_.annotation_files(i);
      absl::StatusOr<CocoFile> file = ReadCoco(JoinPath(root_, name), name);
      TY_RETURN_IF_ERROR(
          Annotate(file.status(), absl::StrFormat("coco_config.annotation_files[%d]", i)));
      partitions_.push_back({*std::move(file),
                             {.image_dir = JoinPath(root_, config_.img_dir_names(i)),
                              .id_prefix = config_.img_dir_names(i),
                              .image_dir_shown = config_.img_dir_names(i)}});
    }
    return ExpectEqualCategories();
  }

  int folds() const override { return static_cast<int>(partitions_.size()); }
  uint32_t Shards(int fold) const override {
    return config_.num_shards(config_.num_shards_size() == 1 ? 0 : fold);
  }
  std::string Place() const override { return root_; }

  absl::StatusOr<Ledger> Scan(int threads, const std::function<void(KittiFrame)>& keep,
                              const GoOn& go_on) override {
    int64_t total = 0, before = 0;
    for (const Annotated& p : partitions_) total += static_cast<int64_t>(p.file.images.size());
    Ledger ledger;
    for (size_t i = 0; i < partitions_.size(); ++i) {
      const Annotated& p = partitions_[i];
      const auto keep_named = [&](KittiFrame frame, int64_t index) {
        const auto [owner, is_new] = owners_.try_emplace(CanonicalPath(frame.image_path), i);
        if (!is_new) (owner->second == i ? doubled_ : shared_).Add(Shown(frame.id));
        frame.name =
            absl::StrCat(p.file.shown, ": image ", p.file.images[static_cast<size_t>(index)].id);
        places_.emplace(frame.name, std::pair(i, index));
        keep(std::move(frame));
      };
      const auto go_on_in_all = [&](int64_t done, int64_t) {
        return !go_on || go_on(before + done, total);
      };
      TY_ASSIGN_OR_RETURN(const Ledger seen,
                          ScanCoco(p.file, p.folder, threads, keep_named, go_on_in_all));
      ledger.Merge(seen);
      before += static_cast<int64_t>(p.file.images.size());
    }
    NoteRepeats(doubled_, "another entry of its file", "; each is a record with its own objects alone",
                notes_);
    NoteRepeats(shared_, "another file of coco_config.annotation_files",
                ": validation and training share them", notes_);
    return ledger;
  }

  Folds Partition(std::vector<std::string> names) override {
    Folds folds(partitions_.size());
    for (std::string& name : names) folds[places_.at(name).first].push_back(std::move(name));
    return folds;
  }

  std::string EmptyFoldNote(int fold, int64_t) const override {
    return absl::StrFormat("fold %03d, the %s data, is empty: '%s' has no image that can be used",
                           fold, UseOf(fold), partitions_[static_cast<size_t>(fold)].file.shown);
  }

  KittiFrame Frame(const std::string& name) const override {
    const auto [partition, index] = places_.at(name);
    KittiFrame frame = CocoFrame(partitions_[partition].file, partitions_[partition].folder, index);
    frame.name = name;
    return frame;
  }

  absl::StatusOr<KittiLabels> Labels(const KittiFrame& frame, ImageSize size) const override {
    const auto [partition, index] = places_.at(frame.name);
    return CocoLabels(partitions_[partition].file, index, frame.id, size);
  }

  std::string WarningKey(const std::string&, const DegenerateBox& box) const override {
    return absl::StrCat(box.index);
  }

  std::map<std::string, std::string> Options() const override {
    return {{"img_dir_names", absl::StrJoin(config_.img_dir_names(), ",")},
            {"annotation_files", absl::StrJoin(config_.annotation_files(), ",")},
            {"num_partitions", absl::StrCat(config_.num_partitions())},
            {"num_shards", absl::StrJoin(config_.num_shards(), ",")}};
  }

 private:
  struct Annotated {
    CocoFile file;
    CocoFolder folder;
  };

  // By id and name: class numbers of records go by names, and what only one partition knows would
  // be missing in the other without a word.
  absl::Status ExpectEqualCategories() const {
    const auto all = [](const CocoFile& file) {
      std::set<std::string> categories;
      for (const CocoCategory& c : file.categories) {
        categories.insert(absl::StrCat(c.id, " '", Shown(c.name), "'"));
      }
      return categories;
    };
    const std::set<std::string> first = all(partitions_.front().file);
    for (const Annotated& p : partitions_) {
      std::vector<std::string> differing;
      const std::set<std::string> other = all(p.file);
      std::set_symmetric_difference(first.begin(), first.end(), other.begin(), other.end(),
                                    std::back_inserter(differing));
      if (differing.empty()) continue;
      return absl::InvalidArgumentError(absl::StrCat(
          "coco_config.annotation_files: '", partitions_.front().file.shown, "' and '",
          p.file.shown, "' have different categories: only one of them has ", SomeOf(differing)));
    }
    return absl::OkStatus();
  }

  const COCOConfig config_;
  const std::string root_;
  std::vector<Annotated> partitions_;
  // Of each picture the partition that has it first.
  std::unordered_map<std::string, size_t> owners_;
  Finding doubled_, shared_;
  // Of each good frame its partition and the index of its image.
  std::unordered_map<std::string, std::pair<size_t, int64_t>> places_;
};

// A part of a set in any format.
class AnyPartSource final : public FrameSource {
 public:
  AnyPartSource(const std::string& folder, DataFormat format, DataPart part, double val_split,
                uint32_t num_shards, uint64_t seed)
      : folder_(folder),
        format_(format),
        part_(std::move(part)),
        val_split_(val_split),
        num_shards_(num_shards),
        seed_(seed) {}

  int folds() const override { return kRandomFolds; }
  uint32_t Shards(int) const override { return num_shards_; }
  std::string Place() const override { return folder_; }

  absl::StatusOr<Ledger> Scan(int threads, const std::function<void(KittiFrame)>& keep,
                              const GoOn& go_on) override {
    const auto keep_labels = [&](KittiFrame frame) {
      // Two entries of a COCO file may be of one picture.
      const std::string name = frame.name;
      if (frames_.count(name) > 0) doubled_.Add(Shown(name));
      while (frames_.count(frame.name) > 0) {
        frame.name = absl::StrCat(name, " ", ++repeats_.try_emplace(name, 1).first->second);
      }
      frames_[frame.name] = frame;
      keep(std::move(frame));
    };
    TY_ASSIGN_OR_RETURN(Ledger ledger,
                        ScanDataPart(folder_, format_, part_, threads, keep_labels, go_on));
    NoteRepeats(doubled_, "another entry of the file",
                "; each is a record with its own objects alone, be it for validation or training",
                notes_);
    return ledger;
  }

  Folds Partition(std::vector<std::string> names) override {
    return RandomFolds(std::move(names), val_split_, seed_);
  }
  std::string EmptyFoldNote(int fold, int64_t total) const override {
    return SplitNote(val_split_, fold, total);
  }

  KittiFrame Frame(const std::string& name) const override { return frames_.at(name); }
  absl::StatusOr<KittiLabels> Labels(const KittiFrame& frame, ImageSize) const override {
    return frame.labels;
  }

  std::string WarningKey(const std::string& label_path, const DegenerateBox& box) const override {
    return absl::StrCat(label_path, "_", box.index);
  }
  std::map<std::string, std::string> Options() const override {
    return {{"format", std::string(NameOf(format_))},
            {"image_dir_name", part_.image_dir},
            {"labels", part_.labels},
            {"num_shards", absl::StrCat(num_shards_)},
            {"val_split", absl::StrCat(val_split_)},
            {"random_seed", absl::StrCat(seed_)}};
  }

 private:
  const std::string folder_;
  const DataFormat format_;
  const DataPart part_;
  const double val_split_;
  const uint32_t num_shards_;
  const uint64_t seed_;
  std::unordered_map<std::string, KittiFrame> frames_;
  Finding doubled_;
  // The number that the last picture of a name got.
  std::unordered_map<std::string, int64_t> repeats_;
};

}  // namespace

std::unique_ptr<FrameSource> PartSource(const std::string& folder, DataFormat format,
                                        const DataPart& part, double val_split, uint32_t num_shards,
                                        uint64_t seed) {
  return std::make_unique<AnyPartSource>(folder, format, part, val_split, num_shards, seed);
}

absl::StatusOr<std::unique_ptr<FrameSource>> OpenFrameSource(
    const spec::dataset::v1::DatasetExportConfig& config, const std::string& root, uint64_t seed) {
  if (config.has_coco_config()) {
    auto source = std::make_unique<CocoSource>(config.coco_config(), root);
    TY_RETURN_IF_ERROR(source->ReadFiles());
    return source;
  }
  auto source = std::make_unique<KittiSource>(config.kitti_config(), root, seed);
  TY_RETURN_IF_ERROR(source->ListSequences());
  return source;
}

}  // namespace trainyard::data::internal
