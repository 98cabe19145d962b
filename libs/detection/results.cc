#include "libs/detection/results.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "libs/base/files.h"
#include "libs/base/json.h"
#include "libs/base/status.h"
#include "libs/base/writes.h"
#include "libs/data/image_io.h"

namespace trainyard {
namespace {

constexpr size_t kMostCurvePoints = 200;
using Members = std::vector<std::pair<std::string, std::string>>;

std::string JsonObject(const Members& members) {
  return absl::StrCat("{",
                      absl::StrJoin(members, ", ",
                                    [](std::string* out, const auto& member) {
                                      absl::StrAppend(out, JsonText(member.first), ": ",
                                                      member.second);
                                    }),
                      "}");
}

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

void AddObject(Members& line, const char* name, const Members& members) {
  if (!members.empty()) line.emplace_back(name, JsonObject(members));
}

std::string TableLine(absl::string_view name, absl::string_view what, double value, int decimals) {
  if (std::isnan(value)) return absl::StrFormat("%-14s%-6s%s\n", name, what, "-");
  return absl::StrFormat("%-14s%-6s%.*f\n", name, what, decimals, value);
}

}  // namespace

std::string ResultsTable(const EvaluationResult& result, int decimals) {
  const std::string stars = std::string(31, '*') + "\n";
  std::string table = stars;
  for (const ClassResult& one : result.ap.classes) {
    table += TableLine(one.name, "AP", one.ap, decimals);
  }
  return table + TableLine("", "mAP", result.ap.mean_ap, decimals) + stars;
}

std::string ResultsJson(const EvaluationResult& result) {
  Members members, curves, counts;
  const bool coco = result.matching == Matching::kCoco;
  for (const ClassResult& one : result.ap.classes) {
    members.emplace_back("AP_" + one.name, JsonNumber(one.ap));
    if (coco) members.emplace_back("AP50_" + one.name, JsonNumber(one.ap50));
    curves.emplace_back(one.name, JsonCurve(one.curve));
    counts.emplace_back(one.name, JsonCounts(one));
  }
  members.emplace_back("mAP", JsonNumber(result.ap.mean_ap));
  if (coco) members.emplace_back("mAP50", JsonNumber(result.ap.mean_ap50));
  members.emplace_back("matching", JsonText(NameOf(result.matching)));
  members.emplace_back("average_precision_mode", JsonText(NameOf(result.ap_mode)));
  members.emplace_back("images", absl::StrCat(result.images));
  members.emplace_back("images_skipped", absl::StrCat(result.images_skipped));
  members.emplace_back("objects", absl::StrCat(result.objects));
  members.emplace_back("detections", absl::StrCat(result.detections));
  if (result.latency.runs > 0) {
    members.emplace_back("ms_per_image", JsonNumber(result.latency.ms_per_image));
    members.emplace_back("latency_batch_size", absl::StrCat(result.latency.batch_size));
  }
  if (result.beside) {
    Members beside;
    for (const ClassResult& one : result.beside->classes) {
      beside.emplace_back("AP_" + one.name, JsonNumber(one.ap));
    }
    beside.emplace_back("mAP", JsonNumber(result.beside->mean_ap));
    members.emplace_back(absl::StrCat("matching_", NameOf(result.beside_matching)),
                         JsonObject(beside));
  }
  members.emplace_back("classes", JsonObject(counts));
  members.emplace_back("pr_curves", JsonObject(curves));
  return JsonObject(members) + "\n";
}

std::string StatusLine(const StatusEntry& entry, absl::Time now) {
  const absl::CivilSecond civil = absl::ToCivilSecond(now, absl::UTCTimeZone());
  Members line = {
      {"date", JsonText(absl::StrFormat("%d/%d/%d", civil.month(), civil.day(), civil.year()))},
      {"time", JsonText(absl::StrFormat("%d:%d:%d", civil.hour(), civil.minute(), civil.second()))},
      {"status", JsonText(entry.status)},
      {"verbosity", JsonText(entry.verbosity)}};
  if (!entry.message.empty()) line.emplace_back("message", JsonText(entry.message));
  line.insert(line.end(), entry.fields.begin(), entry.fields.end());
  AddObject(line, "categorical", entry.categorical);
  AddObject(line, "graphical", entry.graphical);
  AddObject(line, "kpi", entry.kpi);
  return JsonObject(line) + "\n";
}

absl::Status AppendStatus(const std::string& path, const StatusEntry& entry, absl::Time now) {
  return AppendToFile(path, StatusLine(entry, now));
}

absl::Status WriteResults(const std::string& folder, const EvaluationResult& result, bool pr_curve,
                          absl::Time now) {
  TY_RETURN_IF_ERROR(MakeFolders(folder));
  TY_RETURN_IF_ERROR(WriteFileAtomically(JoinPath(folder, "results.json"), ResultsJson(result)));
  if (pr_curve) {
    TY_ASSIGN_OR_RETURN(const std::string png, EncodePng(DrawPrCurves(result)));
    TY_RETURN_IF_ERROR(WriteFileAtomically(JoinPath(folder, "PR_curve.png"), png));
  }
  StatusEntry entry{.status = "SUCCESS", .message = "Evaluation finished successfully."};
  entry.kpi.emplace_back("mAP", JsonNumber(result.ap.mean_ap));
  return AppendStatus(JoinPath(folder, "status.json"), entry, now);
}

}  // namespace trainyard
