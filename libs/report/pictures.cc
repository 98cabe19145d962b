#include "libs/report/pictures.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "libs/base/files.h"
#include "libs/base/scratch_folder.h"
#include "libs/base/status.h"
#include "libs/report/chart.h"
#include "libs/report/shrink.h"
#include "libs/worker/run_alone.h"

namespace trainyard::report {
namespace {

constexpr int kColours = 8;
constexpr int64_t kMaxLabelBytes = 16 << 20;
constexpr int64_t kMaxIndexBytes = 1 << 20;
// A dozen pictures take a second or two.
constexpr absl::Duration kPatience = absl::Minutes(1);

std::vector<data::KittiObject> ReadLabels(const std::string& folder, const std::string& image) {
  if (folder.empty()) return {};
  const std::string path = JoinPath(folder, absl::StrCat(Stem(image), ".txt"));
  const auto text = ReadFile(path, kMaxLabelBytes);
  if (!text.ok()) return {};
  return data::ParseKittiLabels(*text, path, image).objects;
}

// One line of the index.
absl::Status ReadEntry(absl::string_view line, Picture& picture) {
  const std::vector<absl::string_view> words = absl::StrSplit(line, absl::MaxSplits(' ', 3));
  if (words.size() != 4 || !absl::SimpleAtoi(words[0], &picture.width) ||
      !absl::SimpleAtoi(words[1], &picture.height)) {
    return absl::DataLossError("the index of the small pictures cannot be read");
  }
  picture.media_type = std::string(words[2]);
  picture.name = std::string(words[3]);
  return absl::OkStatus();
}

std::string ColourOf(const std::string& type, const std::vector<std::string>& classes) {
  const auto found = std::find(classes.begin(), classes.end(), absl::AsciiStrToLower(type));
  return absl::StrCat("var(--s", (found - classes.begin()) % kColours, ")");
}

std::string DrawTruth(const data::KittiObject& object) {
  return absl::StrFormat(
      "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" class=\"truth\"><title>%s</title></rect>",
      object.box.x1, object.box.y1, object.box.width(), object.box.height(), Escape(object.type));
}

std::string DrawFound(const data::KittiObject& object, const std::string& colour, double font) {
  const double text_y = object.box.y1 > font * 1.3 ? object.box.y1 - font * 0.3
                                                   : object.box.y1 + font;
  return absl::StrFormat(
      "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" class=\"found\" style=\"stroke:%s\"/>"
      "<text x=\"%.1f\" y=\"%.1f\" class=\"tag\" style=\"fill:%s;font-size:%.1fpx\">%s %.2f</text>",
      object.box.x1, object.box.y1, object.box.width(), object.box.height(), colour,
      object.box.x1 + 1, text_y, colour, font, Escape(object.type), object.score.value_or(0));
}

}  // namespace

absl::StatusOr<std::vector<Picture>> CollectPictures(const std::string& images_dir,
                                                     const std::string& labels_dir,
                                                     const std::string& truth_dir, int count,
                                                     int max_side) {
  TY_ASSIGN_OR_RETURN(const ScratchFolder folder, ScratchFolder::Make("trainyard-pictures"));
  worker::WorkerJob job;
  worker::v1::PicturesTask& task = *job.mutable_pictures();
  task.set_images(images_dir);
  task.set_count(count);
  task.set_max_side(max_side);
  task.set_output(folder.path());
  TY_RETURN_IF_ERROR(
      worker::RunAlone("trainyard-stage-worker", std::move(job), "", kPatience).status());
  TY_ASSIGN_OR_RETURN(const std::string index,
                      ReadFile(JoinPath(folder.path(), kPictureIndex), kMaxIndexBytes));
  std::vector<Picture> pictures;
  for (const absl::string_view line : absl::StrSplit(index, '\n', absl::SkipEmpty())) {
    Picture picture;
    TY_RETURN_IF_ERROR(ReadEntry(line, picture));
    TY_ASSIGN_OR_RETURN(picture.bytes,
                        ReadFile(JoinPath(folder.path(), absl::StrCat(pictures.size())),
                                 kMaxSmallPictureBytes));
    picture.truth = ReadLabels(truth_dir, picture.name);
    picture.found = ReadLabels(labels_dir, picture.name);
    pictures.push_back(std::move(picture));
  }
  return pictures;
}

std::string DrawPicture(const Picture& picture, const std::vector<std::string>& classes) {
  // Tags have the same size on the page, whatever the image's resolution.
  const double font = static_cast<double>(picture.width) / 24;
  std::string svg = absl::StrFormat(
      "<figure class=\"picture\"><svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">"
      "<image width=\"%d\" height=\"%d\" href=\"data:%s;base64,",
      picture.width, picture.height, Escape(picture.name), picture.width, picture.height,
      picture.media_type);
  absl::StrAppend(&svg, absl::Base64Escape(picture.bytes), "\"/>");
  for (const data::KittiObject& object : picture.truth) absl::StrAppend(&svg, DrawTruth(object));
  for (const data::KittiObject& object : picture.found) {
    absl::StrAppend(&svg, DrawFound(object, ColourOf(object.type, classes), font));
  }
  return absl::StrFormat("%s</svg><figcaption>%s</figcaption></figure>", svg,
                         Escape(picture.name));
}

}  // namespace trainyard::report
