#include "libs/data/internal/record.h"

#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "libs/base/files.h"
#include "libs/base/printable.h"
#include "libs/base/status.h"

namespace trainyard::data::internal {
namespace {

constexpr absl::string_view kEndings[] = {".png", ".jpg", ".jpeg", ".PNG", ".JPG", ".JPEG"};

absl::StatusOr<std::string> FindPicture(const std::string& image_dir, const std::string& id) {
  if (!IsBelowFolder(id)) {
    return absl::DataLossError(absl::StrCat("its frame/id '", Shown(id),
                                            "' leads to no file below image_directory_path"));
  }
  std::vector<std::string> found;
  for (const absl::string_view ending : kEndings) {
    std::string path = JoinPath(image_dir, absl::StrCat(id, ending));
    if (FileExists(path)) found.push_back(std::move(path));
  }
  if (found.size() == 1) return found[0];
  if (found.empty()) {
    return absl::NotFoundError(absl::StrCat("there is no picture '", JoinPath(image_dir, id), "' with ",
                                            absl::StrJoin(kEndings, ", ")));
  }
  return absl::DataLossError(absl::StrCat("frame/id '", Shown(id), "' means ",
                                          absl::StrJoin(found, " as well as "),
                                          "; leave one of them"));
}

}  // namespace

bool IsBelowFolder(absl::string_view name) {
  if (absl::StrContains(name, '\0')) return false;
  for (const absl::string_view part : absl::StrSplit(name, '/')) {
    if (part.empty() || part == "." || part == "..") return false;
  }
  return true;
}

void Record::Look(const std::string& image_dir) {
  example = DecodeExample(bytes);
  bytes.clear();
  if (!example.ok()) return;
  if (example->form != RecordForm::kDetectNet) {
    size = VerifyImage(example->encoded, "", &facts);
    example->encoded.clear();
    return;
  }
  const absl::StatusOr<std::string> path = FindPicture(image_dir, example->id);
  const absl::StatusOr<std::string> picture =
      path.ok() ? ReadFile(*path, kMaxImageFileBytes) : path.status();
  if (!picture.ok()) {
    size = picture.status();
    return;
  }
  picture_path = *path;
  size = VerifyImage(*picture, "", &facts);
}

}  // namespace trainyard::data::internal
