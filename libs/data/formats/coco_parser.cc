// ParseCoco: from the text of a file to its tables.

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "libs/base/files.h"
#include "libs/base/json_reader.h"
#include "libs/base/printable.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/data/formats/coco.h"
#include "libs/data/internal/class_name.h"

namespace trainyard::data {
namespace {

constexpr int64_t kMaxFileBytes = int64_t{2} << 30;
constexpr double kMaxCoordinate = 1e7;
// Every whole number up to here is one of its own in a double.
constexpr double kMaxId = 9007199254740992.0;
constexpr size_t kMostRefused = 100'000;

// An annotation as it stands, before its image and category are looked up.
struct RawAnnotation {
  CocoAnnotation annotation;
  int64_t image_id = 0, category_id = 0;
};

// A path from a file without "." and doubled slashes, so that one picture has one name; nullopt for
// one that leads out of the folder that it is put behind.
std::optional<std::string> PlainPathBelow(absl::string_view name) {
  if (absl::StartsWith(name, "/") || absl::StrContains(name, '\0')) return std::nullopt;
  std::vector<absl::string_view> parts;
  for (const absl::string_view part : absl::StrSplit(name, '/', absl::SkipEmpty())) {
    if (part == "..") return std::nullopt;
    if (part != ".") parts.push_back(part);
  }
  return absl::StrJoin(parts, "/");
}

class CocoParser {
 public:
  CocoParser(absl::string_view text, const std::string& shown) : json_(text) {
    file_.shown = shown;
  }

  absl::StatusOr<CocoFile> Parse() {
    TY_RETURN_IF_ERROR(ReadRoot());
    TY_RETURN_IF_ERROR(json_.End());
    TY_RETURN_IF_ERROR(ExpectSections());
    TY_RETURN_IF_ERROR(MakeCategories());
    TY_RETURN_IF_ERROR(RefuseSharedIds());
    TY_RETURN_IF_ERROR(LinkAnnotations());
    return std::move(file_);
  }

 private:
  absl::Status ReadRoot() {
    TY_ASSIGN_OR_RETURN(const JsonReader::Kind kind, json_.Next());
    if (kind == JsonReader::Kind::kArray) {
      return json_.Fail(
          "is a list, as files of results are; annotations of COCO are an object with images, "
          "annotations and categories");
    }
    return json_.Object([this](absl::string_view name) -> absl::Status {
      if (name == "images") return ReadList([this] { return ReadImage(); });
      if (name == "annotations") return ReadList([this] { return ReadAnnotation(); });
      if (name == "categories") return ReadList([this] { return ReadCategory(); });
      return json_.Skip();
    });
  }

  absl::Status ReadList(absl::FunctionRef<absl::Status()> entry) {
    return json_.Array([&]() -> absl::Status {
      TY_RETURN_IF_ERROR(entry());
      return ExpectUsable(++entries_);
    });
  }

  // That not too much was refused of the entries that were looked at.
  absl::Status ExpectUsable(size_t entries) const {
    if (file_.refused.size() <= kMostRefused || file_.refused.size() * 10 <= entries) {
      return absl::OkStatus();
    }
    const LedgerEntry& last = file_.refused.back();
    return absl::InvalidArgumentError(
        absl::StrCat(file_.refused.size(), " of the first ", entries,
                     " entries cannot be used; the last of them: ", last.place, ": ", last.text));
  }

  // A whole number; nullopt, the value read, for anything else.
  absl::Status ReadId(std::optional<int64_t>* id) {
    TY_ASSIGN_OR_RETURN(const JsonReader::Kind kind, json_.Next());
    if (kind != JsonReader::Kind::kNumber) return json_.Skip();
    TY_ASSIGN_OR_RETURN(const double value, json_.Number());
    if (std::abs(value) <= kMaxId && value == std::trunc(value)) *id = static_cast<int64_t>(value);
    return absl::OkStatus();
  }

  absl::Status ReadText(std::optional<std::string>* text) {
    TY_ASSIGN_OR_RETURN(const JsonReader::Kind kind, json_.Next());
    if (kind != JsonReader::Kind::kString) return json_.Skip();
    TY_ASSIGN_OR_RETURN(*text, json_.String());
    return absl::OkStatus();
  }

  void Refuse(absl::string_view kind, std::optional<int64_t> id, int64_t position, Refusal reason,
              std::string text, std::string image = "") {
    file_.refused.push_back(
        {.place = id ? absl::StrCat(file_.shown, ": ", kind, " ", *id)
                     : absl::StrCat(file_.shown, ": ", kind, " number ", position),
         .image = std::move(image),
         .reason = reason,
         .text = std::move(text)});
  }

