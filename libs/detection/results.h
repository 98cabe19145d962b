#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/detection/evaluator.h"
#include "libs/tensor/tensor.h"

namespace trainyard {

/// TAO's console text of an evaluation: between two lines of 31 asterisks, a line per class (name
/// to 14 columns, `AP` to 6, value) and the `mAP` line. `decimals`: 3 for `evaluate`, 5 in
/// training.
std::string ResultsTable(const EvaluationResult& result, int decimals = 3);

/// The text of results.json: `AP_<class>` per class and `mAP`, as TAO's readers expect, then what
/// we add: `mAP50` and `AP50_<class>` for coco, `matching`, `average_precision_mode`, counts,
/// `ms_per_image` with `latency_batch_size` when it was measured, the other rule's numbers in
/// `matching_voc` or `matching_tao`, and `pr_curves` {class: {recall, precision, score}} thinned to
/// at most 200 points. NaN is written as null. Ends in a line break.
std::string ResultsJson(const EvaluationResult& result);

/// One line of TAO's status.json.
struct StatusEntry {
  /// `STARTED`, `RUNNING`, `SUCCESS`, `FAILURE`, `SKIPPED`.
  std::string status;
  std::string message;
  std::string verbosity = "INFO";
  /// Members of the line itself (epoch, eta...): JSON values as they are to be printed.
  std::vector<std::pair<std::string, std::string>> fields;
  /// Members of `categorical`, `graphical` and `kpi`, likewise; left out when empty.
  std::vector<std::pair<std::string, std::string>> categorical, graphical, kpi;
};
/// The line, with its line break. Date `M/D/YYYY` and time `H:M:S` without padding, in UTC.
std::string StatusLine(const StatusEntry& entry, absl::Time now);
/// Appends the line to `path` with one write, making the file when it is not there. kInternal when
/// it cannot.
absl::Status AppendStatus(const std::string& path, const StatusEntry& entry, absl::Time now);

/// Precision over recall of every class, as a picture: u8 RGB [h, w, 3]. kIntegrate draws
/// envelopes.
Tensor DrawPrCurves(const EvaluationResult& result);

/// Writes `<folder>/results.json`, a line into `<folder>/status.json` and, when asked,
/// `<folder>/PR_curve.png`. The folder is made.
absl::Status WriteResults(const std::string& folder, const EvaluationResult& result, bool pr_curve,
                          absl::Time now);

}  // namespace trainyard
