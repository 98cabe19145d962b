#include "libs/report/ledger.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "libs/base/files.h"
#include "libs/base/json.h"
#include "libs/base/status.h"

namespace trainyard::report {
namespace {

// What is known of a model file, by its URI.
struct ModelFacts {
  std::optional<double> parameters, macs, bytes;
};

bool IsModel(const v1::Artifact& artifact) {
  static const auto* const kinds = new std::set<std::string>{"tlt", "etlt", "engine"};
  return kinds->contains(artifact.kind()) || absl::EndsWith(artifact.uri(), ".tlt") ||
         absl::EndsWith(artifact.uri(), ".etlt") || absl::EndsWith(artifact.uri(), ".engine");
}

// The model that the stage made; of a training the best.
const v1::Artifact* MadeModel(const v1::Run::Stage& stage) {
  const v1::Artifact* made = nullptr;
  for (const v1::Artifact& output : stage.outputs()) {
    if (IsModel(output) && (made == nullptr || output.name() == "best")) made = &output;
  }
  return made;
}

const v1::Artifact* ReadModel(const std::vector<v1::Artifact>& inputs) {
  const auto found = absl::c_find_if(
      inputs, [](const v1::Artifact& input) { return input.name() == "model"; });
  return found == inputs.end() ? nullptr : &*found;
}

bool MakesOrJudgesModels(absl::string_view kind) {
  return kind == "train" || kind == "evaluate" || kind == "prune" || kind == "export" ||
         kind == "build" || kind == "evaluate_engine";
}

LedgerRow MakeRow(const v1::Run::Stage& stage, const v1::Artifact* made, const v1::Artifact* read,
                  std::map<std::string, ModelFacts>& facts) {
  LedgerRow row{.stage = stage.name(),
                .kind = stage.kind(),
                .metrics = stage.metrics(),
                .cached = stage.state() == v1::Run::CACHED};
  if (read != nullptr) {
    const ModelFacts& handed_on = facts[read->uri()];
    row.parameters = handed_on.parameters;
    row.macs = handed_on.macs;
    if (made == nullptr) row.bytes = handed_on.bytes;
  }
  const v1::Artifact* model = made != nullptr ? made : read;
  if (model != nullptr) {
    row.artifact = model->uri();
    row.artifact_kind = model->kind();
    if (model->size_bytes() > 0) row.bytes = model->size_bytes();
  }
  if (const auto value = row.Value(kParameters)) row.parameters = value;
  if (const auto value = row.Value(kMacs)) row.macs = value;
  row.ms_per_image = row.Value(kMsPerImage);
  if (made != nullptr) {
    // `best` and `last` are one network with other weights.
    for (const v1::Artifact& output : stage.outputs()) {
      if (!IsModel(output)) continue;
      facts[output.uri()] = {row.parameters, row.macs, static_cast<double>(output.size_bytes())};
    }
  }
  return row;
}

std::string JsonOrNull(const std::optional<double>& value) {
  return value.has_value() ? JsonNumber(*value) : "null";
}

const char* JsonBool(bool value) { return value ? "true" : "false"; }

std::string RowJson(const LedgerRow& row) {
  std::vector<std::string> metrics;
  for (const v1::Metric& metric : row.metrics) {
    metrics.push_back(absl::StrCat("{\"name\": ", JsonText(metric.name()),
                                   ", \"class\": ", JsonText(metric.class_name()),
                                   ", \"value\": ", JsonNumber(metric.value()),
                                   ", \"unit\": ", JsonText(metric.unit()),
                                   ", \"higher_is_better\": ", JsonBool(metric.higher_is_better()),
                                   ", \"primary\": ", JsonBool(metric.primary()), "}"));
  }
  return absl::StrCat(
      "    {\"stage\": ", JsonText(row.stage), ", \"kind\": ", JsonText(row.kind),
      ", \"artifact\": ", JsonText(row.artifact), ",\n     \"metrics\": [",
      absl::StrJoin(metrics, ", "), "],\n     \"parameters\": ", JsonOrNull(row.parameters),
      ", \"macs\": ", JsonOrNull(row.macs), ", \"bytes\": ", JsonOrNull(row.bytes),
      ", \"ms_per_image\": ", JsonOrNull(row.ms_per_image),
      ", \"cached\": ", JsonBool(row.cached), "}");
}

using google::protobuf::Struct;
using google::protobuf::Value;

const Value* Member(const Struct& object, const std::string& name) {
  const auto found = object.fields().find(name);
  return found == object.fields().end() ? nullptr : &found->second;
}

std::string TextMember(const Struct& object, const std::string& name) {
  const Value* value = Member(object, name);
  return value == nullptr ? "" : value->string_value();
}

std::optional<double> NumberMember(const Struct& object, const std::string& name) {
  const Value* value = Member(object, name);
  if (value == nullptr || !value->has_number_value()) return std::nullopt;
  return value->number_value();
}

bool BoolMember(const Struct& object, const std::string& name, bool when_absent) {
  const Value* value = Member(object, name);
  return value == nullptr ? when_absent : value->bool_value();
}

// Ledgers that do not say which metric is primary are of the time when all networks were judged by mAP.
v1::Metric ParseMetric(const Struct& object) {
  v1::Metric metric;
  metric.set_name(TextMember(object, "name"));
  metric.set_class_name(TextMember(object, "class"));
  metric.set_unit(TextMember(object, "unit"));
  metric.set_value(NumberMember(object, "value").value_or(std::nan("")));
  const bool was_primary = metric.name() == "mAP";
  metric.set_higher_is_better(BoolMember(object, "higher_is_better", was_primary));
  metric.set_primary(BoolMember(object, "primary", was_primary));
  return metric;
}

LedgerRow ParseRow(const Struct& object) {
  LedgerRow row{.stage = TextMember(object, "stage"),
                .kind = TextMember(object, "kind"),
                .artifact = TextMember(object, "artifact"),
                .parameters = NumberMember(object, "parameters"),
                .macs = NumberMember(object, "macs"),
                .bytes = NumberMember(object, "bytes"),
                .ms_per_image = NumberMember(object, "ms_per_image"),
                .cached = BoolMember(object, "cached", false)};
  const Value* metrics = Member(object, "metrics");
  if (metrics == nullptr) return row;
  for (const Value& item : metrics->list_value().values()) {
    *row.metrics.Add() = ParseMetric(item.struct_value());
  }
  return row;
}

std::string Cell(const std::optional<double>& value, int decimals) {
  return value.has_value() ? absl::StrFormat("%.*f", decimals, *value) : "-";
}

// Columns as wide as their widest cell; the first is left-aligned, the others right.
std::string Align(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string pad(widths[i] - row[i].size(), ' ');
      absl::StrAppend(&line, i == 0 ? "" : "  ", i == 0 ? row[i] + pad : pad + row[i]);
    }
    absl::StrAppend(&text, line, "\n");
  }
  return text;
}

