#include "libs/data/internal/augment_source.h"

#include <cmath>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/files.h"
#include "libs/base/json.h"
#include "libs/base/printable.h"
#include "libs/base/status.h"
#include "libs/base/writes.h"
#include "libs/data/findings.h"
#include "libs/data/formats/coco.h"

namespace trainyard::data::internal {
namespace {

class KittiSource : public AugmentSource {
 public:
  explicit KittiSource(KittiFolder folder) : folder_(std::move(folder)) {}

  absl::StatusOr<Ledger> Scan(int threads,
                              const std::function<bool(int64_t, int64_t)>& go_on) override {
    const auto keep = [this](KittiFrame frame) { names_.push_back(std::move(frame.name)); };
    return ScanKittiFolder(folder_, threads, keep, go_on);
  }

  absl::StatusOr<std::vector<KittiObject>> Objects(int64_t image, ImageSize) const override {
    const std::string path = LabelPathOf(folder_, Name(image));
    TY_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
    return ParseKittiLabels(text, path, Name(image)).objects;
  }
  std::string Place(int64_t image, int line) const override {
    return absl::StrCat(LabelPathOf(folder_, Name(image)), ":", line);
  }

  std::string LabelsName() const override { return "labels"; }
  std::string Format(int64_t, const AugmentedSample& sample) const override {
    std::string lines;
    for (const KittiObject& object : sample.objects) {
      absl::StrAppend(&lines, FormatKittiLine(object), "\n");
    }
    return lines;
  }
  absl::Status Write(int64_t image, const std::string& text, const std::string& labels) override {
    // Nobody reads the hidden folder, and it is made durable as a whole.
    return AppendToFile(JoinPath(labels, FrameOf(Name(image)) + ".txt"), text);
  }
  absl::Status Finish(const std::string&) override { return absl::OkStatus(); }

 private:
  const KittiFolder folder_;
};

// With the two decimals that AugmentedSample's boxes have.
std::string Decimal(double value) { return JsonNumber(std::nearbyint(value * 100) / 100); }

class CocoSource : public AugmentSource {
 public:
  CocoSource(CocoFolder folder, std::string annotations, std::string shown)
      : folder_(std::move(folder)), path_(std::move(annotations)), shown_(std::move(shown)) {}

  absl::StatusOr<Ledger> Scan(int threads,
                              const std::function<bool(int64_t, int64_t)>& go_on) override {
    TY_ASSIGN_OR_RETURN(file_, ReadCoco(path_, shown_));
    const auto keep = [this](KittiFrame, int64_t index) {
      names_.push_back(file_.images[static_cast<size_t>(index)].file_name);
      indexes_.push_back(index);
    };
    TY_ASSIGN_OR_RETURN(Ledger ledger, ScanCoco(file_, folder_, threads, keep, go_on));
    TY_RETURN_IF_ERROR(CheckNames());
    return ledger;
  }

  // Those that the ledger has are no objects.
  absl::StatusOr<std::vector<KittiObject>> Objects(int64_t image, ImageSize size) const override {
    const absl::Span<const CocoAnnotation> annotations = AnnotationsOf(image);
    std::vector<KittiObject> objects;
    Findings counted_already;
    for (size_t i = 0; i < annotations.size(); ++i) {
      const auto& [x, y, width, height] = annotations[i].box;
      KittiObject object;
      object.line = static_cast<int>(i);
      object.box = {static_cast<float>(x), static_cast<float>(y), static_cast<float>(x + width),
                    static_cast<float>(y + height)};
      if (IsDegenerate(object.box) || !counted_already.AddBox(object.box, size, "")) continue;
      objects.push_back(std::move(object));
    }
    return objects;
  }
  std::string Place(int64_t image, int line) const override {
    return absl::StrCat(shown_, ": annotation ", AnnotationsOf(image)[static_cast<size_t>(line)].id);
  }

