#pragma once

#include <cstdio>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "google/protobuf/message.h"
#include "trainyard/v1/operation.pb.h"

namespace trainyard::cli {

/// How a command speaks to its caller.
struct OutputOptions {
  /// Machine output: one JSON object a line on stdout, nothing else.
  bool json = false;
  /// Results only.
  bool quiet = false;
};

/// Shows the progress of one operation on stderr: a live line on a terminal, else a plain line at
/// most every 10 s; the metrics of each epoch, and warnings, once. Not thread-safe.
class ProgressDisplay {
 public:
  ProgressDisplay(OutputOptions options, std::string label);
  void Update(const v1::OperationMetadata& metadata);
  /// Ends the live line.
  void Finish();

 private:
  void ShowWarnings(const v1::OperationMetadata& metadata);
  void ShowMetrics(const v1::OperationMetadata& metadata);
  OutputOptions options_;
  std::string label_;
  bool terminal_;
  bool line_open_ = false;
  int warnings_shown_ = 0;
  std::string metrics_shown_;
  absl::Time last_line_ = absl::InfinitePast();
};

/// `message` as JSON on one line, with the fields' own names. An mAP of 0 is a value, too.
std::string JsonText(const google::protobuf::Message& message);

/// "epoch 3 of 80 | 1200/9600 images | 38.2 images/s | ETA 3:40".
std::string ProgressText(const v1::Progress& progress);
/// "1:02:03" or "4:05".
std::string DurationText(double seconds);

/// What a stage made and measured: JSON on stdout, or tables for people (TAO's for accuracy).
void PrintResult(const OutputOptions& options, const v1::StageResult& result);

/// What --dry-run answers for a `what` that is fine: {"valid":true}, or a sentence.
void PrintValid(const OutputOptions& options, const std::string& what);

/// Says on stderr, after a Ctrl-C, how to come back to what works on at `address`. `noun`:
/// "operations" or "runs".
void PrintWayBack(const std::string& noun, const std::string& name, const std::string& address);

/// What failed: the command as it was typed, a service's answer to a call, or the work.
enum class FailedAt { kUsage, kCall, kOperation };
/// Prints a failed status on stderr (as JSON on stdout with --json) and returns the exit code
/// (conventions section 17): 2 for usage, 64 + code for a call, 3 for work that was cancelled, 1
/// for work that failed.
int PrintFailure(const OutputOptions& options, const absl::Status& status, FailedAt where);

}  // namespace trainyard::cli
