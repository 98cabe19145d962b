#include "libs/report/report.h"

#include <cmath>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "google/protobuf/util/time_util.h"
#include "libs/base/files.h"
#include "libs/base/printable.h"
#include "libs/base/status.h"
#include "libs/report/chart.h"
#include "libs/report/curves.h"
#include "libs/report/details.h"
#include "libs/report/page_style.h"
#include "libs/report/pictures.h"

namespace trainyard::report {
namespace {

constexpr int kPictures = 12;
constexpr int kPictureSide = 640;
constexpr int64_t kMaxTextBytes = 64 << 20;
// A loss of accuracy up to the first is what a retrained or INT8 model may cost; beyond the second it is
// shown as a failure. Of a ratio in itself, of what has a unit as a part of the reference.
constexpr double kSmallDrop = 0.005, kLargeDrop = 0.02;

using google::protobuf::util::TimeUtil;

std::string Cell(const std::optional<double>& value, int decimals) {
  return value.has_value() ? absl::StrFormat("%.*f", decimals, *value) : "–";
}

std::string StateName(v1::Run::State state) {
  return absl::AsciiStrToLower(v1::Run::State_Name(state));
}

std::string When(const google::protobuf::Timestamp& time) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%S UTC",
                          absl::FromUnixMicros(TimeUtil::TimestampToMicroseconds(time)),
                          absl::UTCTimeZone());
}

std::string Took(const google::protobuf::Timestamp& from, const google::protobuf::Timestamp& to) {
  const double seconds =
      static_cast<double>(TimeUtil::DurationToMilliseconds(to - from)) / 1000;
  if (seconds < 60) return absl::StrFormat("%.1f s", seconds);
  const int64_t whole = std::llround(seconds);
  if (whole < 3600) return absl::StrFormat("%d min %02d s", whole / 60, whole % 60);
  return absl::StrFormat("%d h %02d min", whole / 3600, whole / 60 % 60);
}

const char* ClassOfChange(const v1::Metric& reference, double change) {
  const double scale = reference.unit().empty() ? 1 : std::abs(reference.value());
  const double gain = reference.higher_is_better() ? change : -change;
  if (gain >= -kSmallDrop * scale) return "good";
  return gain >= -kLargeDrop * scale ? "fair" : "bad";
}

std::string ChangeCell(const Measure& measure, const LedgerRow& row) {
  const auto change = measure.Change(row);
  if (!change.has_value()) return "<td>–</td>";
  return absl::StrFormat("<td class=\"%s\">%+.4f</td>", ClassOfChange(measure.metric, *change), *change);
}

std::string MeasureHeads(const Measure& measure) {
  std::string html = absl::StrCat("<th>", Escape(TitleOf(measure.metric)), "</th><th>Change</th>");
  for (const std::string& name : measure.classes) {
    absl::StrAppend(&html, "<th>", Escape(measure.class_metric), " ", Escape(name), "</th>");
  }
  return html;
}

std::string MeasureCells(const Measure& measure, const LedgerRow& row) {
  std::string html = absl::StrCat("<td>", Cell(row.Value(measure.metric.name()), 4), "</td>",
                                  ChangeCell(measure, row));
  for (const std::string& name : measure.classes) {
    absl::StrAppend(&html, "<td>", Cell(row.Value(measure.class_metric, name), 4), "</td>");
  }
  return html;
}

std::string MeasureNote(const Measure& measure) {
  return absl::StrCat("<p class=\"note\">Change: ", Escape(measure.metric.name()), " against stage “",
                      Escape(measure.reference->stage), "”",
                      measure.metric.higher_is_better() ? "" : "; lower is better", ".</p>");
}

