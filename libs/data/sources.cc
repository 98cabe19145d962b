#include "libs/data/sources.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <optional>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "libs/base/files.h"
#include "libs/base/printable.h"
#include "libs/base/records.h"
#include "libs/base/status.h"
#include "libs/data/box_truth.h"
#include "libs/data/class_census.h"
#include "libs/data/class_map.h"
#include "libs/data/image_io.h"
#include "libs/data/internal/magic.h"
#include "libs/data/internal/parallel.h"
#include "libs/data/internal/record.h"
#include "libs/data/kitti_folder.h"
#include "libs/data/preprocess.h"
#include "libs/data/tfrecord/example.h"
#include "libs/data/tfrecord/manifest.h"
#include "libs/data/tfrecord/set_check.h"

namespace trainyard::data {
namespace {

// Records that are looked through at a time: few enough for memory.
constexpr size_t kChunkRecords = 64, kChunkBytes = size_t{64} << 20;
// Failures that one message tells.
constexpr size_t kFailuresTold = 20;

// With what a file that begins with no record looks like, where that is known.
absl::Status NoRecord(const absl::Status& status, const std::string& path) {
  std::string head(512, '\0');
  std::ifstream file(path, std::ios::binary);
  file.read(head.data(), static_cast<std::streamsize>(head.size()));
  head.resize(static_cast<size_t>(file.gcount()));
  const std::string kind = internal::GuessFileKind(head);
  if (kind.empty()) return status;
  return absl::Status(status.code(), absl::StrCat(status.message(), "; it looks like ", kind,
                                                  ", not like TFRecords"));
}

// One sample: an image file, or a record of a shard.
struct Frame {
  std::string id;
  // An image's path, or empty for a record.
  std::string image_path;
  // Index of the shard and place of the record in it.
  int shard = -1;
  int64_t offset = 0;
  std::vector<LabelledBox> boxes;
};

// The box as it was drawn: parts of a side in float32, times the side, miss a whole pixel by a
// hair, which would cost a box of one pixel its inside, and others a pixel of the network's input
// where they lie between two.
Box WithoutRounding(const Box& box) {
  const auto whole = [](float v) {
    constexpr float kHair = 1e-3f;
    return std::abs(v - std::round(v)) < kHair ? std::round(v) : v;
  };
  return {whole(box.x1), whole(box.y1), whole(box.x2), whole(box.y2)};
}

class FrameSource : public SampleSource {
 public:
  FrameSource(std::vector<Frame> frames, std::vector<std::string> shards)
      : frames_(std::move(frames)), shards_(std::move(shards)) {}

  int64_t size() const override { return static_cast<int64_t>(frames_.size()); }
  std::string Id(int64_t index) const override { return At(index).id; }

  absl::StatusOr<Sample> Get(int64_t index) const override {
    const Frame& frame = At(index);
    Sample sample{.id = frame.id, .image = {}, .truth = TruthOf(frame.boxes)};
    if (frame.shard < 0) {
      TY_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(frame.image_path, kMaxImageFileBytes));
      TY_ASSIGN_OR_RETURN(sample.image, DecodeImage(bytes, frame.image_path));
      return sample;
    }
    const std::string& path = shards_[static_cast<size_t>(frame.shard)];
    TY_ASSIGN_OR_RETURN(RecordReader reader, RecordReader::Open(path, frame.offset));
    const absl::StatusOr<std::string> record = reader.Next();
    if (absl::IsOutOfRange(record.status())) {
      return absl::DataLossError(
          absl::StrFormat("'%s' has no record at byte %d any more", path, frame.offset));
    }
    TY_RETURN_IF_ERROR(record);
    TY_ASSIGN_OR_RETURN(const DetectionExample example, DecodeExample(*record));
    TY_ASSIGN_OR_RETURN(sample.image,
                        DecodeImage(example.encoded, absl::StrCat(path, ": ", frame.id)));
    return sample;
  }

