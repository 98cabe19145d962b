#include "libs/report/details.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "libs/report/chart.h"

namespace trainyard::report {
namespace {

using google::protobuf::ListValue;
using google::protobuf::Struct;
using google::protobuf::Value;

constexpr int kMostConfused = 30;
constexpr int kMostPictures = 12;
constexpr size_t kMostPictureBytes = 1 << 20;

// A member of an object; a value of no kind when it is not there.
const Value& At(const Value& object, const std::string& name) {
  const auto found = object.struct_value().fields().find(name);
  return found == object.struct_value().fields().end() ? Value::default_instance() : found->second;
}

double NumberOf(const Value& value) {
  return value.has_number_value() ? value.number_value() : std::nan("");
}

std::string Cell(double value, int decimals = 3) {
  return std::isnan(value) ? "<td>–</td>" : absl::StrFormat("<td>%.*f</td>", decimals, value);
}

std::string CellWithInterval(const Value& value, const Value& interval) {
  const ListValue& ends = interval.list_value();
  if (!value.has_number_value()) return "<td>–</td>";
  if (ends.values_size() != 2 || !ends.values(0).has_number_value()) {
    return Cell(value.number_value());
  }
  return absl::StrFormat("<td>%.3f <span class=\"interval\">%.3f–%.3f</span></td>",
                         value.number_value(), NumberOf(ends.values(0)), NumberOf(ends.values(1)));
}

// The classes of an evaluation, in the order of its confusion table.
std::vector<std::string> ClassesOf(const Value& results) {
  std::vector<std::string> classes;
  for (const Value& label : At(At(results, "confusion"), "labels").list_value().values()) {
    classes.push_back(label.string_value());
  }
  if (!classes.empty()) classes.pop_back();  // background
  return classes;
}

// `member`: "mAP" or "AP_nut"; `f1` and `calibration` are those of the same.
std::string ClassRow(const Value& results, const std::string& title, const std::string& member,
                     const Value& f1, const Value& calibration) {
  std::string html =
      absl::StrCat("<tr><th>", Escape(title), "</th>",
                   CellWithInterval(At(results, member), At(At(results, "intervals"), member)));
  for (const char* size : {"small", "medium", "large"}) {
    absl::StrAppend(&html, Cell(NumberOf(At(At(At(results, "sizes"), size), member))));
  }
  return absl::StrCat(html, Cell(NumberOf(At(f1, "f1"))), Cell(NumberOf(At(f1, "score"))),
                      Cell(NumberOf(At(calibration, "error"))), "</tr>");
}

std::string ClassTable(const Value& results, const std::vector<std::string>& classes,
                       const std::string& label) {
  const Value &f1 = At(results, "f1"), &calibration = At(results, "calibration");
  std::string html = absl::StrCat(
      OpenTable(label),
      "<thead><tr><th>Class</th><th>AP</th><th>small</th><th>medium</th><th>large</th>"
      "<th>best F1</th><th>at score</th><th>calibration error</th></tr></thead><tbody>",
      ClassRow(results, "all", "mAP", At(f1, "all"), At(calibration, "all")));
  for (const std::string& name : classes) {
    absl::StrAppend(&html, ClassRow(results, name, "AP_" + name, At(At(f1, "classes"), name),
                                    At(At(calibration, "classes"), name)));
  }
  const double level = NumberOf(At(At(results, "intervals"), "level"));
  return absl::StrCat(
      html, "</tbody></table></div><p class=\"note\">",
      std::isnan(level)
          ? ""
          : absl::StrFormat("Beside AP: where %g %% of resamples of the images lie. ", 100 * level),
      "Small: up to 32 × 32 pixels of the picture, medium: up to 96 × 96. Calibration error: how "
      "far "
      "scores are from the part of detections that is right; 0 is best.</p>");
}

Series F1Series(const std::string& name, const Value& f1) {
  Series series{.name = name};
  const ListValue& values = At(f1, "curve").list_value();
  for (int i = 0; i < values.values_size(); ++i) {
    series.points.emplace_back(i / std::max(1.0, values.values_size() - 1.0),
                               NumberOf(values.values(i)));
  }
  return series;
}

std::string F1Chart(const Value& results, const std::vector<std::string>& classes,
                    const std::string& stage) {
  Chart chart{.title = absl::StrCat(stage, ": F1 over the least score"),
              .x_label = "least score",
              .unit_y = true,
              .unit_x = true};
  chart.series.push_back(F1Series("all", At(At(results, "f1"), "all")));
  for (const std::string& name : classes) {
    chart.series.push_back(F1Series(name, At(At(At(results, "f1"), "classes"), name)));
  }
  return DrawChart(chart);
}

std::string ReliabilityChart(const Value& results, const std::string& stage) {
  Series measured{.name = "measured"};
  const Value& bins = At(At(At(results, "calibration"), "all"), "bins");
  for (const Value& bin : bins.list_value().values()) {
    if (!At(bin, "score").has_number_value()) continue;  // no detection
    measured.points.emplace_back(NumberOf(At(bin, "score")), NumberOf(At(bin, "precision")));
  }
  if (measured.points.empty()) return "";
  return DrawChart({.title = absl::StrCat(stage, ": what scores mean (part of detections right)"),
                    .x_label = "score",
                    .series = {measured, {.name = "ideal", .points = {{0, 0}, {1, 1}}}},
                    .unit_y = true,
                    .unit_x = true});
}

std::string ConfusionRow(const std::string& label, const ListValue& counts) {
  double sum = 0;
  for (const Value& count : counts.values()) sum += count.number_value();
  std::string html = absl::StrCat("<tr><th>", Escape(label), "</th>");
  for (const Value& count : counts.values()) {
    absl::StrAppendFormat(&html, "<td class=\"share\" style=\"--share:%.3f\">%.0f</td>",
                          sum > 0 ? count.number_value() / sum : 0, count.number_value());
  }
  return absl::StrCat(html, "</tr>");
}

std::string ConfusionTable(const Value& results, const std::string& label) {
  const Value& confusion = At(results, "confusion");
  const ListValue &labels = At(confusion, "labels").list_value(),
                  &rows = At(confusion, "counts").list_value();
  if (labels.values().empty() || labels.values_size() != rows.values_size()) return "";
  if (labels.values_size() > kMostConfused) {
    return absl::StrFormat(
        "<p class=\"note\">Which of the %d classes is taken for which is in "
        "results.json (confusion).</p>",
        labels.values_size() - 1);
  }
  std::string html = absl::StrCat(OpenTable(label), "<thead><tr><th>labelled, found as</th>");
  for (const Value& name : labels.values()) {
    absl::StrAppend(&html, "<th>", Escape(name.string_value()), "</th>");
  }
  absl::StrAppend(&html, "</tr></thead><tbody>");
  for (int i = 0; i < labels.values_size(); ++i) {
    absl::StrAppend(&html,
                    ConfusionRow(labels.values(i).string_value(), rows.values(i).list_value()));
  }
  return absl::StrCat(
      html, "</tbody></table></div>",
      absl::StrFormat(
          "<p class=\"note\">Detections that score %g or more, beside the object that "
          "they overlap by %g or more. Last column: objects missed; last row: found where "
          "nothing is.</p>",
          NumberOf(At(confusion, "score")), NumberOf(At(confusion, "iou"))));
}

// A JPEG beside results.json as a data URI; "" without one.
std::string PictureOf(
    const Value& worst,
    const std::function<std::optional<std::string>(const std::string&)>& picture) {
  const std::string& name = At(worst, "picture").string_value();
  if (name.empty() || absl::StrContains(name, '/')) return "";
  const auto bytes = picture(name);
  if (!bytes.has_value() || bytes->size() > kMostPictureBytes ||
      !absl::StartsWith(*bytes, "\xFF\xD8\xFF")) {
    return "";
  }
  return absl::StrCat("data:image/jpeg;base64,", absl::Base64Escape(*bytes));
}

std::string WorstFigures(
    const Value& list, const char* what, int most,
    const std::function<std::optional<std::string>(const std::string&)>& picture) {
  std::string html;
  for (const Value& worst : list.list_value().values()) {
    if (most-- == 0) break;
    const std::string data = PictureOf(worst, picture);
    if (data.empty()) continue;
    const std::string caption =
        absl::StrFormat("%s: %s, score %.2f, best IoU %.2f, %s", what,
                        At(worst, "class").string_value(), NumberOf(At(worst, "score")),
                        NumberOf(At(worst, "best_iou")), At(worst, "image").string_value());
    absl::StrAppend(&html, "<figure class=\"picture\"><img alt=\"", Escape(caption), "\" src=\"",
                    data, "\"><figcaption>", Escape(caption), "</figcaption></figure>");
  }
  return html;
}

}  // namespace

std::string EvaluationDetails(
    absl::string_view stage, absl::string_view json,
    const std::function<std::optional<std::string>(const std::string&)>& picture) {
  Value results;
  if (!google::protobuf::util::JsonStringToMessage(std::string(json),
                                                   results.mutable_struct_value())
           .ok()) {
    return "";
  }
  const std::vector<std::string> classes = ClassesOf(results);
  if (classes.empty()) return "";
  const std::string name(stage);
  const Value& worst = At(results, "worst");
  const std::string pictures =
      absl::StrCat(WorstFigures(At(worst, "false_positives"), "false", kMostPictures / 2, picture),
                   WorstFigures(At(worst, "misses"), "missed", kMostPictures / 2, picture));
  return absl::StrCat(
      "<h3>", Escape(stage), "</h3>", ClassTable(results, classes, name + ": average precision"),
      "<div class=\"charts\">", F1Chart(results, classes, name), ReliabilityChart(results, name),
      "</div>", ConfusionTable(results, name + ": confusion of classes"),
      pictures.empty()
          ? ""
          : absl::StrCat("<p class=\"note\">The highest-scored false positives, and the "
                         "largest objects missed. White: the labels.</p>"
                         "<div class=\"pictures\">",
                         pictures, "</div>"));
}

}  // namespace trainyard::report
