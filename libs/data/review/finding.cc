#include "libs/data/review/finding.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/json.h"
#include "libs/base/printable.h"

namespace trainyard::data {
namespace {

struct Words {
  absl::string_view name, title;
};

Words WordsOf(ReviewKind kind) {
  switch (kind) {
    case ReviewKind::kLeak:
      return {"leak", "Pictures that both sets have"};
    case ReviewKind::kSameBytes:
      return {"same_bytes", "The same files"};
    case ReviewKind::kCopy:
      return {"copy", "Pictures that look the same"};
    case ReviewKind::kNotCompared:
      return {"not_compared", "Not compared"};
    case ReviewKind::kLeftOut:
      return {"left_out", "Left out"};
    case ReviewKind::kNoticed:
      return {"noticed", "Noticed while reading"};
    case ReviewKind::kUnreadable:
      return {"unreadable", "Pictures that cannot be read"};
    case ReviewKind::kPlain:
      return {"plain", "Pictures of one colour"};
    case ReviewKind::kNoBoxes:
      return {"no_boxes", "Pictures without objects"};
    case ReviewKind::kClassBalance:
      return {"class_balance", "Classes"};
    case ReviewKind::kRareClass:
      return {"rare_class", "Classes with few objects"};
    case ReviewKind::kUnseenClass:
      return {"unseen_class", "Classes of the other set alone"};
    case ReviewKind::kBoxSizes:
      return {"box_sizes", "Sizes of the boxes"};
    case ReviewKind::kAspect:
      return {"aspect", "Boxes of unlikely shape"};
    case ReviewKind::kTwinBoxes:
      return {"twin_boxes", "Objects that are labelled twice"};
    case ReviewKind::kPriorFit:
      return {"prior_fit", "How well the network's boxes fit"};
  }
  return {"other", "Other"};
}

std::string ImagesJson(const std::vector<ReviewImage>& images) {
  return absl::StrCat("[",
                      absl::StrJoin(images, ", ",
                                    [](std::string* out, const ReviewImage& image) {
                                      absl::StrAppend(out, JsonText(Printable(image.id)));
                                    }),
                      "]");
}

}  // namespace

absl::string_view NameOf(ReviewKind kind) { return WordsOf(kind).name; }
absl::string_view TitleOf(ReviewKind kind) { return WordsOf(kind).title; }

absl::string_view NameOf(Severity severity) {
  switch (severity) {
    case Severity::kError:
      return "error";
    case Severity::kWarning:
      return "warning";
    case Severity::kNote:
      return "note";
  }
  return "note";
}

std::string ToJsonLines(absl::Span<const ReviewFinding> findings) {
  std::string lines;
  for (const ReviewFinding& finding : findings) {
    JsonMembers members = {{"kind", JsonText(NameOf(finding.kind))},
                           {"severity", JsonText(NameOf(finding.severity))}};
    if (!finding.class_name.empty()) {
      members.emplace_back("class", JsonText(Printable(finding.class_name)));
    }
    JsonMembers numbers;
    for (const auto& [name, value] : finding.numbers) numbers.emplace_back(name, JsonNumber(value));
    members.emplace_back("images", ImagesJson(finding.images));
    members.emplace_back("numbers", JsonObject(numbers));
    members.emplace_back("text", JsonText(Printable(finding.text)));
    absl::StrAppend(&lines, JsonObject(members), "\n");
  }
  return lines;
}

}  // namespace trainyard::data
