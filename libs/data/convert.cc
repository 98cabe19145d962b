#include "libs/data/convert.h"

#include <algorithm>
#include <climits>
#include <filesystem>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "libs/base/digest.h"
#include "libs/base/files.h"
#include "libs/base/json.h"
#include "libs/base/printable.h"
#include "libs/base/records.h"
#include "libs/base/status.h"
#include "libs/data/class_census.h"
#include "libs/data/class_map.h"
#include "libs/data/image_io.h"
#include "libs/data/internal/workplace.h"
#include "libs/data/kitti_folder.h"
#include "libs/data/partition.h"
#include "libs/data/tfrecord/example.h"
#include "libs/data/tfrecord/shards.h"
#include "libs/spec/dataset_spec.h"

namespace trainyard {
namespace {

using internal::Workplace;
using spec::dataset::v1::DatasetExportConfig;
using spec::dataset::v1::KITTIConfig;

constexpr size_t kFramesBetweenReports = 32;

// What stays in memory of an image: its file's name below the folder of images.
struct Listing {
  std::vector<std::string> names;
  ClassCensus census;
  std::vector<std::pair<std::string, DegenerateBox>> degenerate;
};

class Converter {
 public:
  Converter(const DatasetExportConfig& config, const ConvertOptions& options,
            const std::function<void(const ConvertProgress&)>& progress, std::stop_token stop)
      : config_(config), options_(options), progress_(progress), stop_(std::move(stop)) {}

  absl::StatusOr<ConvertReport> Run() {
    TY_RETURN_IF_ERROR(Prepare());
    TY_RETURN_IF_ERROR(CheckImages());
    TY_RETURN_IF_ERROR(report_.ledger.Check(options_.strict));
    TY_RETURN_IF_ERROR(MakeClasses());
    Workplace workplace(options_.output_prefix);
    TY_RETURN_IF_ERROR(workplace.Open());
    TY_RETURN_IF_ERROR(WriteFolds(workplace));
    TY_RETURN_IF_ERROR(WriteCompanions(workplace));
    TY_RETURN_IF_ERROR(Publish(workplace));
    return std::move(report_);
  }

 private:
  const KITTIConfig& kitti() const { return config_.kitti_config(); }
  bool by_sequence() const { return kitti().partition_mode() == "sequence"; }

  absl::Status Prepare() {
    TY_RETURN_IF_ERROR(CheckDatasetExport(config_, !options_.root.empty()));
    ApplyDefaults(&config_);
    // TAO's 0 means one fold too.
    folds_ = by_sequence() ? std::max(1, static_cast<int>(kitti().num_partitions())) : 2;
    const std::string base = BaseName(options_.output_prefix);
    if (base.empty() || base == "." || base == ".." || FolderExists(options_.output_prefix)) {
      return absl::InvalidArgumentError(
          absl::StrCat("output '", options_.output_prefix,
                       "' is a folder; expected a path with the beginning of file names"));
    }
    if (IsShardCompanion(FormatShardName({.prefix = base}))) {
      return absl::InvalidArgumentError(absl::StrCat(
          "output '", options_.output_prefix, "' begins with '",
          base.substr(0, base[0] == '.' ? 1 : 4),
          "', as hidden files and indexes do, so that no stage would find the set; choose another "
          "name"));
    }
    const size_t longest =
        absl::StrCat("idx-", FormatShardName({.prefix = base, .folds = folds_, .shards = 1})).size();
    if (longest > NAME_MAX) {
      return absl::InvalidArgumentError(absl::StrCat("output '", options_.output_prefix,
                                                     "' leads to file names of ", longest,
                                                     " bytes; at most ", NAME_MAX,
                                                     " are possible; choose a shorter name"));
    }
    const std::string root = options_.root.empty() ? kitti().root_directory_path() : options_.root;
    folder_ = {.image_dir = JoinPath(root, kitti().image_dir_name()),
               .label_dir = JoinPath(root, kitti().label_dir_name()),
               .id_prefix = kitti().image_dir_name(),
               .image_extension = kitti().image_extension(),
               .image_dir_shown = kitti().image_dir_name(),
               .label_dir_shown = kitti().label_dir_name()};
    return by_sequence() ? ListSequences(root) : absl::OkStatus();
  }

