#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/report/accuracy.h"
#include "trainyard/v1/artifact.pb.h"
#include "trainyard/v1/orchestrator.pb.h"

namespace trainyard::report {

/// What a stage's model is and how good it is.
struct LedgerRow {
  std::string stage;
  /// `train`, `evaluate_engine`.
  std::string kind;
  /// URI of the model that the numbers are for: what the stage made, or what it judged.
  std::string artifact;
  std::string artifact_kind;
  Metrics metrics;
  /// Of that model; handed on from the stage that made it. Absent when nobody measured them.
  std::optional<double> parameters, macs, bytes;
  /// The network alone, one image.
  std::optional<double> ms_per_image;
  bool cached = false;

  /// The metric `name` of a class ("" = all); absent when it is missing or not finite.
  std::optional<double> Value(absl::string_view name, absl::string_view class_name = "") const;
};

/// A metric by which models of a run are judged.
struct Measure {
  /// As the first row that has it says; its value is finite.
  v1::Metric metric;
  /// That row, of the ledger's: what later ones are compared with.
  const LedgerRow* reference = nullptr;
  /// The name of what it comes to for a class, and the classes that it was measured for, in the order
  /// of their first appearance.
  std::string class_metric;
  std::vector<std::string> classes;

  /// How far `row` is from the reference; absent for the reference and where it was not measured.
  std::optional<double> Change(const LedgerRow& row) const;
};

/// The accuracy ledger of a run: a row for each stage that made or judged a model, in the order of
/// the pipeline.
struct Ledger {
  /// `runs/<id>`.
  std::string run;
  std::string pipeline;
  std::vector<LedgerRow> rows;

  /// What the rows are judged by, in the order of its first appearance: one metric, unless the stages
  /// are of several networks.
  std::vector<Measure> Measures() const;
};

/// Makes the ledger of a run. `inputs` are the inputs of its stages by name; stages without them get
/// no numbers handed on. Pure.
Ledger MakeLedger(const v1::Run& run,
                  const std::map<std::string, std::vector<v1::Artifact>>& inputs = {});

/// ledger.json: {run, pipeline, stages: [{stage, kind, artifact, metrics: [{name, class, value, unit,
/// higher_is_better, primary}], parameters, macs, bytes, ms_per_image, cached}]}; numbers that are absent
/// are null. Ends in a line break.
std::string LedgerJson(const Ledger& ledger);
/// The way back. kInvalidArgument when `text` is no ledger.
absl::StatusOr<Ledger> ParseLedger(absl::string_view text);

/// Reads a ledger.json. Fails as ReadFile and ParseLedger do.
absl::StatusOr<Ledger> LoadLedger(const std::string& path);

/// The ledger for a terminal: a line a row with each measure, its change against the first row that
/// has it, what it comes to for each class, parameters, MACs, size and time. Ends in a line break.
std::string LedgerTable(const Ledger& ledger);

/// "5.71 M", "412 k", "96": three digits that matter.
std::string ShortCount(double value);
/// "21.8 MiB".
std::string ShortBytes(double value);

}  // namespace trainyard::report
