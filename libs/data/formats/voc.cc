#include "libs/data/formats/voc.h"

#include <cmath>
#include <optional>
#include <pugixml.hpp>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/printable.h"
#include "libs/data/internal/class_name.h"
#include "libs/data/internal/label_folder.h"
#include "libs/data/internal/label_taker.h"

namespace trainyard::data {
namespace {

// A thousand objects have some 300 KB; a tree has up to 25 times the size of its text.
constexpr int64_t kMaxFileBytes = 4 << 20;
constexpr int kMaxDepth = 32;
constexpr int64_t kMaxNodes = 100'000;
constexpr double kMaxCoordinate = 1e7;
constexpr const char* kCorners[] = {"xmin", "ymin", "xmax", "ymax"};

// Elements and texts in each other and in all, by a walk without recursion; "" within the bounds.
std::string BeyondBounds(const pugi::xml_document& document) {
  int depth = 1;
  int64_t nodes = 0;
  pugi::xml_node node = document.first_child();
  while (node) {
    if (depth > kMaxDepth) return absl::StrCat("is deeper than ", kMaxDepth, " elements");
    if (++nodes > kMaxNodes) return absl::StrCat("holds more than ", kMaxNodes, " elements");
    if (node.first_child()) {
      node = node.first_child();
      ++depth;
      continue;
    }
    while (node && !node.next_sibling()) {
      node = node.parent();
      --depth;
    }
    if (node) node = node.next_sibling();
  }
  return "";
}

absl::string_view TextOf(const pugi::xml_node& node, const char* name) {
  return absl::StripAsciiWhitespace(node.child_value(name));
}

std::optional<double> NumberOf(const pugi::xml_node& node, const char* name) {
  double value = 0;
  if (!absl::SimpleAtod(TextOf(node, name), &value)) return std::nullopt;
  if (!(std::abs(value) <= kMaxCoordinate)) return std::nullopt;
  return value;
}

bool IsSet(const pugi::xml_node& object, const char* name) {
  const absl::string_view text = TextOf(object, name);
  return text == "1" || absl::EqualsIgnoreCase(text, "true");
}

// Takes the objects of one file, in their order.
class VocReader {
 public:
  VocReader(const std::string& path, const std::string& image, ImageSize size)
      : path_(path), size_(size), taker_(image, size) {}

  KittiLabels Read(absl::string_view text) {
    pugi::xml_document document;
    // Escapes and CDATA only: no DOCTYPE, no processing instructions.
    const pugi::xml_parse_result parsed = document.load_buffer(
        text.data(), text.size(), pugi::parse_escapes | pugi::parse_cdata | pugi::parse_eol,
        pugi::encoding_auto);
    if (!parsed) {
      return LeaveOut(absl::StrFormat("is no XML: %s at byte %d", parsed.description(),
                                      static_cast<int64_t>(parsed.offset)));
    }
    if (std::string beyond = BeyondBounds(document); !beyond.empty()) {
      return LeaveOut(std::move(beyond));
    }
    const pugi::xml_node annotation = document.child("annotation");
    if (!annotation) {
      return LeaveOut(absl::StrCat("has no <annotation>, as files of Pascal VOC do, but <",
                                   Shown(document.document_element().name()), ">"));
    }
    HoldAgainstSize(annotation.child("size"));
    for (const pugi::xml_node& object : annotation.children("object")) ReadObject(object);
    return taker_.Finish();
  }

 private:
  std::string Place() const { return absl::StrCat(path_, ": object ", taker_.lines()); }

  KittiLabels LeaveOut(std::string text) {
    taker_.Refuse(path_, Refusal::kWrongFormat, std::move(text));
    return taker_.Finish();
  }

  // Tools that do not know the size write 0.
  void HoldAgainstSize(const pugi::xml_node& stated) {
    const auto width = NumberOf(stated, "width"), height = NumberOf(stated, "height");
    if (!width || !height || *width == 0 || *height == 0) return;
    if (*width == static_cast<double>(size_.width) &&
        *height == static_cast<double>(size_.height)) {
      return;
    }
    taker_.findings().other_size.Add(absl::StrFormat("%s: %d x %d, stated %g x %g", path_,
                                                     size_.width, size_.height, *width, *height));
  }

  void ReadObject(const pugi::xml_node& node) {
    taker_.CountLine();
    KittiObject object;
    object.type = internal::WithoutBlanks(node.child_value("name"));
    if (object.type.empty()) {
      return taker_.Refuse(Place(), Refusal::kUnknownClass, "its <name> is empty or not there");
    }
    double corners[4];
    const pugi::xml_node box = node.child("bndbox");
    for (size_t i = 0; i < 4; ++i) {
      const auto corner = NumberOf(box, kCorners[i]);
      if (!corner) {
        return taker_.Refuse(
            Place(), Refusal::kNotANumber,
            absl::StrFormat("<bndbox><%s> of '%s' is '%s'; expected a finite "
                            "number of at most 1e7 in size",
                            kCorners[i], Shown(object.type), Shown(TextOf(box, kCorners[i]))));
      }
      corners[i] = *corner;
    }
    object.box = {static_cast<float>(corners[0] - 1), static_cast<float>(corners[1] - 1),
                  static_cast<float>(corners[2]), static_cast<float>(corners[3])};
    object.truncated = IsSet(node, "truncated") ? 1 : 0;
    object.occluded = IsSet(node, "difficult") ? 1 : 0;
    taker_.Take(std::move(object), taker_.lines() - 1, Place());
  }

  const std::string& path_;
  const ImageSize size_;
  internal::LabelTaker taker_;
};

}  // namespace

KittiLabels ParseVocLabels(absl::string_view text, const std::string& path,
                           const std::string& image, ImageSize size) {
  return VocReader(path, image, size).Read(text);
}

absl::StatusOr<Ledger> ScanVocFolder(
    const KittiFolder& folder, int threads, const std::function<void(KittiFrame frame)>& keep,
    const std::function<bool(int64_t done, int64_t total)>& go_on) {
  return internal::ScanLabelFolder(folder,
                                   {.name = "Pascal VOC's form",
                                    .extension = ".xml",
                                    .max_bytes = kMaxFileBytes,
                                    .parse = ParseVocLabels},
                                   threads, keep, go_on);
}

}  // namespace trainyard::data