  absl::Status ListSequences(const std::string& root) {
    absl::StatusOr<std::vector<Sequence>> sequences = ReadSequences(
        JoinPath(root, kitti().kitti_sequence_to_frames_file()), report_.notes);
    TY_RETURN_IF_ERROR(
        Annotate(sequences.status(), "kitti_config.kitti_sequence_to_frames_file"));
    sequences_ = *std::move(sequences);
    for (const Sequence& sequence : sequences_) {
      folder_.frames.insert(folder_.frames.end(), sequence.frames.begin(), sequence.frames.end());
    }
    return absl::OkStatus();
  }

  absl::Status CheckImages() {
    const auto keep = [this](KittiFrame frame) {
      listing_.names.push_back(std::move(frame.name));
      for (const KittiObject& object : frame.labels.objects) {
        listing_.census.Add(object.type);
      }
      for (const DegenerateBox& box : frame.labels.degenerate) {
        listing_.degenerate.emplace_back(frame.label_path, box);
      }
    };
    const auto go_on = [this](int64_t done, int64_t total) {
      Report("check", done, total);
      return !stop_.stop_requested();
    };
    TY_ASSIGN_OR_RETURN(report_.ledger, ScanKittiFolder(folder_, options_.threads, keep, go_on));
    if (!listing_.names.empty()) return absl::OkStatus();
    TY_RETURN_IF_ERROR(report_.ledger.Check(options_.strict));
    return absl::NotFoundError(absl::StrCat("no image of '", folder_.image_dir, "' can be used"));
  }

  absl::Status MakeClasses() {
    const std::map<std::string, int64_t>& found = listing_.census.found();
    std::vector<std::pair<std::string, std::string>> mapping(config_.target_class_mapping().begin(),
                                                             config_.target_class_mapping().end());
    if (!mapping.empty()) {
      TY_ASSIGN_OR_RETURN(classes_, ClassMap::Create(mapping));
    } else if (!options_.class_names.empty()) {
      classes_ = ClassMap::Identity(options_.class_names);
    } else {
      std::vector<std::string> names;
      for (const auto& [name, count] : found) names.push_back(name);
      classes_ = ClassMap::Identity(names);
      report_.notes.push_back(
          absl::StrCat("target_class_mapping is empty: each class found is taken as it is: ",
                       absl::StrJoin(found, ", ", absl::PairFormatter(" x "))));
    }
    if (classes_.classes().empty()) {
      return absl::InvalidArgumentError("the label files hold no object, so there are no classes");
    }
    TY_RETURN_IF_ERROR(listing_.census.Check(classes_));
    for (std::string& note : listing_.census.Describe(classes_)) {
      report_.notes.push_back(std::move(note));
    }
    report_.manifest.classes = classes_.classes();
    report_.manifest.unmapped = listing_.census.Unmapped(classes_);
    return absl::OkStatus();
  }

  Folds Partition() {
    Folds folds;
    if (by_sequence()) {
      const std::vector<std::vector<size_t>> dealt = DealSequences(sequences_, folds_);
      folds = SequenceFolds(sequences_, dealt, listing_.names, options_.random_seed);
      for (size_t fold = 0; fold < dealt.size(); ++fold) NoteSequences(fold, dealt[fold]);
    } else {
      folds = RandomFolds(std::move(listing_.names), static_cast<double>(kitti().val_split()),
                          options_.random_seed);
    }
    KeepFirst(folds);
    return folds;
  }

  // Which sequences a fold holds, for people and for the manifest.
  void NoteSequences(size_t fold, const std::vector<size_t>& dealt) {
    std::vector<std::string> names;
    for (const size_t sequence : dealt) names.push_back(Shown(sequences_[sequence].name));
    const std::string number = absl::StrFormat("fold_%03d_sequences", fold);
    report_.manifest.options[number] = absl::StrJoin(names, ",");
    if (names.empty()) return;
    report_.notes.push_back(absl::StrFormat("fold %03d, %s data: %s (%s)", fold,
                                            fold == 0 ? "validation" : "training",
                                            Counted(static_cast<int64_t>(names.size()), "sequence"),
                                            SomeOf(names, 5)));
  }

