#include "libs/tasks/detection/judged_file.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/files.h"
#include "libs/base/records.h"
#include "libs/base/status.h"
#include "trainyard/tasks/v1/judged.pb.h"

namespace trainyard::tasks {
namespace {

using tasks::v1::JudgedHeader;
using tasks::v1::JudgedImage;

constexpr int kVersion = 1;
constexpr int kMostThresholds = 32;
constexpr int64_t kMostImages = int64_t{1} << 31;

// How many of a class's detections, best first, come no later than the last that finds something.
size_t UsefulOf(const std::vector<const JudgedDetection*>& order) {
  size_t useful = order.size();
  while (useful > 0 && order[useful - 1]->found == 0) --useful;
  return useful;
}

void AddDetection(uint32_t class_index, const JudgedDetection& one, JudgedImage& image) {
  image.add_class_index(class_index);
  image.add_score(one.score);
  image.add_found(one.found);
  image.add_dropped(one.dropped);
}

std::optional<std::vector<JudgedImage>> ImagesOf(const JudgedSet& set) {
  std::vector<JudgedImage> images(set.images);
  int64_t detections = 0;
  for (JudgedImage& image : images) {
    image.mutable_objects()->Resize(static_cast<int>(set.classes.size()), 0);
  }
  for (size_t c = 0; c < set.classes.size(); ++c) {
    const JudgedClass& own = set.classes[c];
    for (const ObjectCount& one : own.objects) {
      images[one.image].set_objects(static_cast<int>(c), one.objects);
    }
    const auto order = own.ByScore();
    const size_t useful = UsefulOf(order);
    detections += static_cast<int64_t>(useful);
    if (detections > kMostJudged) return std::nullopt;
    for (size_t i = 0; i < useful; ++i) {
      AddDetection(static_cast<uint32_t>(c), *order[i], images[order[i]->image]);
    }
  }
  return images;
}

JudgedHeader HeaderOf(const JudgedSet& set) {
  JudgedHeader header;
  header.set_version(kVersion);
  for (const JudgedClass& own : set.classes) header.add_classes(own.name);
  header.set_matching(std::string(NameOf(set.matching)));
  header.set_average_precision_mode(std::string(NameOf(set.ap_mode)));
  for (const double threshold : set.thresholds) header.add_iou_thresholds(threshold);
  header.set_images(set.images);
  return header;
}

absl::Status TakeHeader(const JudgedHeader& header, JudgedSet& set) {
  if (header.version() > kVersion) {
    return absl::UnimplementedError(absl::StrCat("is of version ", header.version(),
                                                 ", a later one than this program knows (",
                                                 kVersion, ")"));
  }
  const auto matching = MatchingFromName(header.matching());
  const bool integrate = header.average_precision_mode() == NameOf(ApMode::kIntegrate);
  set.ap_mode = integrate ? ApMode::kIntegrate : ApMode::kSample;
  set.thresholds.assign(header.iou_thresholds().begin(), header.iou_thresholds().end());
  if (header.version() < 1 || !matching.ok() || NameOf(*matching) != header.matching() ||
      NameOf(set.ap_mode) != header.average_precision_mode() || set.thresholds.empty() ||
      header.iou_thresholds_size() > kMostThresholds || header.classes().empty() ||
      header.images() < 0 || header.images() >= kMostImages ||
      set.thresholds !=
          ThresholdsOf({.matching = *matching, .iou_threshold = set.thresholds.back()})) {
    return absl::DataLossError("its first record is not that of a judged evaluation");
  }
  set.matching = *matching;
  for (const std::string& name : header.classes()) set.classes.push_back({.name = name});
  return absl::OkStatus();
}

absl::Status TakeImage(const JudgedImage& image, JudgedSet& set) {
  const int detections = image.class_index_size();
  if (image.objects_size() != static_cast<int>(set.classes.size()) ||
      image.score_size() != detections || image.found_size() != detections ||
      image.dropped_size() != detections) {
    return absl::DataLossError("has lists of the wrong lengths");
  }
  for (size_t c = 0; c < set.classes.size(); ++c) {
    const uint32_t objects = image.objects(static_cast<int>(c));
    if (objects > 0) set.classes[c].objects.push_back({set.images, objects});
  }
  for (int i = 0; i < detections; ++i) {
    if (image.class_index(i) >= set.classes.size() || !std::isfinite(image.score(i))) {
      return absl::DataLossError(
          absl::StrCat("has a detection (number ", i, ") of an unknown class, or without a score"));
    }
    set.classes[image.class_index(i)].detections.push_back(
        {image.score(i), set.images, image.found(i), image.dropped(i)});
  }
  ++set.images;
  return absl::OkStatus();
}

// Names the file in what it fails with, as the reader does.
template <typename Message>
absl::StatusOr<Message> NextMessage(RecordReader& reader, const std::string& file) {
  auto record = reader.Next();
  if (absl::IsOutOfRange(record.status())) {
    return absl::DataLossError(absl::StrCat("'", file, "' ends before its last image"));
  }
  if (!record.ok()) return record.status();
  Message message;
  if (!message.ParseFromString(*record)) {
    return absl::DataLossError(absl::StrCat("'", file, "' holds records of another kind"));
  }
  return message;
}

absl::StatusOr<NamedSet> Read(RecordReader& reader, const std::string& file) {
  NamedSet named;
  TY_ASSIGN_OR_RETURN(const auto header, NextMessage<JudgedHeader>(reader, file));
  TY_RETURN_IF_ERROR(Annotate(TakeHeader(header, named.set), absl::StrCat("'", file, "'")));
  for (int64_t i = 0; i < header.images(); ++i) {
    TY_ASSIGN_OR_RETURN(const auto image, NextMessage<JudgedImage>(reader, file));
    TY_RETURN_IF_ERROR(Annotate(TakeImage(image, named.set),
                                absl::StrCat("'", file, "': the record of image ", i)));
    named.images.push_back(image.id());
  }
  return named;
}

std::string FileOf(const std::string& path) {
  if (FolderExists(path)) return JoinPath(path, kJudgedFile);
  return absl::EndsWith(path, ".json") ? JoinPath(DirName(path), kJudgedFile) : path;
}

}  // namespace

std::optional<std::string> EncodeJudged(const JudgedSet& set,
                                        const std::vector<std::string>& images) {
  auto records = ImagesOf(set);
  if (!records) return std::nullopt;
  std::string bytes = FrameRecord(HeaderOf(set).SerializeAsString());
  for (size_t i = 0; i < records->size(); ++i) {
    (*records)[i].set_id(images[i]);
    bytes += FrameRecord((*records)[i].SerializeAsString());
    if (static_cast<int64_t>(bytes.size()) > kMostJudgedBytes) return std::nullopt;
  }
  return bytes;
}

absl::StatusOr<NamedSet> ReadJudged(const std::string& path) {
  const std::string file = FileOf(path);
  if (!FileExists(file)) {
    return absl::NotFoundError(
        absl::StrCat("'", path, "' has no ", kJudgedFile,
                     " beside its results; evaluate the detector again with -r, which writes it "
                     "(not of more than ",
                     kMostJudged, " detections; a higher confidence_threshold makes fewer)"));
  }
  TY_ASSIGN_OR_RETURN(const int64_t size, FileSize(file));
  if (size > kMostJudgedBytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("'", file, "' has ", size, " bytes; expected at most ", kMostJudgedBytes));
  }
  TY_ASSIGN_OR_RETURN(RecordReader reader, RecordReader::Open(file));
  return Read(reader, file);
}

}  // namespace trainyard::tasks