std::string Scaled(double value, double base, const std::vector<std::string>& units) {
  size_t unit = 0;
  // 999.5 is shown as the next unit: three digits would round it up to 1000.
  while (std::abs(value) >= (base == 1000 ? 999.5 : 1023.5) && unit + 1 < units.size()) {
    value /= base;
    ++unit;
  }
  const int decimals = unit == 0 || std::abs(value) >= 100 ? 0 : std::abs(value) >= 10 ? 1 : 2;
  return absl::StrCat(absl::StrFormat("%.*f", decimals, value), units[unit].empty() ? "" : " ",
                      units[unit]);
}

}  // namespace

std::optional<double> LedgerRow::Value(absl::string_view name, absl::string_view class_name) const {
  for (const v1::Metric& metric : metrics) {
    if (metric.name() == name && metric.class_name() == class_name) {
      return std::isfinite(metric.value()) ? std::optional(metric.value()) : std::nullopt;
    }
  }
  return std::nullopt;
}

std::optional<double> Measure::Change(const LedgerRow& row) const {
  const auto value = row.Value(metric.name());
  if (!value.has_value() || &row == reference) return std::nullopt;
  return *value - metric.value();
}

std::vector<Measure> Ledger::Measures() const {
  std::vector<Measure> measures;
  for (const LedgerRow& row : rows) {
    const Accuracy accuracy = FindAccuracy(row.metrics);
    if (accuracy.metric == nullptr || !std::isfinite(accuracy.metric->value())) continue;
    auto measure = absl::c_find_if(measures, [&](const Measure& one) {
      return one.metric.name() == accuracy.metric->name();
    });
    if (measure == measures.end()) {
      measures.push_back({.metric = *accuracy.metric, .reference = &row});
      measure = measures.end() - 1;
    }
    if (measure->class_metric.empty()) measure->class_metric = accuracy.class_metric;
    for (const v1::Metric& metric : row.metrics) {
      if (!metric.class_name().empty() && metric.name() == measure->class_metric &&
          !absl::c_linear_search(measure->classes, metric.class_name())) {
        measure->classes.push_back(metric.class_name());
      }
    }
  }
  return measures;
}