std::string LedgerSection(const Ledger& ledger) {
  if (ledger.rows.empty()) return "";
  const std::vector<Measure> measures = ledger.Measures();
  std::string html = absl::StrCat("<section><h2>Accuracy ledger</h2>", OpenTable("Accuracy ledger"),
                                  "<thead><tr><th>Stage</th>");
  for (const Measure& measure : measures) absl::StrAppend(&html, MeasureHeads(measure));
  absl::StrAppend(&html, "<th>Parameters</th><th>MACs</th><th>Size</th><th>ms/image</th></tr></thead>"
                         "<tbody>");
  for (const LedgerRow& row : ledger.rows) {
    absl::StrAppend(&html, "<tr><th>", Escape(row.stage),
                    row.cached ? " <span class=\"mark\">cached</span>" : "", "</th>");
    for (const Measure& measure : measures) absl::StrAppend(&html, MeasureCells(measure, row));
    absl::StrAppend(&html, "<td>", row.parameters ? ShortCount(*row.parameters) : "–", "</td><td>",
                    row.macs ? ShortCount(*row.macs) : "–", "</td><td>",
                    row.bytes ? ShortBytes(*row.bytes) : "–", "</td><td>",
                    Cell(row.ms_per_image, 3), "</td></tr>");
  }
  absl::StrAppend(&html, "</tbody></table></div>");
  for (const Measure& measure : measures) absl::StrAppend(&html, MeasureNote(measure));
  return absl::StrCat(html, "</section>");
}

std::optional<std::string> ReadText(const ReportInput& input, const std::string& uri,
                                    const std::string& name) {
  const auto path = input.resolve(uri);
  if (!path.ok()) return std::nullopt;
  const auto text = ReadFile(name.empty() ? *path : JoinPath(*path, name), kMaxTextBytes);
  return text.ok() ? std::optional(*text) : std::nullopt;
}

const v1::Artifact* FindOutput(const v1::Run::Stage& stage, absl::string_view name) {
  for (const v1::Artifact& output : stage.outputs()) {
    if (output.name() == name) return &output;
  }
  return nullptr;
}

// The columns whose names `wanted` accepts.
template <typename Wanted>
std::vector<Series> Pick(const std::vector<Series>& columns, Wanted wanted) {
  std::vector<Series> picked;
  for (const Series& column : columns) {
    if (wanted(column.name)) picked.push_back(column);
  }
  return picked;
}

bool AreRatios(const std::vector<Series>& columns) {
  for (const Series& column : columns) {
    for (const auto& [epoch, value] : column.points) {
      if (value < 0 || value > 1) return false;
    }
  }
  return true;
}

std::string TrainingCharts(const ReportInput& input, const v1::Run::Stage& stage) {
  const v1::Artifact* log = FindOutput(stage, "log");
  if (log == nullptr) return "";
  const auto text = ReadText(input, log->uri(), "");
  if (!text.has_value()) return "";
  const auto columns = ParseTrainingLog(*text);
  if (!columns.ok()) return "";
  const auto is_loss = [](const std::string& name) {
    return name == "loss" || name == "validation_loss";
  };
  const auto is_rate = [](const std::string& name) { return name == "lr"; };
  // The columns that not every training has are what its validation measured.
  const std::vector<Series> measured = Pick(
      *columns, [&](const std::string& name) { return !is_loss(name) && !is_rate(name); });
  std::vector<Series> losses = Pick(*columns, is_loss);
  PartAxes(losses);
  const v1::Metric* accuracy = FindAccuracy(stage.metrics()).metric;
  const std::string title = accuracy == nullptr ? "" : absl::StrCat(TitleOf(*accuracy), " in ");
  return absl::StrCat(DrawChart({.title = absl::StrCat(stage.name(), ": loss"),
                                 .x_label = "epoch",
                                 .series = losses,
                                 .whole_x = true}),
                      DrawChart({.title = absl::StrCat(stage.name(), ": ", title, "validation"),
                                 .x_label = "epoch",
                                 .series = measured,
                                 .unit_y = AreRatios(measured),
                                 .whole_x = true}),
                      DrawChart({.title = absl::StrCat(stage.name(), ": learning rate"),
                                 .x_label = "epoch",
                                 .series = Pick(*columns, is_rate),
                                 .whole_x = true}));
}

// What an evaluation left behind.
struct ResultsFile {
  std::string text;
  // URI of the folder that holds it.
  std::string folder;
};

std::optional<ResultsFile> FindResults(const ReportInput& input, const v1::Run::Stage& stage) {
  const v1::Artifact* results = FindOutput(stage, "results");
  if (results == nullptr) return std::nullopt;
  // The artifact is the file, or the folder that holds it.
  const bool is_file = absl::EndsWith(results->uri(), ".json");
  auto text = ReadText(input, results->uri(), is_file ? "" : "results.json");
  if (!text.has_value()) return std::nullopt;
  return ResultsFile{*std::move(text), is_file ? DirName(results->uri()) : results->uri()};
}

