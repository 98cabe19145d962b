#include "libs/data/formats/data_set.h"

#include <array>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/files.h"
#include "libs/base/printable.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/data/formats/coco.h"
#include "libs/data/formats/voc.h"
#include "libs/data/formats/yolo.h"

namespace trainyard::data {
namespace {

constexpr std::array kFormats = {DataFormat::kKitti,    DataFormat::kCoco,
                                 DataFormat::kVoc,      DataFormat::kYolo,
                                 DataFormat::kTfrecord, DataFormat::kClassFolders};

// The folders in which lists of a YOLO set's classes are looked for: that of its labels, then those
// around it up to the set's.
std::vector<std::string> FoldersOfNames(const std::string& folder, const DataPart& part) {
  std::vector<std::string> folders;
  for (std::string below = part.labels; !below.empty() && below != "."; below = DirName(below)) {
    folders.push_back(JoinPath(folder, below));
  }
  folders.push_back(folder);
  return folders;
}

}  // namespace

absl::string_view NameOf(DataFormat format) {
  switch (format) {
    case DataFormat::kKitti:
      return "kitti";
    case DataFormat::kCoco:
      return "coco";
    case DataFormat::kVoc:
      return "voc";
    case DataFormat::kYolo:
      return "yolo";
    case DataFormat::kTfrecord:
      return "tfrecord";
    case DataFormat::kClassFolders:
      return "class_folders";
  }
  return "unknown";
}

absl::StatusOr<DataFormat> FindDataFormat(absl::string_view name) {
  std::vector<std::string> names;
  for (const DataFormat format : kFormats) {
    if (NameOf(format) == name) return format;
    names.emplace_back(NameOf(format));
  }
  return absl::InvalidArgumentError(absl::StrCat("there is no format '", Shown(name),
                                                 "'; there are ", absl::StrJoin(names, ", "),
                                                 DidYouMean(name, names)));
}

bool HasFrames(DataFormat format) {
  return format != DataFormat::kTfrecord && format != DataFormat::kClassFolders;
}

const DataCandidate* RecognizedDataSet::Find(DataFormat format) const {
  for (const DataCandidate& candidate : candidates) {
    if (candidate.format == format) return &candidate;
  }
  return nullptr;
}

absl::StatusOr<DataCandidate> ChooseCandidate(const RecognizedDataSet& recognized,
                                              absl::string_view format, bool expect_clear) {
  std::vector<std::string> names;
  for (const DataCandidate& candidate : recognized.candidates) {
    if (NameOf(candidate.format) == format) return candidate;
    if (HasFrames(candidate.format) || !expect_clear) names.emplace_back(NameOf(candidate.format));
  }
  const std::string all = absl::StrJoin(names, " and as ");
  if (!format.empty()) {
    TY_RETURN_IF_ERROR(FindDataFormat(format).status());
    return absl::InvalidArgumentError(absl::StrCat("'", recognized.folder, "' cannot be read as ",
                                                   format, names.empty() ? "" : "; it can as ",
                                                   all));
  }
  if (expect_clear && names.size() > 1) {
    return absl::InvalidArgumentError(absl::StrCat("'", recognized.folder, "' can be read as ", all,
                                                   "; name the format that is meant"));
  }
  return recognized.candidates.front();
}

absl::StatusOr<DataPart> FindPart(const DataCandidate& candidate, absl::string_view name) {
  if (name.empty() && candidate.parts.size() == 1) return candidate.parts.front();
  std::vector<std::string> names;
  for (const DataPart& part : candidate.parts) {
    if (part.name == name) return part;
    names.push_back(Shown(part.name));
  }
  if (name.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("the set has ", names.size(), " parts (",
                                                   absl::StrJoin(names, ", "), "); name one"));
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "the set has no part '", Shown(name), "'",
      candidate.parts.size() == 1
          ? "; it has but one, without a name"
          : absl::StrCat("; there are ", absl::StrJoin(names, ", "), DidYouMean(name, names))));
}

absl::StatusOr<Ledger> ScanDataPart(const std::string& folder, DataFormat format,
                                    const DataPart& part, int threads,
                                    const std::function<void(KittiFrame frame)>& keep,
                                    const std::function<bool(int64_t done, int64_t total)>& go_on) {
  const std::string labels = JoinPath(folder, part.labels);
  const std::string image_shown = part.image_dir.empty() ? "." : part.image_dir;
  const std::string label_shown = part.labels.empty() ? "." : part.labels;
  const KittiFolder files{.image_dir = JoinPath(folder, part.image_dir),
                          .label_dir = labels,
                          .id_prefix = part.image_dir,
                          .image_dir_shown = image_shown,
                          .label_dir_shown = label_shown};
  switch (format) {
    case DataFormat::kKitti:
      return ScanKittiFolder(files, threads, keep, go_on);
    case DataFormat::kVoc:
      return ScanVocFolder(files, threads, keep, go_on);
    case DataFormat::kYolo: {
      TY_ASSIGN_OR_RETURN(const YoloNames names, FindYoloNames(FoldersOfNames(folder, part)));
      TY_ASSIGN_OR_RETURN(Ledger ledger, ScanYoloFolder(files, names, threads, keep, go_on));
      if (names.source.empty()) {
        ledger.findings.notes.push_back(
            "no data.yaml, classes.txt or obj.names names the classes: they are class0, class1, "
            "...");
      }
      return ledger;
    }
    case DataFormat::kCoco: {
      TY_ASSIGN_OR_RETURN(const CocoFile file, ReadCoco(labels, part.labels));
      const CocoFolder images{.image_dir = files.image_dir,
                              .id_prefix = part.image_dir,
                              .image_dir_shown = image_shown};
      return ScanCoco(
          file, images, threads, [&keep](KittiFrame frame, int64_t) { keep(std::move(frame)); },
          go_on);
    }
    case DataFormat::kTfrecord:
    case DataFormat::kClassFolders:
      break;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("a set of format ", NameOf(format), " is not read frame by frame"));
}

}  // namespace trainyard::data