 private:
  const Frame& At(int64_t index) const { return frames_.at(static_cast<size_t>(index)); }

  std::vector<Frame> frames_;
  std::vector<std::string> shards_;
};

using internal::Record;

// One source, looked at but not yet in terms of the training classes.
struct Scanned {
  std::vector<KittiFrame> frames;   // Of a folder,
  std::vector<std::string> shards;  // or of shards,
  std::string image_dir;            // beside which pictures may lie.
  // The manifests of the sets that the shards belong to, by prefix.
  Manifests manifests;
};

class Opener {
 public:
  explicit Opener(const SourceOptions& options) : options_(options) {}

  absl::StatusOr<OpenedSources> Open(absl::Span<const DataSource> sources) {
    std::vector<Scanned> scanned(sources.size());
    std::vector<absl::Status> failures;
    for (size_t i = 0; i < sources.size(); ++i) {
      absl::Status status = Scan(sources[i], scanned[i]);
      if (!status.ok()) {
        failures.push_back(Annotate(status, absl::StrCat("data source ", i + 1)));
      }
    }
    TY_RETURN_IF_ERROR(Together(failures, failures.size()));
    TY_RETURN_IF_ERROR(opened_.ledger.Check(options_.strict));
    TY_ASSIGN_OR_RETURN(classes_, MakeClasses(scanned));
    opened_.classes = classes_.classes();
    for (const std::string& name : opened_.classes) opened_.class_counts[name] = 0;
    for (Scanned& one : scanned) AddFrames(std::move(one));
    TY_RETURN_IF_ERROR(Together(failures_, failed_));
    TY_RETURN_IF_ERROR(opened_.ledger.Check(options_.strict));
    if (frames_.empty()) return absl::NotFoundError("the data sources hold no sample");
    opened_.unmapped_counts = census_.Unmapped(classes_);
    opened_.mapped = census_.Check(classes_);
    opened_.warnings = census_.Describe(classes_);
    WarnOfThin();
    for (const std::string& note : opened_.warnings) opened_.notes.push_back(note);
    opened_.source = std::make_unique<FrameSource>(std::move(frames_), std::move(shards_));
    return std::move(opened_);
  }

 private:
  // The first failure's code with the messages; there are `count` in all.
  static absl::Status Together(const std::vector<absl::Status>& failures, size_t count) {
    if (count <= 1) return failures.empty() ? absl::OkStatus() : failures[0];
    std::vector<std::string> texts;
    for (const absl::Status& failure : failures) texts.emplace_back(failure.message());
    if (count > failures.size()) {
      texts.push_back(absl::StrCat("and ", count - failures.size(), " more"));
    }
    return absl::Status(failures[0].code(), absl::StrJoin(texts, "\n"));
  }

