#include "libs/data/kitti_folder.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/files.h"
#include "libs/base/printable.h"
#include "libs/base/status.h"
#include "libs/data/internal/parallel.h"
#include "libs/data/picture_folder.h"

namespace trainyard {
namespace {

// Few enough that a cancel is prompt.
constexpr size_t kChunk = 64;
constexpr int64_t kMaxLabelBytes = int64_t{64} << 20;

// A frame that can be used, or the reason why not.
struct Looked {
  KittiFrame frame;
  ImageFacts facts;
  std::optional<LedgerEntry> refused;
};

// What lies in the two folders.
struct Listing {
  // Images to look at, sorted.
  std::vector<std::string> images;
  // Those of them that are pictures of types that are not read.
  std::set<std::string> unsupported;
  // For each stem that several images have: their names.
  std::map<std::string, std::vector<std::string>> sharing;
  // All names in the label folder, sorted.
  std::vector<std::string> labels;
  std::vector<std::string> notes;

  bool HasLabel(const std::string& name) const {
    return std::binary_search(labels.begin(), labels.end(), name);
  }
};

std::string ShownPath(const std::string& shown_dir, const std::string& path) {
  return shown_dir.empty() ? path : JoinPath(shown_dir, BaseName(path));
}

absl::Status NoImages(const KittiFolder& folder, const PictureFolder& found) {
  std::map<std::string, int64_t> seen = found.others;
  for (const auto* names : {&found.unsupported, &found.other_ending}) {
    for (const std::string& name : *names) ++seen[Extension(name)];
  }
  std::vector<std::string> others;
  for (const auto& [extension, count] : seen) {
    others.push_back(absl::StrCat(count, " '", Shown(extension), "'"));
  }
  const std::vector<std::string> notes = found.Notes(false);
  return absl::NotFoundError(
      absl::StrCat("no image in '", folder.image_dir, "' ends in ",
                   folder.image_extension.empty() ? std::string(".jpg, .jpeg or .png")
                                                  : absl::StrCat("'", folder.image_extension, "'"),
                   others.empty() ? "" : "; there are ", absl::StrJoin(others, ", "),
                   found.below > 0 ? "; " : "", found.below > 0 ? notes.front() : ""));
}

// Label files that no image has. A list of classes, as labelling tools leave it, is none.
void NoteLabelsWithoutImage(const KittiFolder& folder, const PictureFolder& found,
                            Listing& listing) {
  std::set<std::string> stems;
  for (const auto* names : {&found.pictures, &found.unsupported, &found.other_ending}) {
    for (const std::string& name : *names) stems.insert(Stem(name));
  }
  std::vector<std::string> alone;
  for (const std::string& name : listing.labels) {
    if (!absl::EndsWith(name, ".txt") || IsHiddenName(name) || name == "classes.txt") continue;
    if (stems.count(Stem(name)) > 0) continue;
    alone.push_back(ShownPath(folder.label_dir_shown, JoinPath(folder.label_dir, name)));
  }
  if (alone.empty()) return;
  listing.notes.push_back(absl::StrCat(Counted(static_cast<int64_t>(alone.size()), "label file"),
                                       alone.size() == 1 ? " has" : " have", " no image (",
                                       SomeOf(alone), ")"));
}

// Pictures of other types are looked at, to be refused by name, unless they are the twin of one
// that is read (IMG_1.heic beside IMG_1.jpg).
void AddUnsupported(const std::vector<std::string>& names,
                    const std::map<std::string, std::vector<std::string>>& stems,
                    Listing& listing) {
  std::vector<std::string> twins;
  for (const std::string& name : names) {
    if (stems.count(Stem(name)) > 0) {
      twins.push_back(name);
    } else {
      listing.images.push_back(name);
      listing.unsupported.insert(name);
    }
  }
  std::sort(listing.images.begin(), listing.images.end());
  if (twins.empty()) return;
  listing.notes.push_back(absl::StrCat(Counted(static_cast<int64_t>(twins.size()), "picture"),
                                       " of types that are not read (", SomeOf(twins),
                                       ") beside others of the same name"));
}

absl::StatusOr<Listing> List(const KittiFolder& folder) {
  if (!FolderExists(folder.label_dir)) {
    return absl::NotFoundError(absl::StrCat("there is no label folder '", folder.label_dir, "'"));
  }
  absl::StatusOr<PictureFolder> found = ListPictures(folder.image_dir, folder.image_extension);
  if (absl::IsNotFound(found.status())) {
    return absl::NotFoundError(absl::StrCat("there is no image folder '", folder.image_dir, "'"));
  }
  TY_RETURN_IF_ERROR(found.status());
  Listing listing;
  listing.images = found->pictures;
  // With an extension, other types are passed over as other endings are.
  const bool takes_all = folder.image_extension.empty();
  std::map<std::string, std::vector<std::string>> stems;
  for (const std::string& name : found->pictures) stems[Stem(name)].push_back(name);
  listing.notes = found->Notes(!takes_all);
  if (takes_all) AddUnsupported(found->unsupported, stems, listing);
  if (listing.images.empty()) return NoImages(folder, *found);
  TY_ASSIGN_OR_RETURN(listing.labels, ListFolder(folder.label_dir));
  NoteLabelsWithoutImage(folder, *found, listing);
  for (auto& [stem, names] : stems) {
    if (names.size() > 1) listing.sharing[stem] = std::move(names);
  }
  return listing;
}

// Looks at single images.
class Looker {
 public:
  Looker(const KittiFolder& folder, const Listing& listing) : folder_(folder), listing_(listing) {}

