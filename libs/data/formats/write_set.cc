#include "libs/data/formats/write_set.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "libs/base/files.h"
#include "libs/base/json.h"
#include "libs/base/paths.h"
#include "libs/base/status.h"
#include "libs/base/writes.h"
#include "libs/data/findings.h"
#include "libs/data/image_io.h"
#include "libs/data/internal/workplace.h"

namespace trainyard::data {
namespace {

// The shortest text that reads back as the same float: 0.1, not 0.10000000149011612.
std::string FloatText(float value) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof(text), value).ptr};
}

// Names of pictures in one folder, no two with the same stem.
class PictureNames {
 public:
  // `bytes` are the picture's.
  std::string NameOf(const std::string& name, absl::string_view bytes) {
    std::string flat = absl::StrReplaceAll(name, {{"/", "_"}});
    // COCO's names may have any ending; a folder of pictures is read by theirs.
    if (!HasImageExtension(flat)) {
      absl::StrAppend(&flat, absl::StartsWith(bytes, "\x89PNG") ? ".png" : ".jpg");
    }
    const std::string stem = Stem(flat), ending = Extension(flat);
    while (!stems_.insert(Stem(flat)).second) {
      flat = absl::StrCat(stem, "_", ++repeats_.try_emplace(stem, 1).first->second, ending);
    }
    if (flat != name) renamed_.push_back(absl::StrCat(name, " as ", flat));
    return flat;
  }
  const std::vector<std::string>& renamed() const { return renamed_; }

 private:
  std::set<std::string> stems_;
  // The number that the last picture of a stem got.
  std::map<std::string, int64_t> repeats_;
  std::vector<std::string> renamed_;
};

// Gathers what annotations.json says, frame by frame.
class CocoText {
 public:
  void Add(const std::string& name, const KittiFrame& frame) {
    ++images_;
    absl::StrAppend(&image_text_, image_text_.empty() ? "" : ",\n",
                    JsonObject({{"id", absl::StrCat(images_)},
                                {"file_name", JsonText(name)},
                                {"width", absl::StrCat(frame.size.width)},
                                {"height", absl::StrCat(frame.size.height)}}));
    for (const KittiObject& object : frame.labels.objects) AddObject(object);
  }

  std::string Finish() const {
    std::vector<std::string> categories;
    for (const auto& [name, id] : Numbered()) {
      categories.push_back(JsonObject({{"id", absl::StrCat(id)}, {"name", JsonText(name)}}));
    }
    return absl::StrCat("{\"images\": [\n", image_text_, "\n],\n\"annotations\": [\n",
                        Annotations(), "\n],\n\"categories\": [\n",
                        absl::StrJoin(categories, ",\n"), "\n]}\n");
  }

 private:
  struct Annotation {
    int64_t image = 0;
    int class_index = 0;
    Box box;
    bool difficult = false;
  };

  void AddObject(const KittiObject& object) {
    const auto [known, is_new] = classes_.emplace(object.type, static_cast<int>(classes_.size()));
    annotations_.push_back({images_, known->second, object.box, object.difficult()});
  }

  // Names are known in the end only, so that ids go by their order.
  std::map<std::string, int> Numbered() const {
    std::map<std::string, int> numbered;
    int id = 0;
    for (const auto& [name, index] : classes_) numbered[name] = ++id;
    return numbered;
  }

  std::string Annotations() const {
    std::vector<int> id_of(classes_.size());
    int next = 0;
    for (const auto& [name, index] : classes_) id_of[static_cast<size_t>(index)] = ++next;
    std::string text;
    int64_t id = 0;
    for (const Annotation& a : annotations_) {
      ++id;
      const std::string width = FloatText(a.box.width()), height = FloatText(a.box.height());
      absl::StrAppend(&text, id == 1 ? "" : ",\n", "{\"id\": ", id, ", \"image_id\": ", a.image,
                      ", \"category_id\": ", id_of[static_cast<size_t>(a.class_index)],
                      ", \"bbox\": [", FloatText(a.box.x1), ", ", FloatText(a.box.y1), ", ", width,
                      ", ", height, "], \"area\": ", FloatText(a.box.width() * a.box.height()),
                      ", \"iscrowd\": ", a.difficult ? 1 : 0, "}");
    }
    return text;
  }

  int64_t images_ = 0;
  std::string image_text_;
  std::vector<Annotation> annotations_;
  std::map<std::string, int> classes_;
};

// One conversion.
class SetWriter {
 public:
  SetWriter(DataFormat to, const WriteSetOptions& options, const internal::Workplace& workplace)
      : to_(to), options_(options), workplace_(workplace) {}

  absl::Status MakeFoldersFor() const {
    TY_RETURN_IF_ERROR(MakeFolders(workplace_.In("images")));
    return to_ == DataFormat::kKitti ? MakeFolders(workplace_.In("labels")) : absl::OkStatus();
  }