  absl::Status Scan(const DataSource& source, Scanned& scanned) {
    const bool has_folders = !source.image_dir.empty() && !source.label_dir.empty();
    if (source.tfrecords.empty() ? !has_folders : !source.label_dir.empty()) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "has image folder '%s', label folder '%s' and tfrecords_path '%s'; expected both "
          "folders, or tfrecords_path without labels",
          source.image_dir, source.label_dir, source.tfrecords));
    }
    scanned.image_dir = source.image_dir;
    return source.tfrecords.empty() ? ScanFolder(source, scanned)
                                    : ScanShards(source.tfrecords, scanned);
  }

  absl::Status ScanFolder(const DataSource& source, Scanned& scanned) {
    const KittiFolder folder{.image_dir = source.image_dir,
                             .label_dir = source.label_dir,
                             .id_prefix = BaseName(source.image_dir)};
    TY_ASSIGN_OR_RETURN(const Ledger ledger,
                        ScanKittiFolder(folder, options_.threads, [&](KittiFrame frame) {
                          scanned.frames.push_back(std::move(frame));
                        }));
    opened_.ledger.Merge(ledger);
    return absl::OkStatus();
  }

  absl::Status ScanShards(const std::string& tfrecords, Scanned& scanned) {
    TY_ASSIGN_OR_RETURN(scanned.shards,
                        FindShards(tfrecords, options_.use, options_.validation_fold));
    for (const std::string& shard : scanned.shards) {
      const auto name = ParseShardName(shard);
      if (!name || scanned.manifests.count(name->prefix)) continue;
      const std::string path = ManifestPath(name->prefix);
      if (!FileExists(path)) continue;
      TY_ASSIGN_OR_RETURN(scanned.manifests[name->prefix], ReadManifest(path));
    }
    std::set<std::string> sets;
    for (const std::string& shard : scanned.shards) {
      if (const auto name = ParseShardName(shard)) sets.insert(name->prefix);
    }
    std::string note = absl::StrCat("'", tfrecords, "' means ", scanned.shards.size(), " shards");
    if (sets.size() > 1) {
      absl::StrAppend(&note, " of ", sets.size(), " sets: ", absl::StrJoin(sets, ", "));
    }
    opened_.notes.push_back(std::move(note));
    // Who names a single file wants no more than that, and who names a fold no other.
    if (FileExists(tfrecords)) return absl::OkStatus();
    const bool all_folds = !absl::StrContains(BaseName(tfrecords), "-fold-");
    return CheckSetsAreWhole(scanned.shards, scanned.manifests, all_folds);
  }

  // The mapping of the options, or the identity over all that was found.
  absl::StatusOr<ClassMap> MakeClasses(const std::vector<Scanned>& scanned) {
    if (!options_.class_mapping.empty()) return ClassMap::Create(options_.class_mapping);
    std::set<std::string> found;
    for (const Scanned& one : scanned) {
      if (one.manifests.empty()) {
        for (const std::string& shard : one.shards) {
          TY_RETURN_IF_ERROR(Annotate(FindNames(shard, found), shard));
        }
      }
      for (const KittiFrame& frame : one.frames) {
        for (const KittiObject& object : frame.labels.objects) {
          found.insert(ClassKey(object.type));
        }
      }
      for (const auto& [prefix, manifest] : one.manifests) {
        found.insert(manifest.classes.begin(), manifest.classes.end());
      }
    }
    opened_.notes.push_back(
        absl::StrCat("target_class_mapping is empty: each class found is taken as it is: ",
                     absl::StrJoin(found, ", ")));
    return ClassMap::Identity(std::vector<std::string>(found.begin(), found.end()));
  }

  // The classes of records that hold names. What is wrong with a shard is found when it is read.
  static absl::Status FindNames(const std::string& shard, std::set<std::string>& found) {
    TY_ASSIGN_OR_RETURN(RecordReader reader, RecordReader::Open(shard));
    for (absl::StatusOr<std::string> record = reader.Next(); record.ok(); record = reader.Next()) {
      const absl::StatusOr<DetectionExample> example = DecodeExample(*record);
      if (!example.ok()) return absl::OkStatus();
      if (example->form == RecordForm::kTao) {
        return absl::InvalidArgumentError(
            "target_class_mapping is empty and no manifest lies beside the shard, so the names of its "
            "classes are not known; give target_class_mapping");
      }
      for (const std::string& name : example->class_names) found.insert(ClassKey(name));
    }
    return absl::OkStatus();
  }

  void AddFrames(Scanned scanned) {
    for (KittiFrame& frame : scanned.frames) {
      Frame kept{.id = std::move(frame.id), .image_path = std::move(frame.image_path)};
      for (const KittiObject& object : frame.labels.objects) {
        census_.Add(object.type);
        const int id = classes_.Find(object.type);
        if (id == 0) continue;
        AddBox(object.box, id, object.difficult(), kept);
        LookForThin(object.box, frame.size, absl::StrCat(frame.label_path, ":", object.line));
      }
      frames_.push_back(std::move(kept));
    }
    const size_t failed_before = failed_;
    for (const auto& [prefix, manifest] : scanned.manifests) {
      for (const auto& [name, count] : manifest.unmapped) census_.AddLeftOut(name, count);
      Note(CheckMapping(prefix, manifest, classes_.classes(), options_.class_mapping,
                        opened_.notes));
    }
    // What another mapping makes of each record is no news.
    if (failed_ > failed_before) return;
    image_dir_ = scanned.image_dir;
    form_.reset();
    for (const std::string& shard : scanned.shards) {
      Note(Annotate(ReadShard(shard, scanned.manifests), shard));
    }
    if (form_ && *form_ != RecordForm::kDetectNet && !image_dir_.empty()) {
      opened_.notes.push_back(absl::StrCat("the records hold their pictures: image_directory_path '",
                                           image_dir_, "' is not read"));
    }
  }

  void Note(absl::Status status) {
    if (status.ok()) return;
    if (++failed_ <= kFailuresTold) failures_.push_back(std::move(status));
  }

  void AddBox(const Box& box, int class_id, bool difficult, Frame& frame) {
    const bool neutral = difficult && !options_.include_difficult;
    frame.boxes.push_back(
        {.box = box, .class_id = class_id, .difficult = difficult, .neutral = neutral});
    if (difficult) ++opened_.difficult;
    if (neutral) {
      ++opened_.neutral;
      return;
    }
    ++opened_.class_counts[classes_.classes()[static_cast<size_t>(class_id - 1)]];
  }

  absl::Status ReadShard(const std::string& path, const Manifests& manifests) {
    TY_ASSIGN_OR_RETURN(RecordReader reader, RecordReader::Open(path));
    std::vector<int64_t> offsets;
    shards_.push_back(path);
    for (bool more = true; more;) {
      std::vector<Record> records;
      for (size_t bytes = 0; records.size() < kChunkRecords && bytes < kChunkBytes;) {
        const int64_t offset = reader.offset();
        absl::StatusOr<std::string> record = reader.Next();
        more = !absl::IsOutOfRange(record.status());
        if (!more) break;
        if (!record.ok() && offsets.empty()) return NoRecord(record.status(), path);
        TY_RETURN_IF_ERROR(record);
        offsets.push_back(offset);
        bytes += record->size();
        records.push_back({.bytes = *std::move(record),
                           .offset = offset,
                           .number = static_cast<int64_t>(offsets.size())});
      }
      AddRecords(std::move(records), path);
    }
    if (reader.cut_tail()) {
      const absl::Status cut = absl::DataLossError(absl::StrFormat(
          "the file ends in the middle of record %d; convert the set again", offsets.size() + 1));
      return offsets.empty() ? NoRecord(cut, path) : cut;
    }
    TY_RETURN_IF_ERROR(CheckRecordCount(path, static_cast<int64_t>(offsets.size()), manifests));
    CheckIndex(path, offsets);
    return absl::OkStatus();
  }

  void AddRecords(std::vector<Record> records, const std::string& path) {
    internal::ParallelFor(static_cast<int64_t>(records.size()), options_.threads,
                          [&](int64_t i) { records[static_cast<size_t>(i)].Look(image_dir_); });
    for (Record& record : records) {
      Note(Annotate(AddRecord(record, path), absl::StrFormat("%s: record %d (at byte %d)", path,
                                                             record.number, record.offset)));
    }
  }

  // All records of a source have one form: what stands for a class, and where pictures are, depends
  // on it.
  absl::Status CheckForm(const Record& record, const std::string& path) {
    const RecordForm form = record.example->form;
    if (!form_) {
      form_ = form;
      form_place_ = absl::StrFormat("record %d of '%s'", record.number, path);
    }
    if (form != *form_) {
      return absl::InvalidArgumentError(absl::StrCat(
          "is ", NameOf(form), ", but ", form_place_, " is ", NameOf(*form_),
          "; expected one form in a data source: give each a source of its own"));
    }
    if (form != RecordForm::kDetectNet || !image_dir_.empty()) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat(
        "is ", NameOf(form), ", which holds no picture but the path '", Shown(record.example->id),
        "'; give the data source the folder that it is below, as image_directory_path, or convert the "
        "labels again with dataset_convert"));
  }

  absl::Status AddRecord(Record& record, const std::string& path) {
    TY_RETURN_IF_ERROR(record.example.status());
    TY_RETURN_IF_ERROR(CheckForm(record, path));
    DetectionExample& example = *record.example;
    if (example.id.empty()) example.id = absl::StrCat(BaseName(path), "-", record.number);
    const ImageFacts& facts = record.facts;
    const absl::StatusOr<ImageSize>& picture = record.size;
    ++opened_.ledger.images;
    Frame frame{.id = example.id, .image_path = record.picture_path, .offset = record.offset};
    if (record.picture_path.empty()) frame.shard = static_cast<int>(shards_.size()) - 1;
    if (!picture.ok()) {
      opened_.ledger.entries.push_back({.place = absl::StrCat(path, ": ", example.id),
                                        .image = example.id,
                                        .reason = Refusal::kUnreadableImage,
                                        .text = std::string(picture.status().message())});
      return absl::OkStatus();
    }
    opened_.ledger.findings.AddPicture(facts, example.id);
    const ImageSize size = SizeFor(example, *picture, facts);
    for (const float id : example.class_ids) TY_RETURN_IF_ERROR(CheckNumber(id, example.id));
    for (size_t i = 0; i < example.objects(); ++i) {
      AddRecordedBox(example, i, size, *picture, path, frame);
    }
    frames_.push_back(std::move(frame));
    return absl::OkStatus();
  }

  absl::Status CheckNumber(float id, const std::string& image) const {
    const bool is_known = id >= 1 && id <= static_cast<float>(classes_.classes().size());
    if (is_known && id == std::trunc(id)) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrFormat("image '%s' holds class number %g; target_class_mapping has the "
                        "classes 1 to %d: convert the set again with this mapping",
                        Shown(image), id, classes_.classes().size()));
  }

  // The size that coordinates are parts of: the one that the record states, be it that of a picture
  // as it is stored lying; when it is neither, the picture's own.
  ImageSize SizeFor(const DetectionExample& example, ImageSize picture, const ImageFacts& facts) {
    const ImageSize stated{example.width, example.height};
    const ImageSize lying{picture.height, picture.width};
    if (example.width == 0) return picture;
    if (stated == picture || (facts.orientation >= 5 && stated == lying)) return stated;
    opened_.ledger.findings.other_size.Add(absl::StrFormat("%s: %d x %d, the picture %d x %d",
                                                           example.id, stated.width, stated.height,
                                                           picture.width, picture.height));
    return picture;
  }

  void AddRecordedBox(const DetectionExample& example, size_t i, ImageSize scale, ImageSize picture,
                      const std::string& path, Frame& frame) {
    const auto width = static_cast<double>(scale.width), height = static_cast<double>(scale.height);
    const Box box{
        static_cast<float>(example.x1[i] * width), static_cast<float>(example.y1[i] * height),
        static_cast<float>(example.x2[i] * width), static_cast<float>(example.y2[i] * height)};
    const std::string place = absl::StrCat(path, ": ", example.id, ": box ", i + 1);
    ++opened_.ledger.lines;
    const auto refuse = [&](Refusal reason, std::string text) {
      opened_.ledger.entries.push_back(
          {.place = place, .image = example.id, .reason = reason, .text = std::move(text)});
    };
    // First, as for label files: what has no inside lies nowhere.
    const Box drawn = WithoutRounding(box);
    if (IsDegenerate(drawn)) return refuse(Refusal::kDegenerateBox, DegenerateText(box, ""));
    if (!opened_.ledger.findings.AddBox(drawn, picture, place)) {
      return refuse(Refusal::kOutsidePicture, OutsideText(box, "", picture));
    }
    const int id = ClassOf(example, i);
    if (id == 0) return;
    const bool difficult = i < example.occlusion.size() && example.occlusion[i] != 0;
    AddBox(drawn, id, difficult, frame);
    LookForThin(drawn, picture, place);
  }

  // The training class of an object, counted; 0 when its name is not mapped.
  int ClassOf(const DetectionExample& example, size_t i) {
    if (example.form != RecordForm::kTao) {
      census_.Add(example.class_names[i]);
      return classes_.Find(example.class_names[i]);
    }
    const auto id = static_cast<size_t>(example.class_ids[i]);
    census_.AddRecorded(classes_.classes()[id - 1]);
    return static_cast<int>(id);
  }

  // What has no inside in whole pixels of the network's input is left out there.
  void LookForThin(const Box& box, ImageSize size, const std::string& place) {
    ++objects_;
    if (options_.input.width < 1 || options_.input.height < 1) return;
    model::v1::Preprocess input;
    input.set_width(static_cast<int>(options_.input.width));
    input.set_height(static_cast<int>(options_.input.height));
    const LabelledBox labelled{.box = box};
    if (!BoxesToInput({&labelled, 1}, size, input).empty()) return;
    thin_.Add(absl::StrFormat("%s: %s in %d x %d", place, BoxText(box), size.width, size.height));
  }

  void WarnOfThin() {
    if (thin_.count == 0) return;
    opened_.warnings.push_back(absl::StrFormat(
        "%d of %s %s thinner than a pixel in the network's input of %d x %d (%s): they are not learnt "
        "from unless a crop enlarges them, and 'tao' matching leaves them out; a larger input holds "
        "them",
        thin_.count, Counted(objects_, "object"), thin_.count == 1 ? "is" : "are",
        options_.input.width, options_.input.height, thin_.example));
  }

  // TAO's readers go by the index; ours have seen the records themselves. A stale one is worth a
  // word.
  void CheckIndex(const std::string& path, const std::vector<int64_t>& offsets) {
    const std::string index = JoinPath(DirName(path), absl::StrCat("idx-", BaseName(path)));
    if (!FileExists(index)) return;
    const absl::StatusOr<std::string> text = ReadFile(index);
    std::vector<int64_t> listed;
    if (text.ok()) {
      for (absl::string_view line : absl::StrSplit(*text, '\n', absl::SkipWhitespace())) {
        const std::vector<absl::string_view> parts =
            absl::StrSplit(line, ' ', absl::SkipWhitespace());
        int64_t offset = -1;
        if (!parts.empty() && absl::SimpleAtoi(parts[0], &offset)) listed.push_back(offset);
      }
    }
    if (listed != offsets) {
      opened_.notes.push_back(absl::StrFormat(
          "index '%s' lists %d records, the shard holds %d (or at other places); it is not used",
          index, listed.size(), offsets.size()));
    }
  }

  const SourceOptions& options_;
  OpenedSources opened_;
  ClassMap classes_;
  ClassCensus census_;
  int64_t objects_ = 0;
  Finding thin_;
  std::vector<Frame> frames_;
  std::vector<std::string> shards_;
  // Of the source that is read: the folder of its pictures, the form of its records and which of them
  // told it.
  std::string image_dir_;
  std::optional<RecordForm> form_;
  std::string form_place_;
  // What is wrong with manifests and records: the first, and how many.
  std::vector<absl::Status> failures_;
  size_t failed_ = 0;
};

}  // namespace

absl::StatusOr<OpenedSources> OpenSources(absl::Span<const DataSource> sources,
                                          const SourceOptions& options) {
  if (sources.empty()) {
    return absl::InvalidArgumentError("there is no data source; expected at least one");
  }
  return Opener(options).Open(sources);
}

}  // namespace trainyard::data
