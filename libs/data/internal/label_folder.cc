#include "libs/data/internal/label_folder.h"

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/files.h"
#include "libs/base/printable.h"
#include "libs/base/status.h"
#include "libs/data/picture_folder.h"

namespace trainyard::data::internal {
namespace {

// What lies in the two folders.
struct Listing {
  // Images to look at, sorted.
  std::vector<std::string> images;
  // Those of them that are pictures of types that are not read.
  std::set<std::string> unsupported;
  // Those of them that are not there: frames that were asked for.
  std::set<std::string> absent;
  // For each frame that several images have: their names.
  std::map<std::string, std::vector<std::string>> sharing;
  // All names in the label folder, sorted.
  std::vector<std::string> labels;
  std::vector<std::string> notes;

  bool HasLabel(const std::string& name) const {
    return std::binary_search(labels.begin(), labels.end(), name);
  }
};

// Where `name` lies, as ledgers call it.
std::string ShownPath(const std::string& shown_dir, const std::string& dir,
                      const std::string& name) {
  return JoinPath(shown_dir.empty() ? dir : shown_dir, name);
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
void NoteLabelsWithoutImage(const KittiFolder& folder, const LabelForm& form,
                            const PictureFolder& found, Listing& listing) {
  std::set<std::string> stems;
  for (const auto* names : {&found.pictures, &found.unsupported, &found.other_ending}) {
    for (const std::string& name : *names) stems.insert(Stem(name));
  }
  std::vector<std::string> alone;
  for (const std::string& name : listing.labels) {
    if (!absl::EndsWith(name, form.extension) || IsHiddenName(name) || form.is_other(name)) continue;
    if (stems.count(Stem(name)) > 0) continue;
    alone.push_back(ShownPath(folder.label_dir_shown, folder.label_dir, name));
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

// Pictures with the extension that are of none of the frames that were asked for.
void NoteOthers(const KittiFolder& folder,
                const std::map<std::string, std::vector<std::string>>& by_frame, Listing& listing) {
  std::vector<std::string> others;
  for (const auto& [frame, names] : by_frame) others.insert(others.end(), names.begin(), names.end());
  if (others.empty()) return;
  const std::string& dir =
      folder.image_dir_shown.empty() ? folder.image_dir : folder.image_dir_shown;
  listing.notes.push_back(absl::StrCat(Counted(static_cast<int64_t>(others.size()), "picture"),
                                       " of '", dir, "' ", others.size() == 1 ? "is" : "are",
                                       " of none of the frames that were asked for (",
                                       SomeOf(others), ")"));
}

// What of a folder, and of those below it, the frames mean that were asked for.
absl::StatusOr<Listing> ListFrames(const KittiFolder& folder) {
  absl::StatusOr<PicturesBelow> found = ListPicturesBelow(folder.image_dir);
  if (absl::IsNotFound(found.status())) {
    return absl::NotFoundError(absl::StrCat("there is no image folder '", folder.image_dir, "'"));
  }
  TY_RETURN_IF_ERROR(found.status());
  std::map<std::string, std::vector<std::string>> by_frame;
  for (std::string& name : found->pictures) {
    if (!absl::EndsWithIgnoreCase(name, folder.image_extension)) continue;
    by_frame[FrameOf(name)].push_back(std::move(name));
  }
  Listing listing;
  for (const std::string& frame : folder.frames) {
    const auto names = by_frame.extract(frame);
    if (names.empty()) {
      listing.images.push_back(frame + folder.image_extension);
      listing.absent.insert(listing.images.back());
      continue;
    }
    for (const std::string& name : names.mapped()) listing.images.push_back(name);
    if (names.mapped().size() > 1) listing.sharing[frame] = names.mapped();
  }
  std::sort(listing.images.begin(), listing.images.end());
  NoteOthers(folder, by_frame, listing);
  TY_ASSIGN_OR_RETURN(listing.labels, ListFolder(folder.label_dir));
  return listing;
}

absl::StatusOr<Listing> List(const KittiFolder& folder, const LabelForm& form) {
  if (!FolderExists(folder.label_dir)) {
    return absl::NotFoundError(absl::StrCat("there is no label folder '", folder.label_dir, "'"));
  }
  if (!folder.frames.empty()) return ListFrames(folder);
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
  NoteLabelsWithoutImage(folder, form, *found, listing);
  for (auto& [stem, names] : stems) {
    if (names.size() > 1) listing.sharing[stem] = std::move(names);
  }
  return listing;
}

// Looks at single images.
class Looker {
 public:
  Looker(const KittiFolder& folder, const LabelForm& form, const Listing& listing)
      : folder_(folder), form_(form), listing_(listing) {}

  LookedAt Look(const std::string& name) const {
    LookedAt looked;
    KittiFrame& frame = looked.frame;
    const std::string label_name = FrameOf(name) + form_.extension;
    frame.id = JoinPath(folder_.id_prefix, FrameOf(name));
    frame.name = name;
    frame.image_path = JoinPath(folder_.image_dir, name);
    frame.label_path = JoinPath(folder_.label_dir, label_name);
    looked.shown = ShownPath(folder_.image_dir_shown, folder_.image_dir, name);
    const std::string label_shown =
        ShownPath(folder_.label_dir_shown, folder_.label_dir, label_name);
    if (!IsWhole(name, label_shown, looked)) return looked;
    const bool lacks_labels = form_.missing_is_empty && !HasLabel(name);
    absl::StatusOr<std::string> text = std::string();
    if (!lacks_labels) text = ReadFile(frame.label_path, form_.max_bytes);
    if (!text.ok()) {
      looked.Refuse(Refusal::kMissingLabel, absl::IsNotFound(text.status())
                                                ? MissingText(name, label_shown)
                                                : std::string(text.status().message()));
      return looked;
    }
    if (!LookAtImage(looked) || lacks_labels) return looked;
    frame.labels = form_.parse(*text, label_shown, frame.id, frame.size);
    if (!frame.labels.refused.empty() && frame.labels.refused.front().whole_image()) {
      looked.refused = frame.labels.refused.front();
    }
    return looked;
  }

  bool HasLabel(const std::string& name) const {
    return listing_.HasLabel(FrameOf(name) + form_.extension);
  }

 private:
  // False when it was refused by what the listing tells.
  bool IsWhole(const std::string& name, const std::string& label_shown, LookedAt& looked) const {
    if (listing_.unsupported.count(name) > 0) {
      looked.Refuse(Refusal::kUnsupportedFormat,
                    absl::StrCat("pictures of type '", Extension(name),
                                 "' are not read; expected .jpg, .jpeg or .png"));
      return false;
    }
    if (listing_.absent.count(name) > 0) {
      looked.Refuse(Refusal::kUnreadableImage,
                    absl::StrCat("there is no such picture, and frame '", Shown(FrameOf(name)),
                                 "' was asked for"));
      return false;
    }
    const auto sharing = listing_.sharing.find(FrameOf(name));
    if (sharing == listing_.sharing.end()) return true;
    looked.Refuse(Refusal::kSharedLabel,
                  absl::StrCat(SomeOf(sharing->second, 5), " have the same label file '",
                               label_shown, "', which is right for one of them at most; rename them"));
    return false;
  }

  // With the name that somebody may have given the file instead.
  std::string MissingText(const std::string& name, const std::string& label_shown) const {
    std::string text = absl::StrCat("its label file '", label_shown, "' is missing");
    const std::string stem = Stem(name);
    const std::string& ending = form_.extension;
    const std::string upper = absl::AsciiStrToUpper(ending);
    const std::string title = absl::StrCat(upper.substr(0, 2), ending.substr(2));
    for (const std::string& other : {name + ending, stem + upper, stem + title, stem + ".xml",
                                     stem + ".json", stem + ".csv", stem + ".txt", stem}) {
      if (other == name || other == stem + ending || !listing_.HasLabel(other)) continue;
      absl::StrAppend(&text, "; there is '", other,
                      absl::EndsWithIgnoreCase(other, ending) || other == stem
                          ? "': rename it"
                          : absl::StrCat("', but labels are read in ", form_.name, ", from ", ending));
      break;
    }
    return text;
  }

  const KittiFolder& folder_;
  const LabelForm& form_;
  const Listing& listing_;
};

// Images that are taken to have no objects, since they have no label file.
void NoteUnlabelled(const Looker& looker, Listing& listing) {
  std::vector<std::string> without;
  for (const std::string& name : listing.images) {
    if (listing.unsupported.count(name) == 0 && !looker.HasLabel(name)) without.push_back(name);
  }
  if (without.empty()) return;
  const bool one = without.size() == 1;
  listing.notes.push_back(absl::StrCat(
      Counted(static_cast<int64_t>(without.size()), "image"), one ? " has" : " have",
      " no label file (", SomeOf(without), ") and count", one ? "s" : "", " as without objects"));
}

}  // namespace

absl::StatusOr<Ledger> ScanLabelFolder(const KittiFolder& folder, const LabelForm& form,
                                       int threads,
                                       const std::function<void(KittiFrame frame)>& keep,
                                       const GoOn& go_on) {
  TY_ASSIGN_OR_RETURN(Listing listing, List(folder, form));
  const Looker looker(folder, form, listing);
  if (form.missing_is_empty) NoteUnlabelled(looker, listing);
  Ledger ledger;
  ledger.findings.notes = listing.notes;
  const auto look = [&](int64_t i) { return looker.Look(listing.images[static_cast<size_t>(i)]); };
  const auto pass_on = [&keep](KittiFrame frame, int64_t) { keep(std::move(frame)); };
  TY_RETURN_IF_ERROR(ScanFrames(static_cast<int64_t>(listing.images.size()), threads, look,
                                pass_on, go_on, &ledger));
  return ledger;
}

}  // namespace trainyard::data::internal