  std::string LabelsName() const override { return "annotations.json"; }
  std::string Format(int64_t image, const AugmentedSample& sample) const override {
    const CocoImage& entry = file_.images[static_cast<size_t>(Index(image))];
    std::string lines = absl::StrCat(JsonObject({{"id", absl::StrCat(entry.id)},
                                                 {"file_name", JsonText(entry.file_name)},
                                                 {"width", absl::StrCat(sample.image.dim(1))},
                                                 {"height", absl::StrCat(sample.image.dim(0))}}),
                                     "\n");
    for (const KittiObject& object : sample.objects) {
      const CocoAnnotation& annotation = AnnotationsOf(image)[static_cast<size_t>(object.line)];
      absl::StrAppend(&lines, AnnotationJson(annotation, entry.id, object.box), "\n");
    }
    return lines;
  }
  absl::Status Write(int64_t, const std::string& text, const std::string&) override {
    const size_t first = text.find('\n');
    Append(images_, absl::string_view(text).substr(0, first));
    for (size_t begin = first + 1; begin < text.size();) {
      const size_t end = text.find('\n', begin);
      Append(annotations_, absl::string_view(text).substr(begin, end - begin));
      begin = end + 1;
    }
    return absl::OkStatus();
  }
  absl::Status Finish(const std::string& labels) override {
    std::string categories;
    for (const CocoCategory& category : file_.categories) {
      Append(categories, JsonObject({{"id", absl::StrCat(category.id)},
                                     {"name", JsonText(category.name)}}));
    }
    return AppendToFile(labels, absl::StrCat("{\"images\": [\n", images_, "],\n\"annotations\": [\n",
                                             annotations_, "],\n\"categories\": [\n", categories, "]}\n"));
  }

 private:
  int64_t Index(int64_t image) const { return indexes_[static_cast<size_t>(image)]; }
  absl::Span<const CocoAnnotation> AnnotationsOf(int64_t image) const {
    return file_.Of(Index(image));
  }

  absl::Status CheckNames() const {
    std::set<absl::string_view> seen;
    for (const std::string& name : names_) {
      if (seen.insert(name).second) continue;
      return absl::InvalidArgumentError(
          absl::StrCat("'", shown_, "': two images have the file_name '", Shown(name),
                       "', so that one copy would replace the other; join them to one"));
    }
    return absl::OkStatus();
  }

  std::string AnnotationJson(const CocoAnnotation& annotation, int64_t image, const Box& box) const {
    const double x = static_cast<double>(box.x1), y = static_cast<double>(box.y1);
    const double width = static_cast<double>(box.x2) - x, height = static_cast<double>(box.y2) - y;
    const int64_t category = file_.categories[static_cast<size_t>(annotation.category)].id;
    const std::string corners =
        absl::StrJoin({Decimal(x), Decimal(y), Decimal(width), Decimal(height)}, ", ");
    return JsonObject({{"id", absl::StrCat(annotation.id)},
                       {"image_id", absl::StrCat(image)},
                       {"category_id", absl::StrCat(category)},
                       {"bbox", absl::StrCat("[", corners, "]")},
                       {"area", Decimal(width * height)},
                       {"iscrowd", annotation.crowd ? "1" : "0"}});
  }

  // One entry of a list, on a line of its own.
  static void Append(std::string& list, absl::string_view entry) {
    if (!list.empty()) list.insert(list.size() - 1, ",");
    absl::StrAppend(&list, entry, "\n");
  }

  const CocoFolder folder_;
  const std::string path_, shown_;
  CocoFile file_;
  // Of file_.images, for each image.
  std::vector<int64_t> indexes_;
  std::string images_, annotations_;
};

}  // namespace

std::unique_ptr<AugmentSource> AugmentKittiFolder(KittiFolder folder) {
  return std::make_unique<KittiSource>(std::move(folder));
}

std::unique_ptr<AugmentSource> AugmentCocoFile(std::string image_dir, std::string annotations,
                                               std::string image_dir_shown, std::string shown) {
  CocoFolder folder{.image_dir = std::move(image_dir), .image_dir_shown = std::move(image_dir_shown)};
  folder.id_prefix = BaseName(folder.image_dir_shown);
  return std::make_unique<CocoSource>(std::move(folder), std::move(annotations), std::move(shown));
}

}  // namespace trainyard::data::internal