  // Each fold keeps its first, as max_training_samples says.
  void KeepFirst(Folds& folds) {
    const uint32_t max = config_.sample_modifier_config().max_training_samples();
    const size_t most = max / static_cast<size_t>(folds_);
    std::vector<std::string> left_out;
    size_t all = 0;
    for (auto& fold : folds) {
      all += fold.size();
      if (max == 0 || fold.size() <= most) continue;
      left_out.insert(left_out.end(), fold.begin() + static_cast<std::ptrdiff_t>(most), fold.end());
      fold.resize(most);
    }
    if (left_out.empty()) return;
    report_.notes.push_back(absl::StrCat(
        left_out.size(), " of ", all, " images are left out by max_training_samples ", max,
        ", of which each of the ", folds_, " folds gets an equal part (for example ",
        SomeOf(left_out), ")"));
  }

  absl::Status WriteFolds(const Workplace& workplace) {
    const Folds folds = Partition();
    for (const std::vector<std::string>& fold : folds) total_ += static_cast<int64_t>(fold.size());
    if (total_ == 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          "max_training_samples ", config_.sample_modifier_config().max_training_samples(),
          " leaves no image: each of ", folds_, " folds gets an equal part of it; give at least ",
          folds_));
    }
    for (int number = 0; number < folds_; ++number) {
      const std::vector<std::string>& fold = folds[static_cast<size_t>(number)];
      if (fold.empty()) {
        NoteEmptyFold(number);
        continue;
      }
      Manifest::Fold entry{.number = number,
                           .use = number == 0 ? "validation" : "training",
                           .images = static_cast<int64_t>(fold.size())};
      for (const std::string& name : classes_.classes()) entry.objects[name] = 0;
      report_.manifest.folds.push_back(std::move(entry));
      // 0 is one file, whose name does not count it.
      const size_t shards = std::max(1u, kitti().num_shards());
      const size_t size = fold.size() / shards;
      for (size_t shard = 0; shard < shards; ++shard) {
        const size_t begin = shard * size;
        const size_t end = shard + 1 == shards ? fold.size() : begin + size;
        const ShardName name{.prefix = BaseName(options_.output_prefix),
                             .fold = number,
                             .folds = folds_,
                             .shard = static_cast<int>(shard),
                             .shards = static_cast<int>(kitti().num_shards())};
        TY_RETURN_IF_ERROR(
            WriteShard(workplace, name, absl::MakeConstSpan(fold).subspan(begin, end - begin)));
      }
    }
    return absl::OkStatus();
  }

  // An empty fold is as val_split says; a val_split that means a part of one image is a slip.
  void NoteEmptyFold(int number) {
    if (by_sequence()) {
      report_.notes.push_back(absl::StrFormat(
          "fold %03d, the %s data, is empty: %d folds of %s", number,
          number == 0 ? "validation" : "training", folds_,
          Counted(static_cast<int64_t>(sequences_.size()), "sequence")));
      return;
    }
    const double split = static_cast<double>(kitti().val_split());
    if (split == 0 || split == 100) return;
    report_.notes.push_back(absl::StrFormat(
        "val_split %g (per cent) of %d images is less than one: fold %03d, the %s data, is empty%s",
        split, total_, number, number == 0 ? "validation" : "training",
        split < 1 ? "; was a part of 1 meant?" : ""));
  }

