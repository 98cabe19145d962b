#include "libs/data/convert.h"

#include <algorithm>
#include <climits>
#include <map>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "libs/base/digest.h"
#include "libs/base/files.h"
#include "libs/base/json.h"
#include "libs/base/records.h"
#include "libs/base/status.h"
#include "libs/data/class_census.h"
#include "libs/data/class_map.h"
#include "libs/data/image_io.h"
#include "libs/data/internal/frame_source.h"
#include "libs/data/internal/workplace.h"
#include "libs/data/tfrecord/example.h"
#include "libs/data/tfrecord/shards.h"
#include "libs/spec/dataset_spec.h"

namespace trainyard::data {
namespace {

using internal::FrameSource;
using internal::OpenFrameSource;
using internal::Workplace;
using spec::dataset::v1::DatasetExportConfig;

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
  // Of a source that no spec names.
  Converter(std::unique_ptr<FrameSource> source, const ConvertOptions& options,
            const std::function<void(const ConvertProgress&)>& progress, std::stop_token stop)
      : options_(options), progress_(progress), stop_(std::move(stop)), source_(std::move(source)) {}

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
  absl::Status Prepare() {
    if (source_ == nullptr) {
      TY_RETURN_IF_ERROR(spec::CheckDatasetExport(config_, !options_.root.empty()));
      spec::ApplyDefaults(&config_);
    }
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
        absl::StrCat("idx-", FormatShardName({.prefix = base, .folds = 1, .shards = 1})).size();
    if (longest > NAME_MAX) {
      return absl::InvalidArgumentError(absl::StrCat("output '", options_.output_prefix,
                                                     "' leads to file names of ", longest,
                                                     " bytes; at most ", NAME_MAX,
                                                     " are possible; choose a shorter name"));
    }
    if (source_ != nullptr) return absl::OkStatus();
    const std::string root = options_.root.empty() ? spec::SpecRoot(config_) : options_.root;
    TY_ASSIGN_OR_RETURN(source_, OpenFrameSource(config_, root, options_.random_seed));
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
    TY_ASSIGN_OR_RETURN(report_.ledger, source_->Scan(options_.threads, keep, go_on));
    if (!listing_.names.empty()) return absl::OkStatus();
    TY_RETURN_IF_ERROR(report_.ledger.Check(options_.strict));
    return absl::NotFoundError(absl::StrCat("no image of '", source_->Place(), "' can be used"));
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
    Folds folds = source_->Partition(std::move(listing_.names));
    const std::vector<std::string>& notes = source_->notes();
    report_.notes.insert(report_.notes.end(), notes.begin(), notes.end());
    KeepFirst(folds);
    return folds;
  }

  // Each fold keeps its first, as max_training_samples says.
  void KeepFirst(Folds& folds) {
    const uint32_t max = config_.sample_modifier_config().max_training_samples();
    const size_t most = max / folds.size();
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
        ", of which each of the ", folds.size(), " folds gets an equal part (for example ",
        SomeOf(left_out), ")"));
  }

  absl::Status WriteFolds(const Workplace& workplace) {
    const Folds folds = Partition();
    for (const std::vector<std::string>& fold : folds) total_ += static_cast<int64_t>(fold.size());
    if (total_ == 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          "max_training_samples ", config_.sample_modifier_config().max_training_samples(),
          " leaves no image: each of ", folds.size(),
          " folds gets an equal part of it; give at least ", folds.size()));
    }
    for (int number = 0; number < source_->folds(); ++number) {
      const std::vector<std::string>& fold = folds[static_cast<size_t>(number)];
      if (fold.empty()) {
        std::string note = source_->EmptyFoldNote(number, total_);
        if (!note.empty()) report_.notes.push_back(std::move(note));
        continue;
      }
      Manifest::Fold entry{.number = number,
                           .use = number == 0 ? "validation" : "training",
                           .images = static_cast<int64_t>(fold.size())};
      for (const std::string& name : classes_.classes()) entry.objects[name] = 0;
      report_.manifest.folds.push_back(std::move(entry));
      // 0 is one file, whose name does not count it.
      const size_t shards = std::max(1u, source_->Shards(number));
      const size_t size = fold.size() / shards;
      for (size_t shard = 0; shard < shards; ++shard) {
        const size_t begin = shard * size;
        const size_t end = shard + 1 == shards ? fold.size() : begin + size;
        const ShardName name{.prefix = BaseName(options_.output_prefix),
                             .fold = number,
                             .folds = source_->folds(),
                             .shard = static_cast<int>(shard),
                             .shards = static_cast<int>(source_->Shards(number))};
        TY_RETURN_IF_ERROR(
            WriteShard(workplace, name, absl::MakeConstSpan(fold).subspan(begin, end - begin)));
      }
    }
    return absl::OkStatus();
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
    const KittiFrame frame = source_->Frame(image);
    DetectionExample example;
    example.id = frame.id;
    TY_ASSIGN_OR_RETURN(example.encoded, ReadFile(frame.image_path, kMaxImageFileBytes));
    TY_ASSIGN_OR_RETURN(const ImageSize size, ReadImageSize(example.encoded, frame.image_path));
    example.width = size.width;
    example.height = size.height;
    TY_ASSIGN_OR_RETURN(const KittiLabels labels, source_->Labels(frame, size));
    for (const KittiObject& o : labels.objects) {
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
    manifest.options = source_->Options();
    manifest.options.insert(
        {{"max_training_samples",
          absl::StrCat(config_.sample_modifier_config().max_training_samples())},
         {"target_class_mapping", absl::StrJoin(mapping, ",", absl::PairFormatter("="))}});
    return WriteFile(workplace, BaseName(ManifestPath(base)), ManifestToJson(manifest));
  }

  std::string Warnings() const {
    std::map<std::string, std::string> entries;
    for (const auto& [path, box] : listing_.degenerate) {
      entries[JsonText(source_->WarningKey(path, box))] =
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

  std::unique_ptr<FrameSource> source_;
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

absl::StatusOr<ConvertReport> ConvertDataPart(
    const std::string& folder, DataFormat format, const DataPart& part, double val_split,
    uint32_t num_shards, const ConvertOptions& options,
    const std::function<void(const ConvertProgress&)>& progress, std::stop_token stop) {
  // NaN, which command lines can say, is no part of anything.
  if (!(val_split >= 0 && val_split <= 100)) {
    return absl::InvalidArgumentError(
        absl::StrFormat("val_split is %g; expected a number in [0, 100]", val_split));
  }
  return Converter(internal::PartSource(folder, format, part, val_split, num_shards,
                                        options.random_seed),
                   options, progress, std::move(stop))
      .Run();
}

}  // namespace trainyard::data