  absl::Status ReadImage() {
    std::optional<int64_t> id, width, height;
    std::optional<std::string> name;
    TY_RETURN_IF_ERROR(json_.Object([&](absl::string_view member) -> absl::Status {
      if (member == "id") return ReadId(&id);
      if (member == "file_name") return ReadText(&name);
      if (member == "width") return ReadId(&width);
      if (member == "height") return ReadId(&height);
      return json_.Skip();
    }));
    ++images_;
    const std::optional<std::string> plain = PlainPathBelow(name.value_or(""));
    if (id && (!plain || plain->empty())) refused_images_.insert(*id);
    if (!id || (plain && plain->empty())) {
      Refuse("image", id, images_, Refusal::kUnreadableImage,
             !id ? "has no id that is a whole number" : "has no file_name");
    } else if (!plain) {
      Refuse("image", id, images_, Refusal::kUnreadableImage,
             absl::StrCat("its file_name '", Shown(*name),
                          "' leads out of the folder of images; expected a path below it"));
    } else {
      file_.images.push_back({.id = *id,
                              .file_name = *plain,
                              .width = width.value_or(0),
                              .height = height.value_or(0)});
    }
    return absl::OkStatus();
  }

  absl::Status ReadCategory() {
    std::optional<int64_t> id;
    std::optional<std::string> name;
    TY_RETURN_IF_ERROR(json_.Object([&](absl::string_view member) -> absl::Status {
      if (member == "id") return ReadId(&id);
      if (member == "name") return ReadText(&name);
      return json_.Skip();
    }));
    const std::string plain = internal::WithoutBlanks(name.value_or(""));
    if (!id || plain.empty()) {
      return json_.Fail("the category before has no id that is a whole number, or no name");
    }
    const auto [known, is_new] = categories_.emplace(*id, plain);
    if (is_new || known->second == plain) return absl::OkStatus();
    return json_.Fail(absl::StrCat("category id ", *id, " is both '", Shown(known->second),
                                   "' and '", Shown(plain), "'"));
  }

  absl::Status ReadAnnotation() {
    std::optional<int64_t> id, image, category;
    RawAnnotation raw;
    std::string fault = "has no bbox";
    TY_RETURN_IF_ERROR(json_.Object([&](absl::string_view member) -> absl::Status {
      if (member == "id") return ReadId(&id);
      if (member == "image_id") return ReadId(&image);
      if (member == "category_id") return ReadId(&category);
      if (member == "bbox") return ReadBox(&raw.annotation.box, &fault);
      if (member == "iscrowd") return ReadFlag(&raw.annotation.crowd);
      return json_.Skip();
    }));
    ++annotations_;
    if (!image || !category) {
      fault =
          absl::StrCat("has no ", !image ? "image_id" : "category_id", " that is a whole number");
    }
    if (fault.empty()) {
      raw.annotation.id = id.value_or(annotations_);
      raw.image_id = *image;
      raw.category_id = *category;
      raw_.push_back(raw);
    } else {
      Refuse("annotation", id, annotations_, Refusal::kWrongColumnCount, std::move(fault));
    }
    return absl::OkStatus();
  }

  // `fault` is "" for a box that can be used.
  absl::Status ReadBox(std::array<double, 4>* box, std::string* fault) {
    TY_ASSIGN_OR_RETURN(const JsonReader::Kind kind, json_.Next());
    if (kind != JsonReader::Kind::kArray) return json_.Skip();
    size_t count = 0;
    bool numbers = true;
    TY_RETURN_IF_ERROR(json_.Array([&]() -> absl::Status {
      TY_ASSIGN_OR_RETURN(const JsonReader::Kind element, json_.Next());
      const size_t place = count++;
      if (element != JsonReader::Kind::kNumber) {
        numbers = false;
        return json_.Skip();
      }
      TY_ASSIGN_OR_RETURN(const double value, json_.Number());
      numbers = numbers && std::abs(value) <= kMaxCoordinate;
      if (place < box->size()) (*box)[place] = value;
      return absl::OkStatus();
    }));
    *fault = count != box->size()
                 ? absl::StrCat("its bbox has ", count, " numbers; expected x, y, width, height")
             : numbers ? ""
                       : "its bbox holds what is no number, or is beyond 1e7";
    return absl::OkStatus();
  }

