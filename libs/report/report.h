#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/report/ledger.h"
#include "trainyard/v1/orchestrator.pb.h"

namespace trainyard::report {

/// What a report is made of.
struct ReportInput {
  v1::Run run;
  /// The inputs of the run's stages, by name.
  std::map<std::string, std::vector<v1::Artifact>> inputs;
  /// The absolute path of a workspace URI.
  std::function<absl::StatusOr<std::string>(const std::string& uri)> resolve;
};

/// The page: ledger, curves of every training (its `log`), precision over recall of every
/// evaluation (its `results`: results.json) and what explains it (details.h), a dozen pictures of
/// the last inference, the stages with their times, and the digests of all that was made. One file
/// without scripts and without anything from elsewhere. What a stage did not leave behind is left
/// out; this never fails.
std::string ReportHtml(const ReportInput& input, const Ledger& ledger);

/// Writes report.html and ledger.json into `folder`, which is made when missing. Fails as writing does.
absl::Status WriteReport(const ReportInput& input, const std::string& folder);

}  // namespace trainyard::report
