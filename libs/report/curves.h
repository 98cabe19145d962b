#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/report/chart.h"

namespace trainyard::report {

/// Columns of a training log: `epoch` first, then what the network reports (TAO's
/// `<network>_training_log_<arch>.csv`). One series a column, over the epoch; `nan` stays. kInvalidArgument
/// names the line that does not have the header's number of columns.
absl::StatusOr<std::vector<Series>> ParseTrainingLog(absl::string_view csv);

/// Precision over recall per class from an evaluation's results.json; empty when it holds none.
/// kInvalidArgument when the text is no JSON.
absl::StatusOr<std::vector<Series>> ParsePrCurves(absl::string_view json);

}  // namespace trainyard::report
