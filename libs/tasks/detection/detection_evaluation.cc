#include "libs/tasks/detection/detection_evaluation.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "libs/base/json.h"
#include "libs/base/status.h"
#include "libs/data/image_io.h"

namespace trainyard::tasks {
namespace {

constexpr size_t kMostCurvePoints = 200;

// At most kMostCurvePoints of `values`, the first and the last among them.
std::string JsonThinned(const std::vector<double>& values) {
  std::vector<std::string> texts;
  const size_t count = std::min(values.size(), kMostCurvePoints);
  for (size_t i = 0; i < count; ++i) {
    const size_t at = count == 1 ? 0 : i * (values.size() - 1) / (count - 1);
    texts.push_back(JsonNumber(values[at]));
  }
  return absl::StrCat("[", absl::StrJoin(texts, ", "), "]");
}

std::string JsonCurve(const PrCurve& curve) {
  return JsonObject({{"recall", JsonThinned(curve.recall)},
                     {"precision", JsonThinned(curve.precision)},
                     {"envelope", JsonThinned(curve.envelope)},
                     {"score", JsonThinned(curve.score)}});
}

std::string JsonCounts(const ClassResult& one) {
  return JsonObject({{"objects", absl::StrCat(one.objects)},
                     {"detections", absl::StrCat(one.detections)},
                     {"true_positives", absl::StrCat(one.true_positives)},
                     {"false_positives", absl::StrCat(one.false_positives)}});
}

std::string TableLine(absl::string_view name, absl::string_view what, double value, int decimals) {
  if (std::isnan(value)) return absl::StrFormat("%-14s%-6s%s\n", name, what, "-");
  return absl::StrFormat("%-14s%-6s%.*f\n", name, what, decimals, value);
}

}  // namespace

std::vector<trainyard::v1::Metric> DetectionEvaluation::Metrics() const {
  std::vector<trainyard::v1::Metric> metrics = ap.Metrics(matching);
  if (!beside) return metrics;
  for (trainyard::v1::Metric& metric : beside->Metrics(beside_matching)) {
    metric.set_name(absl::StrCat(metric.name(), "_", NameOf(beside_matching)));
    metric.set_primary(false);
    metrics.push_back(std::move(metric));
  }
  return metrics;
}

std::string DetectionEvaluation::Table(int decimals) const {
  const std::string stars = std::string(31, '*') + "\n";
  std::string table = stars;
  for (const ClassResult& one : ap.classes) table += TableLine(one.name, "AP", one.ap, decimals);
  return table + TableLine("", "mAP", ap.mean_ap, decimals) + stars;
}

JsonMembers DetectionEvaluation::Json() const {
  JsonMembers members, curves, counts;
  const bool coco = matching == Matching::kCoco;
  for (const ClassResult& one : ap.classes) {
    members.emplace_back("AP_" + one.name, JsonNumber(one.ap));
    if (coco) members.emplace_back("AP50_" + one.name, JsonNumber(one.ap50));
    curves.emplace_back(one.name, JsonCurve(one.curve));
    counts.emplace_back(one.name, JsonCounts(one));
  }
  members.emplace_back("mAP", JsonNumber(ap.mean_ap));
  if (coco) members.emplace_back("mAP50", JsonNumber(ap.mean_ap50));
  members.emplace_back("matching", JsonText(NameOf(matching)));
  members.emplace_back("average_precision_mode", JsonText(NameOf(ap_mode)));
  members.emplace_back("objects", absl::StrCat(objects));
  members.emplace_back("detections", absl::StrCat(detections));
  if (beside) {
    JsonMembers other;
    for (const ClassResult& one : beside->classes) {
      other.emplace_back("AP_" + one.name, JsonNumber(one.ap));
    }
    other.emplace_back("mAP", JsonNumber(beside->mean_ap));
    members.emplace_back(absl::StrCat("matching_", NameOf(beside_matching)), JsonObject(other));
  }
  members.emplace_back("classes", JsonObject(counts));
  members.emplace_back("pr_curves", JsonObject(curves));
  if (explanation) {
    members.insert(members.end(), explanation->json.begin(), explanation->json.end());
  }
  return members;
}

absl::StatusOr<std::vector<std::pair<std::string, std::string>>> DetectionEvaluation::Files()
    const {
  std::vector<std::pair<std::string, std::string>> files;
  if (explanation) {
    TY_ASSIGN_OR_RETURN(files, explanation->Files());
  }
  if (pr_curve) {
    TY_ASSIGN_OR_RETURN(std::string png, data::EncodePng(DrawPrCurves(*this)));
    files.emplace_back("PR_curve.png", std::move(png));
  }
  return files;
}

}  // namespace trainyard::tasks