std::string EvaluationChart(const v1::Run::Stage& stage, const ResultsFile& results) {
  const auto curves = ParsePrCurves(results.text);
  if (!curves.ok()) return "";
  return DrawChart({.title = absl::StrCat(stage.name(), ": precision over recall"),
                    .x_label = "recall",
                    .series = *curves,
                    .unit_y = true,
                    .unit_x = true});
}

std::string ChartSections(const ReportInput& input) {
  std::string training, evaluation, details;
  for (const v1::Run::Stage& stage : input.run.stages()) {
    if (stage.kind() == "train") absl::StrAppend(&training, TrainingCharts(input, stage));
    if (!absl::StartsWith(stage.kind(), "evaluate")) continue;
    const auto results = FindResults(input, stage);
    if (!results.has_value()) continue;
    absl::StrAppend(&evaluation, EvaluationChart(stage, *results));
    absl::StrAppend(&details,
                    EvaluationDetails(stage.name(), results->text, [&](const std::string& name) {
                      return ReadText(input, results->folder, name);
                    }));
  }
  std::string html;
  if (!training.empty()) {
    absl::StrAppend(&html, "<section><h2>Training</h2><div class=\"charts\">", training,
                    "</div></section>");
  }
  if (!evaluation.empty()) {
    absl::StrAppend(&html, "<section><h2>Precision and recall</h2><div class=\"charts\">",
                    evaluation, "</div></section>");
  }
  if (!details.empty()) {
    absl::StrAppend(&html, "<section><h2>What is right and wrong</h2>", details, "</section>");
  }
  return html;
}

// KITTI keeps the labels of `x/images` in `x/labels`.
std::string TruthFolder(const std::string& images_dir) {
  const std::string folder = JoinPath(DirName(images_dir), "labels");
  return FolderExists(folder) ? folder : "";
}

std::string PictureSection(const ReportInput& input, const std::vector<std::string>& classes) {
  // The last inference: the model that the run is for.
  const v1::Run::Stage* stage = nullptr;
  for (const v1::Run::Stage& candidate : input.run.stages()) {
    if (absl::StartsWith(candidate.kind(), "infer") && FindOutput(candidate, "labels") != nullptr) {
      stage = &candidate;
    }
  }
  if (stage == nullptr) return "";
  const auto inputs = input.inputs.find(stage->name());
  if (inputs == input.inputs.end()) return "";
  const v1::Artifact* images = nullptr;
  for (const v1::Artifact& artifact : inputs->second) {
    if (artifact.name() == "images") images = &artifact;
  }
  if (images == nullptr) return "";
  const auto images_dir = input.resolve(images->uri());
  const auto labels_dir = input.resolve(FindOutput(*stage, "labels")->uri());
  if (!images_dir.ok() || !labels_dir.ok()) return "";
  const auto pictures = CollectPictures(*images_dir, *labels_dir, TruthFolder(*images_dir),
                                        kPictures, kPictureSide);
  const std::string head =
      absl::StrCat("<section><h2>What “", Escape(stage->name()), "” found</h2><p class=\"note\">");
  if (!pictures.ok()) {
    return absl::StrCat(head, "The pictures are left out: ",
                        Escape(std::string(pictures.status().message())), "</p></section>");
  }
  if (pictures->empty()) return "";
  std::string html = absl::StrCat(head,
                                  "Dashed: the label. Solid: what the network found, with its "
                                  "score.</p><div class=\"pictures\">");
  for (const Picture& picture : *pictures) absl::StrAppend(&html, DrawPicture(picture, classes));
  return absl::StrCat(html, "</div></section>");
}

std::string StageSection(const v1::Run& run) {
  std::string html = absl::StrCat(
      "<section><h2>Stages</h2>", OpenTable("Stages"),
      "<thead><tr><th>Stage</th><th>Kind</th><th>State</th><th>Time</th><th>Attempt</th>"
      "<th class=\"text\">Remark</th></tr></thead><tbody>");
  for (const v1::Run::Stage& stage : run.stages()) {
    const bool timed = stage.has_start_time() && stage.has_end_time();
    const std::string remark = stage.has_error() ? stage.error().message() : stage.reason();
    absl::StrAppend(&html, "<tr><th>", Escape(stage.name()), "</th><td>", Escape(stage.kind()),
                    "</td><td><span class=\"state ", StateName(stage.state()), "\">",
                    StateName(stage.state()), "</span></td><td>",
                    timed ? Took(stage.start_time(), stage.end_time()) : "–", "</td><td>",
                    stage.attempt() > 0 ? absl::StrCat(stage.attempt()) : "–",
                    "</td><td class=\"text\">", Escape(remark), "</td></tr>");
  }
  return absl::StrCat(html, "</tbody></table></div></section>");
}