  absl::Status WriteShard(const Workplace& workplace, const ShardName& name,
                          absl::Span<const std::string> images) {
    const std::string file = FormatShardName(name);
    const std::string path = workplace.In(file);
    std::string index;
    {
      TY_ASSIGN_OR_RETURN(RecordWriter writer, RecordWriter::Open(path, false));
      for (const std::string& image : images) {
        if (stop_.stop_requested()) {
          return absl::CancelledError(
              absl::StrFormat("cancelled after %d of %d images", done_, total_));
        }
        TY_ASSIGN_OR_RETURN(const std::string record, MakeRecord(image));
        const int64_t offset = writer.offset();
        TY_RETURN_IF_ERROR(writer.Write(record));
        absl::StrAppend(&index, offset, " ", writer.offset() - offset, "\n");
        if (++done_ % kFramesBetweenReports == 0 || done_ == total_) Report("write", done_, total_);
      }
      TY_RETURN_IF_ERROR(writer.Sync());
    }
    TY_RETURN_IF_ERROR(WriteFile(workplace, absl::StrCat("idx-", file), index));
    TY_ASSIGN_OR_RETURN(const std::string digest, FileDigest(path));
    TY_ASSIGN_OR_RETURN(const int64_t bytes, FileSize(path));
    report_.manifest.shards.push_back({.file = file,
                                       .fold = name.fold,
                                       .records = static_cast<int64_t>(images.size()),
                                       .size_bytes = bytes,
                                       .sha256 = digest});
    names_.push_back(file);
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> MakeRecord(const std::string& image) {
    const std::string image_path = JoinPath(folder_.image_dir, image);
    const std::string label_path = LabelPathOf(folder_, image);
    DetectionExample example;
    example.id = JoinPath(folder_.id_prefix, FrameOf(image));
    TY_ASSIGN_OR_RETURN(example.encoded, ReadFile(image_path, kMaxImageFileBytes));
    TY_ASSIGN_OR_RETURN(const ImageSize size, ReadImageSize(example.encoded, image_path));
    example.width = size.width;
    example.height = size.height;
    TY_ASSIGN_OR_RETURN(const std::string text, ReadFile(label_path));
    for (const KittiObject& o : ParseKittiLabels(text, label_path, example.id, size).objects) {
      const int id = classes_.Find(o.type);
      if (id == 0) continue;
      AddObject(o, id, example);
      ++report_.manifest.folds.back().objects[classes_.classes()[static_cast<size_t>(id - 1)]];
    }
    return EncodeExample(example);
  }

  static void AddObject(const KittiObject& o, int id, DetectionExample& example) {
    const auto part = [](float pixels, int64_t whole) {
      return static_cast<float>(static_cast<double>(pixels) / static_cast<double>(whole));
    };
    const auto add = [](std::vector<float>& list, double value) {
      list.push_back(static_cast<float>(value));
    };
    add(example.class_ids, id);
    add(example.truncation, o.truncated);
    example.occlusion.push_back(static_cast<int64_t>(o.occluded));
    add(example.observation_angle, o.alpha);
    example.x1.push_back(part(o.box.x1, example.width));
    example.y1.push_back(part(o.box.y1, example.height));
    example.x2.push_back(part(o.box.x2, example.width));
    example.y2.push_back(part(o.box.y2, example.height));
    add(example.world_h, o.height);
    add(example.world_w, o.width);
    add(example.world_l, o.length);
    add(example.world_x, o.x);
    add(example.world_y, o.y);
    add(example.world_z, o.z);
    add(example.world_rot_y, o.rotation_y);
  }

  absl::Status WriteFile(const Workplace& workplace, const std::string& name,
                         absl::string_view content) {
    names_.push_back(name);
    return WriteFileAtomically(workplace.In(name), content);
  }

  // TAO's list of degenerate boxes, the ledger, and last the manifest.
  absl::Status WriteCompanions(const Workplace& workplace) {
    const std::string base = BaseName(options_.output_prefix);
    if (!listing_.degenerate.empty()) {
      TY_RETURN_IF_ERROR(WriteFile(workplace, absl::StrCat(base, "_warning.json"), Warnings()));
    }
    TY_RETURN_IF_ERROR(
        WriteFile(workplace, absl::StrCat(base, "_ledger.jsonl"), report_.ledger.ToJsonLines()));
    Manifest& manifest = report_.manifest;
    manifest.refused_images = report_.ledger.RefusedImages();
    manifest.refused_lines = report_.ledger.RefusedLines();
    const std::map<std::string, std::string> mapping(config_.target_class_mapping().begin(),
                                                     config_.target_class_mapping().end());
    manifest.options.insert(
        {{"image_dir_name", kitti().image_dir_name()},
         {"label_dir_name", kitti().label_dir_name()},
         {"image_extension", kitti().image_extension()},
         {"partition_mode", kitti().partition_mode()},
         {"num_shards", absl::StrCat(kitti().num_shards())},
         {"max_training_samples",
          absl::StrCat(config_.sample_modifier_config().max_training_samples())},
         {"random_seed", absl::StrCat(options_.random_seed)},
         {"target_class_mapping", absl::StrJoin(mapping, ",", absl::PairFormatter("="))}});
    if (by_sequence()) {
      manifest.options["num_partitions"] = absl::StrCat(folds_);
      manifest.options["kitti_sequence_to_frames_file"] = kitti().kitti_sequence_to_frames_file();
    } else {
      manifest.options["val_split"] = absl::StrCat(kitti().val_split());
    }
    return WriteFile(workplace, BaseName(ManifestPath(base)), ManifestToJson(manifest));
  }

  std::string Warnings() const {
    std::map<std::string, std::string> entries;
    for (const auto& [path, box] : listing_.degenerate) {
      std::error_code ignored;
      const std::string absolute = std::filesystem::absolute(path, ignored).string();
      const std::string key = absl::StrCat(absolute.empty() ? path : absolute, "_", box.index);
      entries[JsonText(key)] =
          absl::StrCat("[\n    ", absl::StrJoin(box.corners, ",\n    "), "\n  ]");
    }
    return absl::StrCat("{\n  ", absl::StrJoin(entries, ",\n  ", absl::PairFormatter(": ")), "\n}");
  }

  // Takes all old files of this prefix away and then the new ones into place, so that a kill leaves
  // no mixture of both. The manifest goes first and comes last: where there is one, the set is whole.
  absl::Status Publish(const Workplace& workplace) {
    if (stop_.stop_requested()) return absl::CancelledError("cancelled before the end");
    const std::string folder = DirName(options_.output_prefix);
    report_.manifest_path = ManifestPath(options_.output_prefix);
    TY_RETURN_IF_ERROR(RemoveTree(report_.manifest_path));
    TY_ASSIGN_OR_RETURN(const std::vector<std::string> present, ListFolder(folder));
    for (const std::string& name : present) {
      if (IsOurs(name)) TY_RETURN_IF_ERROR(RemoveTree(JoinPath(folder, name)));
    }
    for (const std::string& name : names_) {
      const std::string target = JoinPath(folder, name);
      TY_RETURN_IF_ERROR(RenameSynced(workplace.In(name), target));
      report_.files.push_back(target);
    }
    return absl::OkStatus();
  }

  // Whether a file beside the target was made by a conversion to the same prefix.
  bool IsOurs(absl::string_view name) const {
    const std::string base = BaseName(options_.output_prefix);
    if (name == absl::StrCat(base, "_warning.json")) return true;
    absl::ConsumePrefix(&name, "idx-");
    const auto shard = ParseShardName(name);
    return shard && shard->prefix == base;
  }

  void Report(absl::string_view phase, int64_t done, int64_t total) const {
    if (progress_) progress_({.phase = phase, .done = done, .total = total});
  }

  DatasetExportConfig config_;
  const ConvertOptions& options_;
  const std::function<void(const ConvertProgress&)>& progress_;
  const std::stop_token stop_;

  KittiFolder folder_;
  int folds_ = 2;
  std::vector<Sequence> sequences_;  // Of sequence mode.
  Listing listing_;
  ClassMap classes_;
  ConvertReport report_;
  std::vector<std::string> names_;  // Of files, in the order in which they are renamed.
  int64_t done_ = 0, total_ = 0;
};

}  // namespace

absl::StatusOr<ConvertReport> ConvertKitti(
    const DatasetExportConfig& config, const ConvertOptions& options,
    const std::function<void(const ConvertProgress&)>& progress, std::stop_token stop) {
  return Converter(config, options, progress, std::move(stop)).Run();
}

}  // namespace trainyard