  Looked Look(const std::string& name) const {
    Looked looked;
    KittiFrame& frame = looked.frame;
    frame.id = JoinPath(folder_.id_prefix, Stem(name));
    frame.image_path = JoinPath(folder_.image_dir, name);
    frame.label_path = LabelPathOf(folder_, name);
    const std::string image_shown = ShownPath(folder_.image_dir_shown, frame.image_path);
    const std::string label_shown = ShownPath(folder_.label_dir_shown, frame.label_path);
    const auto refuse = [&](Refusal reason, absl::string_view text) {
      looked.refused = LedgerEntry{image_shown, frame.id, reason, std::string(text)};
      return looked;
    };
    if (listing_.unsupported.count(name) > 0) {
      return refuse(Refusal::kUnsupportedFormat,
                    absl::StrCat("pictures of type '", Extension(name),
                                 "' are not read; expected .jpg, .jpeg or .png"));
    }
    const auto sharing = listing_.sharing.find(Stem(name));
    if (sharing != listing_.sharing.end()) {
      return refuse(
          Refusal::kSharedLabel,
          absl::StrCat(SomeOf(sharing->second, 5), " have the same label file '", label_shown,
                       "', which is right for one of them at most; rename them"));
    }
    const absl::StatusOr<std::string> text = ReadFile(frame.label_path, kMaxLabelBytes);
    if (!text.ok()) {
      return refuse(Refusal::kMissingLabel, absl::IsNotFound(text.status())
                                                ? MissingText(name, label_shown)
                                                : std::string(text.status().message()));
    }
    const absl::StatusOr<std::string> bytes = ReadFile(frame.image_path, kMaxImageFileBytes);
    if (!bytes.ok()) return refuse(Refusal::kUnreadableImage, bytes.status().message());
    // Its place stands in front of the text already.
    const absl::StatusOr<ImageSize> size = VerifyImage(*bytes, "", &looked.facts);
    if (!size.ok()) return refuse(Refusal::kUnreadableImage, size.status().message());
    frame.size = *size;
    const auto held_against = folder_.keep_outside ? std::nullopt : std::optional(frame.size);
    frame.labels = ParseKittiLabels(*text, label_shown, frame.id, held_against);
    if (!frame.labels.refused.empty() && frame.labels.refused.front().whole_image()) {
      looked.refused = frame.labels.refused.front();
    }
    return looked;
  }

 private:
  // With the name that somebody may have given the file instead.
  std::string MissingText(const std::string& name, const std::string& label_shown) const {
    std::string text = absl::StrCat("its label file '", label_shown, "' is missing");
    for (const std::string& other :
         {name + ".txt", Stem(name) + ".TXT", Stem(name) + ".Txt", Stem(name) + ".xml",
          Stem(name) + ".json", Stem(name) + ".csv", Stem(name)}) {
      if (other == name || !listing_.HasLabel(other)) continue;
      absl::StrAppend(&text, "; there is '", other,
                      absl::EndsWithIgnoreCase(other, ".txt") || other == Stem(name)
                          ? "': rename it"
                          : "', but labels are read in KITTI's form, from .txt");
      break;
    }
    return text;
  }

  const KittiFolder& folder_;
  const Listing& listing_;
};

}  // namespace

std::string LabelPathOf(const KittiFolder& folder, const std::string& image) {
  return JoinPath(folder.label_dir, Stem(image) + ".txt");
}

absl::StatusOr<Ledger> ScanKittiFolder(
    const KittiFolder& folder, int threads, const std::function<void(KittiFrame frame)>& keep,
    const std::function<bool(int64_t done, int64_t total)>& go_on) {
  TY_ASSIGN_OR_RETURN(const Listing listing, List(folder));
  const std::vector<std::string>& names = listing.images;
  const Looker looker(folder, listing);
  Ledger ledger;
  ledger.findings.notes = listing.notes;
  std::vector<Looked> looked;
  for (size_t begin = 0; begin < names.size(); begin += kChunk) {
    looked.assign(std::min(kChunk, names.size() - begin), {});
    internal::ParallelFor(static_cast<int64_t>(looked.size()), threads, [&](int64_t i) {
      looked[static_cast<size_t>(i)] = looker.Look(names[begin + static_cast<size_t>(i)]);
    });
    for (Looked& one : looked) {
      ++ledger.images;
      if (one.refused) {
        ledger.entries.push_back(std::move(*one.refused));
        continue;
      }
      const KittiLabels& labels = one.frame.labels;
      ledger.lines += labels.lines;
      ledger.entries.insert(ledger.entries.end(), labels.refused.begin(), labels.refused.end());
      ledger.findings.Merge(labels.findings);
      ledger.findings.AddPicture(one.facts,
                                 ShownPath(folder.image_dir_shown, one.frame.image_path));
      keep(std::move(one.frame));
    }
    if (go_on && !go_on(ledger.images, static_cast<int64_t>(names.size()))) {
      return absl::CancelledError("cancelled while the images were looked through");
    }
  }
  return ledger;
}

}  // namespace trainyard