// What the stages noticed: pictures left out, boxes beyond their pictures, classes without objects.
std::string NotesSection(const v1::Run& run) {
  std::string html;
  for (const v1::Run::Stage& stage : run.stages()) {
    if (stage.notes().empty()) continue;
    absl::StrAppend(&html, "<h3>", Escape(stage.name()), "</h3><ul>");
    for (const std::string& note : stage.notes()) {
      absl::StrAppend(&html, "<li>", Escape(Printable(note)), "</li>");
    }
    absl::StrAppend(&html, "</ul>");
  }
  if (html.empty()) return "";
  return absl::StrCat("<section><h2>Notes</h2><details><summary>What the stages noticed and left out"
                      "</summary>", html, "</details></section>");
}

std::string LineageSection(const ReportInput& input) {
  std::string rows;
  const auto add = [&rows](const std::string& stage, const char* role,
                           const v1::Artifact& artifact) {
    absl::StrAppend(&rows, "<tr><th>", Escape(stage), "</th><td>", role, " ",
                    Escape(artifact.name()), "</td><td class=\"text\">", Escape(artifact.uri()),
                    "</td><td>",
                    artifact.size_bytes() > 0 ? ShortBytes(artifact.size_bytes()) : "–",
                    "</td><td class=\"text\"><code>",
                    artifact.sha256().empty() ? "–" : Escape(artifact.sha256()),
                    "</code></td></tr>");
  };
  for (const v1::Run::Stage& stage : input.run.stages()) {
    if (const auto inputs = input.inputs.find(stage.name()); inputs != input.inputs.end()) {
      for (const v1::Artifact& artifact : inputs->second) add(stage.name(), "reads", artifact);
    }
    for (const v1::Artifact& artifact : stage.outputs()) add(stage.name(), "makes", artifact);
  }
  if (rows.empty()) return "";
  return absl::StrCat(
      "<section><h2>Lineage</h2><details><summary>What each stage read and made, with SHA-256"
      "</summary>",
      OpenTable("Lineage"),
      "<thead><tr><th>Stage</th><th>Artifact</th>"
      "<th class=\"text\">Place</th><th>Size</th><th "
      "class=\"text\">SHA-256</th></tr></thead><tbody>",
      rows, "</tbody></table></div></details></section>");
}

std::string Head(const v1::Run& run) {
  const std::string title = absl::StrCat(Escape(run.pipeline()), " · ", Escape(run.name()));
  std::string html = absl::StrCat(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>",
      title, "</title><style>", kPageStyle, "</style></head><body><main><header><h1>",
      Escape(run.pipeline()), "</h1><p><span class=\"state ", StateName(run.state()), "\">",
      StateName(run.state()), "</span> ", Escape(run.name()));
  if (run.has_create_time()) absl::StrAppend(&html, " · started ", When(run.create_time()));
  absl::StrAppend(&html, "</p>");
  if (run.has_error()) {
    absl::StrAppend(&html, "<p class=\"error\">", Escape(run.error().message()), "</p>");
  }
  return absl::StrCat(html, "</header>\n");
}

}  // namespace

std::string ReportHtml(const ReportInput& input, const Ledger& ledger) {
  std::vector<std::string> classes;
  for (const Measure& measure : ledger.Measures()) {
    classes.insert(classes.end(), measure.classes.begin(), measure.classes.end());
  }
  return absl::StrCat(Head(input.run), LedgerSection(ledger), "\n", ChartSections(input), "\n",
                      PictureSection(input, classes), "\n", StageSection(input.run), "\n",
                      NotesSection(input.run), "\n",
                      LineageSection(input), "</main></body></html>\n");
}

absl::Status WriteReport(const ReportInput& input, const std::string& folder) {
  const Ledger ledger = MakeLedger(input.run, input.inputs);
  TY_RETURN_IF_ERROR(MakeFolders(folder));
  TY_RETURN_IF_ERROR(WriteFileAtomically(JoinPath(folder, "ledger.json"), LedgerJson(ledger)));
  return WriteFileAtomically(JoinPath(folder, "report.html"), ReportHtml(input, ledger));
}

}  // namespace trainyard::report
