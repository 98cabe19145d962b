#pragma once

#include <cstdio>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "cli/flag_words.h"
#include "google/protobuf/message.h"
#include "trainyard/v1/operation.pb.h"

namespace trainyard::cli {

/// How a command speaks to its caller.
struct OutputOptions {
  /// Machine output: one JSON object a line on stdout, nothing else.
  bool json = false;
  /// Results and warnings only.
  bool quiet = false;
};

/// Something live on stderr: on a terminal one line that is redrawn and cut to the window's width,
/// elsewhere plain lines with the time of day, at most one every 10 s. Not thread-safe.
class LiveLine {
 public:
  LiveLine();
  ~LiveLine() { Finish(); }
  LiveLine(const LiveLine&) = delete;
  LiveLine& operator=(const LiveLine&) = delete;
  /// Shows `text` as the newest state.
  void Show(const std::string& text);
  /// A line that stays, above the live one.
  void Say(const std::string& text);
  /// Ends the live line.
  void Finish();

 private:
  const bool terminal_;
  bool line_open_ = false;
  absl::Time last_line_ = absl::InfinitePast();
};

/// `text` cut to `columns` columns of a terminal, with "..." where something is missing. Counts
/// letters of UTF-8, not bytes. Less than 4 columns: unchanged.
std::string CutToWidth(const std::string& text, int columns);

/// Shows the progress of one operation on stderr: a live line, the metrics of each epoch, and
/// warnings, once and in the words of the command line. Not thread-safe.
class OperationDisplay {
 public:
  OperationDisplay(OutputOptions options, std::string label, FlagWords words = {});
  void Update(const v1::OperationMetadata& metadata);
  void Finish() { line_.Finish(); }

 private:
  void ShowWarnings(const v1::OperationMetadata& metadata);
  void ShowMetrics(const v1::OperationMetadata& metadata);
  OutputOptions options_;
  std::string label_;
  FlagWords words_;
  LiveLine line_;
  int warnings_shown_ = 0;
  std::map<std::string, double> metrics_shown_;
};

/// Prints `message` as JSON on one line of stdout, with the fields' own names. A metric of 0 is a value, too.
void PrintJson(const google::protobuf::Message& message);

/// "epoch 3 of 80 | 1200/9600 images | 38.2 images/s | ETA 3:40".
std::string ProgressText(const v1::Progress& progress);
/// The metrics whose values are not those of `shown`, which is brought up to date: an operation
/// keeps the newest value of each, so that one that was not measured again would else be told
/// again.
std::string ChangedMetrics(const v1::OperationMetadata& metadata,
                           std::map<std::string, double>& shown);
/// "1:02:03" or "4:05".
std::string DurationText(double seconds);

/// What a stage made and measured: JSON on stdout, or tables for people (TAO's for accuracy).
void PrintResult(const OutputOptions& options, const v1::StageResult& result);

/// What --dry-run answers and spec check answer when `what` ("the request") is fine:
/// {"valid":true}, or a sentence.
void PrintValid(const OutputOptions& options, const std::string& what);

/// The name of an operation or run that was started and goes on by itself.
void PrintName(const OutputOptions& options, const std::string& name);

/// Says on stderr, after a Ctrl-C, how to come back to what works on at `address`. `noun`:
/// "operations" or "runs".
void PrintWayBack(const std::string& noun, const std::string& name, const std::string& address);

/// What failed: the command as it was typed, a service's answer to a call, or the work.
enum class FailedAt { kUsage, kCall, kOperation };
/// Prints a failed status on stderr (as JSON on stdout with --json) and returns the exit code: 2 for
/// usage, 64 + code for a call, 3 for work that was cancelled, 1 for work that failed.
int PrintFailure(const OutputOptions& options, const absl::Status& status, FailedAt where);

}  // namespace trainyard::cli
