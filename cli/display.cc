#include "cli/display.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "google/protobuf/util/json_util.h"
#include "libs/base/printable.h"
#include "libs/base/utf8.h"
#include "libs/report/accuracy.h"
#include "libs/worker/rpc_status.h"

namespace trainyard::cli {
namespace {

constexpr absl::Duration kPlainLineEvery = absl::Seconds(10);

int WindowColumns() {
  winsize size = {};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

// For logs: "14:03:22 train: ...".
std::string WithTime(const std::string& text) {
  return absl::StrCat(absl::FormatTime("%H:%M:%S ", absl::Now(), absl::LocalTimeZone()), text);
}

// "AP[car]".
std::string NameOf(const v1::Metric& metric) {
  return metric.class_name().empty() ? metric.name()
                                     : absl::StrCat(metric.name(), "[", metric.class_name(), "]");
}

bool IsTerminal() {
  const char* term = getenv("TERM");
  return isatty(STDERR_FILENO) && (term == nullptr || absl::string_view(term) != "dumb");
}

// TAO's console table of an evaluation: what judges it, and what that comes to for each class.
void PrintAccuracy(const v1::StageResult& result, const report::Accuracy& accuracy) {
  const std::string stars(31, '*');
  if (accuracy.metric != nullptr) printf("%s\n", stars.c_str());
  for (const v1::Metric& metric : result.metrics()) {
    if (!accuracy.Holds(metric)) continue;
    printf("%-14s%-5s %.3f%s%s\n", Printable(metric.class_name()).c_str(), metric.name().c_str(),
           metric.value(), metric.unit().empty() ? "" : " ", metric.unit().c_str());
  }
  if (accuracy.metric != nullptr) printf("%s\n", stars.c_str());
}

void PrintNumbers(const v1::StageResult& result, const report::Accuracy& accuracy) {
  for (const v1::Metric& metric : result.metrics()) {
    if (accuracy.Holds(metric)) continue;
    printf("%-24s %s%s%s\n", NameOf(metric).c_str(),
           absl::StrFormat("%.6g", metric.value()).c_str(), metric.unit().empty() ? "" : " ",
           metric.unit().c_str());
  }
}

}  // namespace

void PrintJson(const google::protobuf::Message& message) {
  std::string text;
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  const auto status = google::protobuf::util::MessageToJsonString(message, &text, options);
  printf("%s\n", status.ok() ? text.c_str() : "{}");
}

std::string DurationText(double seconds) {
  const auto total = static_cast<int64_t>(std::llround(std::max(0.0, seconds)));
  const int64_t hours = total / 3600, minutes = total / 60 % 60, rest = total % 60;
  if (hours > 0) return absl::StrFormat("%d:%02d:%02d", hours, minutes, rest);
  return absl::StrFormat("%d:%02d", minutes, rest);
}

std::string ProgressText(const v1::Progress& progress) {
  std::string text = Printable(progress.message());
  const auto add = [&text](const std::string& part) {
    absl::StrAppend(&text, text.empty() ? "" : " | ", part);
  };
  if (progress.total() > 0) {
    add(absl::StrFormat("%.0f/%.0f %s", progress.done(), progress.total(), progress.unit()));
  } else if (progress.done() > 0) {
    add(absl::StrFormat("%.0f %s", progress.done(), progress.unit()));
  }
  if (progress.rate() > 0) {
    add(absl::StrFormat(progress.rate() < 10 ? "%.2f %s/s" : "%.1f %s/s", progress.rate(),
                        progress.unit()));
  }
  if (progress.eta_seconds() >= 0 && progress.rate() > 0) {
    add(absl::StrCat("ETA ", DurationText(progress.eta_seconds())));
  }
  return text;
}

std::string CutToWidth(const std::string& text, int columns) {
  if (columns < 4) return text;
  size_t end = 0, cut = 0;  // bytes: of what is looked at, and of what leaves room for the dots
  for (int column = 0; end < text.size(); ++column) {
    if (column == columns - 3) cut = end;
    if (column == columns) return text.substr(0, cut) + "...";
    end += std::max<size_t>(Utf8Length(absl::string_view(text).substr(end)), 1);
  }
  return text;
}

LiveLine::LiveLine() : terminal_(IsTerminal()) {}

void LiveLine::Show(const std::string& text) {
  if (terminal_) {
    // A line as wide as the window would wrap on some terminals.
    fprintf(stderr, "\r\033[K%s", CutToWidth(text, WindowColumns() - 1).c_str());
    line_open_ = true;
    return;
  }
  const absl::Time now = absl::Now();
  if (now - last_line_ < kPlainLineEvery) return;
  fprintf(stderr, "%s\n", WithTime(text).c_str());
  last_line_ = now;
}

void LiveLine::Say(const std::string& text) {
  Finish();
  fprintf(stderr, "%s\n", terminal_ ? text.c_str() : WithTime(text).c_str());
}

void LiveLine::Finish() {
  if (line_open_) fputc('\n', stderr);
  line_open_ = false;
}

OperationDisplay::OperationDisplay(OutputOptions options, std::string label, FlagWords words)
    : options_(options), label_(std::move(label)), words_(std::move(words)) {}

void OperationDisplay::Update(const v1::OperationMetadata& metadata) {
  if (options_.json) {
    if (options_.quiet) return ShowWarnings(metadata);
    PrintJson(metadata);
    fflush(stdout);
    return;
  }
  ShowWarnings(metadata);
  if (options_.quiet) return;
  ShowMetrics(metadata);
  const std::string text = ProgressText(metadata.progress());
  if (!text.empty()) line_.Show(absl::StrCat(label_, ": ", text));
}

void OperationDisplay::ShowWarnings(const v1::OperationMetadata& metadata) {
  for (; warnings_shown_ < metadata.warnings_size(); ++warnings_shown_) {
    line_.Finish();
    const std::string& warning = metadata.warnings(warnings_shown_).message();
    fprintf(stderr, "%s: warning: %s\n", label_.c_str(),
            Printable(InFlagWords(warning, words_)).c_str());
  }
}

std::string ChangedMetrics(const v1::OperationMetadata& metadata,
                           std::map<std::string, double>& shown) {
  std::string text;
  for (const v1::Metric& metric : metadata.metrics()) {
    const auto [place, is_new] = shown.emplace(NameOf(metric), metric.value());
    if (!is_new && place->second == metric.value()) continue;
    place->second = metric.value();
    absl::StrAppend(&text, text.empty() ? "" : "  ", NameOf(metric), " ",
                    absl::StrFormat("%.4g", metric.value()));
  }
  return text;
}

void OperationDisplay::ShowMetrics(const v1::OperationMetadata& metadata) {
  const std::string text = ChangedMetrics(metadata, metrics_shown_);
  if (text.empty()) return;
  const std::string& epoch = metadata.progress().message();
  line_.Say(absl::StrCat(label_, ": ", epoch, epoch.empty() ? "" : ": ", text));
}

void PrintResult(const OutputOptions& options, const v1::StageResult& result) {
  if (options.json) {
    PrintJson(result);
    return;
  }
  const report::Accuracy accuracy = report::FindAccuracy(result.metrics());
  PrintAccuracy(result, accuracy);
  PrintNumbers(result, accuracy);
  for (const std::string& note : result.notes()) printf("%s\n", Printable(note).c_str());
  for (const v1::Artifact& output : result.outputs()) {
    printf("%s: %s (%s, %s bytes, sha256 %s)\n", output.name().c_str(), Printable(output.uri()).c_str(),
           output.kind().c_str(), absl::StrCat(output.size_bytes()).c_str(),
           output.sha256().substr(0, 12).c_str());
  }
}

void PrintValid(const OutputOptions& options, const std::string& what) {
  if (options.json) {
    printf("{\"valid\":true}\n");
  } else {
    printf("%s is valid\n", what.c_str());
  }
}

void PrintName(const OutputOptions& options, const std::string& name) {
  printf(options.json ? "{\"name\":\"%s\"}\n" : "%s\n", name.c_str());
}

void PrintWayBack(const std::string& noun, const std::string& name, const std::string& address) {
  const auto command = [&](absl::string_view verb) {
    return absl::StrCat("trainyard ", noun, " ", verb, " ", name, " --endpoint ", address);
  };
  fprintf(stderr, "\n%s goes on; follow it with: %s\ncancel it with: %s\n", name.c_str(),
          command("watch").c_str(), command("cancel").c_str());
}

int PrintFailure(const OutputOptions& options, const absl::Status& status, FailedAt where) {
  if (options.json) {
    PrintJson(worker::RpcStatusFrom(status));
  } else {
    fprintf(stderr, "trainyard: %s: %s\n", absl::StatusCodeToString(status.code()).c_str(),
            Printable(status.message()).c_str());
  }
  switch (where) {
    case FailedAt::kUsage:
      return 2;
    case FailedAt::kCall:
      return 64 + static_cast<int>(status.code());
    case FailedAt::kOperation:
      return absl::IsCancelled(status) ? 3 : 1;
  }
  return 1;
}

}  // namespace trainyard::cli