Ledger MakeLedger(const v1::Run& run,
                  const std::map<std::string, std::vector<v1::Artifact>>& inputs) {
  Ledger ledger{.run = run.name(), .pipeline = run.pipeline()};
  std::map<std::string, ModelFacts> facts;
  // Makers first: a pipeline may list a stage before the one that it needs.
  std::map<std::string, LedgerRow> rows;
  for (int pass = 0; pass < 2; ++pass) {
    for (const v1::Run::Stage& stage : run.stages()) {
      if (!MakesOrJudgesModels(stage.kind()) || stage.metrics().empty()) {
        if (MadeModel(stage) == nullptr) continue;
      }
      const auto read = inputs.find(stage.name());
      rows[stage.name()] = MakeRow(stage, MadeModel(stage),
                                   read == inputs.end() ? nullptr : ReadModel(read->second), facts);
    }
  }
  for (const v1::Run::Stage& stage : run.stages()) {
    if (const auto row = rows.find(stage.name()); row != rows.end()) {
      ledger.rows.push_back(row->second);
    }
  }
  return ledger;
}

std::string LedgerJson(const Ledger& ledger) {
  std::vector<std::string> rows;
  for (const LedgerRow& row : ledger.rows) rows.push_back(RowJson(row));
  return absl::StrCat("{\n  \"run\": ", JsonText(ledger.run),
                      ",\n  \"pipeline\": ", JsonText(ledger.pipeline), ",\n  \"stages\": [\n",
                      absl::StrJoin(rows, ",\n"), "\n  ]\n}\n");
}

absl::StatusOr<Ledger> ParseLedger(absl::string_view text) {
  Struct object;
  const auto status = google::protobuf::util::JsonStringToMessage(std::string(text), &object);
  if (!status.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("is no JSON: ", std::string(status.message())));
  }
  const Value* stages = Member(object, "stages");
  if (stages == nullptr || !stages->has_list_value()) {
    return absl::InvalidArgumentError("is no ledger: it has no list 'stages'");
  }
  Ledger ledger{.run = TextMember(object, "run"), .pipeline = TextMember(object, "pipeline")};
  for (const Value& item : stages->list_value().values()) {
    ledger.rows.push_back(ParseRow(item.struct_value()));
  }
  return ledger;
}

absl::StatusOr<Ledger> LoadLedger(const std::string& path) {
  constexpr int64_t kMaxBytes = 64 << 20;
  TY_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxBytes));
  auto ledger = ParseLedger(text);
  if (!ledger.ok()) return Annotate(ledger.status(), path);
  return ledger;
}

std::string LedgerTable(const Ledger& ledger) {
  const std::vector<Measure> measures = ledger.Measures();
  std::vector<std::vector<std::string>> table;
  std::vector<std::string> head = {"stage"};
  for (const Measure& measure : measures) {
    const bool higher = measure.metric.higher_is_better();
    head.insert(head.end(), {TitleOf(measure.metric), higher ? "change" : "change (lower is better)"});
    for (const std::string& name : measure.classes) {
      head.push_back(absl::StrCat(measure.class_metric, " ", name));
    }
  }
  head.insert(head.end(), {"params", "MACs", "size", "ms/image", ""});
  table.push_back(head);
  for (const LedgerRow& row : ledger.rows) {
    std::vector<std::string> cells = {row.stage};
    for (const Measure& measure : measures) {
      const auto change = measure.Change(row);
      cells.push_back(Cell(row.Value(measure.metric.name()), 4));
      cells.push_back(change.has_value() ? absl::StrFormat("%+.4f", *change) : "-");
      for (const std::string& name : measure.classes) {
        cells.push_back(Cell(row.Value(measure.class_metric, name), 4));
      }
    }
    cells.push_back(row.parameters.has_value() ? ShortCount(*row.parameters) : "-");
    cells.push_back(row.macs.has_value() ? ShortCount(*row.macs) : "-");
    cells.push_back(row.bytes.has_value() ? ShortBytes(*row.bytes) : "-");
    cells.push_back(Cell(row.ms_per_image, 3));
    cells.push_back(row.cached ? "cached" : "");
    table.push_back(std::move(cells));
  }
  return Align(table);
}

std::string ShortCount(double value) { return Scaled(value, 1000, {"", "k", "M", "G", "T"}); }

std::string ShortBytes(double value) {
  return Scaled(value, 1024, {"B", "KiB", "MiB", "GiB", "TiB"});
}

}  // namespace trainyard::report
