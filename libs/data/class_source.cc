#include "libs/data/class_source.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/files.h"
#include "libs/base/printable.h"
#include "libs/base/status.h"
#include "libs/data/class_truth.h"
#include "libs/data/image_io.h"
#include "libs/data/internal/parallel.h"

namespace trainyard::data {
namespace {

// Pictures that are looked through before the ledger is written on.
constexpr size_t kChunk = 256;

struct Picture {
  std::string path;
  int class_id = 0;
};

class PictureSource final : public SampleSource {
 public:
  explicit PictureSource(std::vector<Picture> pictures) : pictures_(std::move(pictures)) {}

  int64_t size() const override { return static_cast<int64_t>(pictures_.size()); }
  std::string Id(int64_t index) const override { return At(index).path; }
  absl::StatusOr<Sample> Get(int64_t index) const override {
    const Picture& picture = At(index);
    TY_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(picture.path, kMaxImageFileBytes));
    Sample sample{.id = picture.path, .image = {}, .truth = ClassTruthOf(picture.class_id)};
    TY_ASSIGN_OR_RETURN(sample.image, DecodeImage(bytes, picture.path));
    return sample;
  }

 private:
  const Picture& At(int64_t index) const { return pictures_.at(static_cast<size_t>(index)); }

  const std::vector<Picture> pictures_;
};

// What looking at a picture gave.
struct Looked {
  absl::Status status;
  ImageFacts facts;
};

Looked Look(const std::string& path) {
  Looked looked;
  const absl::StatusOr<std::string> bytes = ReadFile(path, kMaxImageFileBytes);
  looked.status = bytes.status();
  // Its place stands in front of the text already.
  if (bytes.ok()) looked.status = VerifyImage(*bytes, "", &looked.facts).status();
  return looked;
}

// Appends the pictures of a folder that can be decoded to `kept`.
void AddFolder(const std::string& root, const ClassFolder& folder, int class_id, int threads,
               Ledger& ledger, std::vector<Picture>& kept) {
  const std::string path = JoinPath(root, folder.name);
  std::vector<Looked> looked;
  for (size_t begin = 0; begin < folder.pictures.size(); begin += kChunk) {
    looked.assign(std::min(kChunk, folder.pictures.size() - begin), {});
    internal::ParallelFor(static_cast<int64_t>(looked.size()), threads, [&](int64_t i) {
      const auto at = static_cast<size_t>(i);
      looked[at] = Look(JoinPath(path, folder.pictures[begin + at]));
    });
    for (size_t i = 0; i < looked.size(); ++i) {
      const std::string& name = folder.pictures[begin + i];
      std::string place = JoinPath(path, name);
      ++ledger.images;
      if (!looked[i].status.ok()) {
        ledger.entries.push_back({.place = std::move(place),
                                  .image = JoinPath(folder.name, name),
                                  .reason = Refusal::kUnreadableImage,
                                  .text = std::string(looked[i].status.message())});
        continue;
      }
      ledger.findings.AddPicture(looked[i].facts, place);
      kept.push_back({.path = std::move(place), .class_id = class_id});
    }
  }
}

}  // namespace

absl::StatusOr<OpenedClasses> OpenClassFolders(const ClassFolders& folders,
                                               absl::Span<const std::string> classes,
                                               const ClassSourceOptions& options) {
  OpenedClasses opened{.counts = std::vector<int64_t>(classes.size())};
  opened.ledger.has_label_files = false;
  std::vector<Picture> kept;
  for (const ClassFolder& folder : folders.classes) {
    const auto at = std::find(classes.begin(), classes.end(), folder.name);
    if (at == classes.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("class folder '", Shown(folder.name), "' is none of the classes"));
    }
    const size_t before = kept.size();
    AddFolder(folders.root, folder, static_cast<int>(at - classes.begin()), options.threads,
              opened.ledger, kept);
    opened.counts[static_cast<size_t>(at - classes.begin())] =
        static_cast<int64_t>(kept.size() - before);
  }
  TY_RETURN_IF_ERROR(opened.ledger.Check(options.strict));
  if (kept.empty()) {
    return absl::NotFoundError(
        absl::StrCat("the class folders in '", folders.root, "' hold no picture"));
  }
  opened.source = std::make_unique<PictureSource>(std::move(kept));
  return opened;
}

}  // namespace trainyard::data