  // Frames after the first failure are passed over.
  void Add(const KittiFrame& frame) {
    if (status_.ok()) status_ = Write(frame);
  }
  bool failed() const { return !status_.ok(); }
  const absl::Status& status() const { return status_; }

  absl::StatusOr<WriteSetReport> Finish(Ledger ledger) {
    TY_RETURN_IF_ERROR(status_);
    TY_RETURN_IF_ERROR(ledger.Check(options_.strict));
    if (report_.pictures == 0) {
      return absl::NotFoundError("no image of the set can be used");
    }
    if (to_ == DataFormat::kCoco) {
      if (report_.boxes == 0) {
        return absl::InvalidArgumentError(
            "the set holds no box, and annotations of COCO without one are read by no stage");
      }
      TY_RETURN_IF_ERROR(AppendToFile(workplace_.In("annotations.json"), coco_.Finish()));
    }
    TY_RETURN_IF_ERROR(AppendToFile(workplace_.In("ledger.jsonl"), ledger.ToJsonLines()));
    TY_RETURN_IF_ERROR(workplace_.Sync());
    if (!names_.renamed().empty()) {
      report_.notes.push_back(
          absl::StrCat(Counted(static_cast<int64_t>(names_.renamed().size()), "picture"),
                       " got another name (", SomeOf(names_.renamed()), ")"));
    }
    report_.ledger = std::move(ledger);
    return std::move(report_);
  }

 private:
  // Nobody reads the hidden folder, and it is made durable as a whole.
  absl::Status Write(const KittiFrame& frame) {
    TY_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(frame.image_path, kMaxImageFileBytes));
    const std::string name = names_.NameOf(frame.name, bytes);
    TY_RETURN_IF_ERROR(AppendToFile(workplace_.In(JoinPath("images", name)), bytes));
    ++report_.pictures;
    report_.boxes += static_cast<int64_t>(frame.labels.objects.size());
    if (to_ == DataFormat::kCoco) {
      coco_.Add(name, frame);
      return absl::OkStatus();
    }
    std::string lines;
    for (const KittiObject& object : frame.labels.objects) {
      absl::StrAppend(&lines, FormatKittiLine(object), "\n");
    }
    return AppendToFile(workplace_.In(JoinPath("labels", Stem(name) + ".txt")), lines);
  }

  const DataFormat to_;
  const WriteSetOptions& options_;
  const internal::Workplace& workplace_;
  PictureNames names_;
  CocoText coco_;
  WriteSetReport report_;
  absl::Status status_;
};

absl::Status CheckOutput(const std::string& folder, const std::string& output) {
  const absl::StatusOr<std::vector<std::string>> content = ListFolder(output);
  if (FileExists(output) || (content.ok() && !content->empty())) {
    return absl::AlreadyExistsError(
        absl::StrCat("output '", output, "' is there and not empty; name another folder"));
  }
  // What is being written must not be read as a part of the set.
  if (IsInFolder(output, folder)) {
    return absl::InvalidArgumentError(absl::StrCat("output '", output, "' lies in the set '",
                                                   folder, "'; name a folder outside of it"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<WriteSetReport> WriteDataPart(const std::string& folder, DataFormat format,
                                             const DataPart& part, DataFormat to,
                                             const WriteSetOptions& options,
                                             const std::function<void(int64_t, int64_t)>& progress,
                                             std::stop_token stop) {
  if (to != DataFormat::kKitti && to != DataFormat::kCoco) {
    return absl::InvalidArgumentError(
        absl::StrCat("sets of format ", NameOf(to), " are not written; expected kitti or coco"));
  }
  TY_RETURN_IF_ERROR(CheckOutput(folder, options.output));
  // Without the final slash that shells complete, behind which the hidden folder would lie inside.
  const std::string output = CanonicalPath(options.output);
  internal::Workplace workplace(output);
  TY_RETURN_IF_ERROR(workplace.Open());
  SetWriter writer(to, options, workplace);
  TY_RETURN_IF_ERROR(writer.MakeFoldersFor());
  const auto go_on = [&](int64_t done, int64_t total) {
    if (progress) progress(done, total);
    return !stop.stop_requested() && !writer.failed();
  };
  absl::StatusOr<Ledger> ledger = ScanDataPart(
      folder, format, part, options.threads,
      [&writer](const KittiFrame& frame) { writer.Add(frame); }, go_on);
  TY_RETURN_IF_ERROR(writer.status());
  TY_RETURN_IF_ERROR(ledger.status());
  TY_ASSIGN_OR_RETURN(WriteSetReport report, writer.Finish(*std::move(ledger)));
  if (stop.stop_requested()) return absl::CancelledError("cancelled before the end");
  TY_RETURN_IF_ERROR(RenameSynced(workplace.In(""), output));
  return report;
}

}  // namespace trainyard::data
