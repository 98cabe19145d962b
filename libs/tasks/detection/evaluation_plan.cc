#include "libs/tasks/detection/evaluation_plan.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace trainyard::tasks {

absl::StatusOr<Matching> MatchingFromName(absl::string_view name) {
  if (name.empty() || name == "tao") return Matching::kTao;
  if (name == "voc") return Matching::kVoc;
  if (name == "coco") return Matching::kCoco;
  return absl::InvalidArgumentError(
      absl::StrCat("matching is '", name, "'; expected tao, voc or coco"));
}

absl::string_view NameOf(Matching matching) {
  switch (matching) {
    case Matching::kTao:
      return "tao";
    case Matching::kVoc:
      return "voc";
    case Matching::kCoco:
      return "coco";
  }
  return "unknown";
}

absl::string_view NameOf(ApMode mode) { return mode == ApMode::kSample ? "SAMPLE" : "INTEGRATE"; }

}  // namespace trainyard::tasks