  absl::Status ReadFlag(bool* flag) {
    TY_ASSIGN_OR_RETURN(const JsonReader::Kind kind, json_.Next());
    if (kind == JsonReader::Kind::kBool) {
      TY_ASSIGN_OR_RETURN(*flag, json_.Bool());
      return absl::OkStatus();
    }
    if (kind != JsonReader::Kind::kNumber) return json_.Skip();
    TY_ASSIGN_OR_RETURN(const double value, json_.Number());
    *flag = value != 0;
    return absl::OkStatus();
  }

  absl::Status ExpectSections() const {
    Problems problems;
    for (const auto& [name, count] :
         {std::pair("images", images_), std::pair("annotations", annotations_),
          std::pair("categories", static_cast<int64_t>(categories_.size()))}) {
      if (count == 0) problems.Add(name, "is not there or empty; expected a list of objects");
    }
    return problems.ToStatus();
  }

  absl::Status MakeCategories() {
    for (const auto& [id, name] : categories_) {
      category_index_.emplace(id, static_cast<int32_t>(file_.categories.size()));
      file_.categories.push_back({id, name});
    }
    return absl::OkStatus();
  }

  // An id that two images have tells of neither which annotations are its own.
  absl::Status RefuseSharedIds() {
    std::unordered_map<int64_t, int64_t> count;
    for (const CocoImage& image : file_.images) ++count[image.id];
    std::vector<CocoImage> kept;
    for (CocoImage& image : file_.images) {
      if (count[image.id] == 1) {
        kept.push_back(std::move(image));
        continue;
      }
      refused_images_.insert(image.id);
      Refuse("image", image.id, 0, Refusal::kSharedLabel,
             absl::StrCat("'", Shown(image.file_name), "' has the id of ", count[image.id] - 1,
                          " other image", count[image.id] == 2 ? "" : "s",
                          ", so that nothing tells whose its annotations are"));
      TY_RETURN_IF_ERROR(ExpectUsable(entries_));
    }
    file_.images = std::move(kept);
    return absl::OkStatus();
  }

  absl::Status LinkAnnotations() {
    std::unordered_map<int64_t, int64_t> image_index;
    for (size_t i = 0; i < file_.images.size(); ++i) {
      image_index.emplace(file_.images[i].id, static_cast<int64_t>(i));
    }
    file_.annotations.reserve(raw_.size());
    for (const RawAnnotation& raw : raw_) {
      Link(raw, image_index);
      TY_RETURN_IF_ERROR(ExpectUsable(entries_));
    }
    std::vector<RawAnnotation>().swap(raw_);
    std::stable_sort(file_.annotations.begin(), file_.annotations.end(),
                     [](const auto& a, const auto& b) { return a.image < b.image; });
    return absl::OkStatus();
  }

  void Link(const RawAnnotation& raw, const std::unordered_map<int64_t, int64_t>& image_index) {
    const auto image = image_index.find(raw.image_id);
    const auto category = category_index_.find(raw.category_id);
    if (image == image_index.end()) {
      // Those of images that are refused already are not told of once more.
      if (refused_images_.count(raw.image_id) > 0) return;
      return Refuse("annotation", raw.annotation.id, 0, Refusal::kUnknownImage,
                    absl::StrCat("its image_id ", raw.image_id, " is no image of the file"));
    }
    if (category == category_index_.end()) {
      return Refuse(
          "annotation", raw.annotation.id, 0, Refusal::kUnknownClass,
          absl::StrCat("its category_id ", raw.category_id, " is no category of the file"),
          file_.images[static_cast<size_t>(image->second)].file_name);
    }
    CocoAnnotation linked = raw.annotation;
    linked.image = image->second;
    linked.category = category->second;
    file_.annotations.push_back(linked);
  }

  JsonReader json_;
  CocoFile file_;
  std::vector<RawAnnotation> raw_;
  std::map<int64_t, std::string> categories_;
  std::map<int64_t, int32_t> category_index_;
  // Ids of images that cannot be used.
  std::unordered_set<int64_t> refused_images_;
  // Entries that were read, usable or not.
  size_t entries_ = 0;
  int64_t images_ = 0, annotations_ = 0;
};

}  // namespace

absl::StatusOr<CocoFile> ParseCoco(absl::string_view text, const std::string& shown) {
  absl::StatusOr<CocoFile> file = CocoParser(text, shown).Parse();
  if (!file.ok()) return Annotate(file.status(), absl::StrCat("'", shown, "'"));
  return file;
}

absl::StatusOr<CocoFile> ReadCoco(const std::string& path, const std::string& shown) {
  TY_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxFileBytes));
  return ParseCoco(text, shown);
}

}  // namespace trainyard::data
