#include "libs/data/kitti_folder.h"

#include <algorithm>
#include <map>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/data/internal/parallel.h"

namespace trainyard {
namespace {

// Few enough that a cancel is prompt.
constexpr size_t kChunk = 64;
constexpr int64_t kMaxLabelBytes = int64_t{64} << 20;

// A frame that can be used, or the reason why not.
struct Looked {
  KittiFrame frame;
  std::optional<LedgerEntry> refused;
};

bool IsUnsupportedPicture(absl::string_view name) {
  return absl::EndsWithIgnoreCase(name, ".bmp") || absl::EndsWithIgnoreCase(name, ".gif");
}

Looked Look(const KittiFolder& folder, const std::string& name) {
  Looked looked;
  KittiFrame& frame = looked.frame;
  frame.id = JoinPath(folder.id_prefix, Stem(name));
  frame.image_path = JoinPath(folder.image_dir, name);
  frame.label_path = JoinPath(folder.label_dir, Stem(name) + ".txt");
  const auto shown = [](const std::string& shown_dir, const std::string& path) {
    return shown_dir.empty() ? path : JoinPath(shown_dir, BaseName(path));
  };
  const std::string image_shown = shown(folder.image_dir_shown, frame.image_path);
  const std::string label_shown = shown(folder.label_dir_shown, frame.label_path);
  const auto refuse = [&](Refusal reason, absl::string_view text) {
    looked.refused = LedgerEntry{image_shown, frame.id, reason, std::string(text)};
    return looked;
  };
  if (IsUnsupportedPicture(name)) {
    return refuse(Refusal::kUnsupportedFormat,
                  absl::StrCat("pictures of type '", Extension(name),
                               "' are not read; expected .jpg, .jpeg or .png"));
  }
  const absl::StatusOr<std::string> text = ReadFile(frame.label_path, kMaxLabelBytes);
  if (!text.ok()) {
    const bool missing = absl::IsNotFound(text.status());
    return refuse(Refusal::kMissingLabel,
                  missing ? absl::StrCat("its label file '", label_shown, "' is missing")
                          : std::string(text.status().message()));
  }
  const absl::StatusOr<std::string> bytes = ReadFile(frame.image_path, kMaxImageFileBytes);
  if (!bytes.ok()) return refuse(Refusal::kUnreadableImage, bytes.status().message());
  const absl::StatusOr<ImageSize> size = VerifyImage(*bytes, image_shown);
  if (!size.ok()) return refuse(Refusal::kUnreadableImage, size.status().message());
  frame.size = *size;
  frame.labels = ParseKittiLabels(*text, label_shown, frame.id);
  return looked;
}

absl::StatusOr<std::vector<std::string>> ListImages(const KittiFolder& folder) {
  if (!FolderExists(folder.label_dir)) {
    return absl::NotFoundError(absl::StrCat("there is no label folder '", folder.label_dir, "'"));
  }
  absl::StatusOr<std::vector<std::string>> names = ListFolder(folder.image_dir);
  if (!names.ok()) {
    return absl::NotFoundError(absl::StrCat("there is no image folder '", folder.image_dir, "'"));
  }
  std::vector<std::string> images;
  std::map<std::string, int> seen;
  for (std::string& name : *names) {
    const bool wanted = folder.image_extension.empty()
                            ? HasImageExtension(name) || IsUnsupportedPicture(name)
                            : absl::EndsWith(name, folder.image_extension);
    if (wanted) {
      images.push_back(std::move(name));
    } else {
      ++seen[Extension(name)];
    }
  }
  if (!images.empty()) return images;
  std::vector<std::string> others;
  for (const auto& [extension, count] : seen) {
    others.push_back(absl::StrCat(count, " '", extension, "'"));
  }
  return absl::NotFoundError(
      absl::StrCat("no image in '", folder.image_dir, "' ends in ",
                   folder.image_extension.empty() ? std::string(".jpg, .jpeg or .png")
                                                  : absl::StrCat("'", folder.image_extension, "'"),
                   others.empty() ? "" : "; there are ", absl::StrJoin(others, ", ")));
}

}  // namespace

absl::StatusOr<Ledger> ScanKittiFolder(
    const KittiFolder& folder, int threads, const std::function<void(KittiFrame frame)>& keep,
    const std::function<bool(int64_t done, int64_t total)>& go_on) {
  TY_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListImages(folder));
  Ledger ledger;
  std::vector<Looked> looked;
  for (size_t begin = 0; begin < names.size(); begin += kChunk) {
    looked.assign(std::min(kChunk, names.size() - begin), {});
    internal::ParallelFor(static_cast<int64_t>(looked.size()), threads, [&](int64_t i) {
      looked[static_cast<size_t>(i)] = Look(folder, names[begin + static_cast<size_t>(i)]);
    });
    for (Looked& one : looked) {
      ++ledger.images;
      if (one.refused) {
        ledger.entries.push_back(std::move(*one.refused));
        continue;
      }
      ledger.lines += one.frame.labels.lines;
      ledger.entries.insert(ledger.entries.end(), one.frame.labels.refused.begin(),
                            one.frame.labels.refused.end());
      keep(std::move(one.frame));
    }
    if (go_on && !go_on(ledger.images, static_cast<int64_t>(names.size()))) {
      return absl::CancelledError("cancelled while the images were looked through");
    }
  }
  return ledger;
}

}  // namespace trainyard
