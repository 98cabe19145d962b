#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/commands.h"
#include "cli/display.h"
#include "libs/base/files.h"
#include "libs/base/printable.h"
#include "libs/base/scratch_folder.h"
#include "libs/base/status.h"
#include "libs/networks/prepare_spec.h"
#include "libs/networks/registry.h"
#include "libs/report/data_review.h"
#include "libs/service/threads.h"
#include "libs/spec/spec_kind.h"
#include "libs/worker/rpc_status.h"
#include "libs/worker/run_alone.h"

namespace trainyard::cli {
namespace {

constexpr int64_t kMaxSpecBytes = 4 << 20;

// A set as it is typed.
struct TypedSet {
  std::string folder, part;
};

struct CheckFlags {
  OutputOptions output;
  TypedSet set, against;
  std::string format, spec, report;
  std::vector<std::string> overrides;
  int threads = 0;
  bool strict = false;
};

void SetFolder(const TypedSet& typed, const std::string& format,
               worker::v1::ReviewDataTask::Set& set) {
  set.set_folder(std::filesystem::absolute(typed.folder).lexically_normal().string());
  set.set_shown(typed.folder);
  set.set_format(format);
  set.set_part(typed.part);
}

// The network and its spec, for the boxes that it brings. Paths in it are left alone: nothing there is
// read.
absl::Status SetSpec(const CheckFlags& flags, worker::WorkerJob& job) {
  TY_ASSIGN_OR_RETURN(const std::string text, ReadFile(flags.spec, kMaxSpecBytes));
  const spec::RecognisedSpec told = spec::RecogniseSpec(text, networks::NetworkMarkers());
  const std::string network =
      told.kind == spec::SpecKind::kExperiment ? told.network : networks::DefaultNetwork();
  const auto as_it_is = [](absl::string_view path) -> absl::StatusOr<std::string> {
    return std::string(path);
  };
  TY_ASSIGN_OR_RETURN(const networks::PreparedSpec spec,
                      networks::PrepareSpec(network, text, flags.spec, flags.overrides,
                                            spec::SpecUse::kTrain, as_it_is));
  job.set_network(network);
  job.set_spec(spec.canonical_text);
  return absl::OkStatus();
}

absl::StatusOr<worker::WorkerJob> JobOf(const CheckFlags& flags, const std::string& output) {
  worker::WorkerJob job;
  worker::v1::ReviewDataTask& task = *job.mutable_review_data();
  job.set_threads(flags.threads > 0 ? flags.threads : service::ThreadBudget());
  SetFolder(flags.set, flags.format, *task.mutable_set());
  if (!flags.against.folder.empty()) {
    SetFolder(flags.against, flags.format, *task.mutable_against());
  } else if (!flags.against.part.empty()) {
    SetFolder({flags.set.folder, flags.against.part}, flags.format, *task.mutable_against());
  }
  if (!flags.spec.empty()) TY_RETURN_IF_ERROR(SetSpec(flags, job));
  task.set_output(std::filesystem::absolute(output).string());
  task.set_page(!flags.report.empty());
  return job;
}

// A worker reads the pictures, so that one that ends the reader ends in a message.
absl::StatusOr<worker::Finished> RunWorker(const CheckFlags& flags, worker::WorkerJob job) {
  LiveLine line;
  worker::AloneOptions options;
  if (!flags.output.json && !flags.output.quiet) {
    options.on_progress = [&line](const v1::Progress& progress) {
      line.Show(absl::StrCat(progress.message(), " | ", ProgressText(progress)));
    };
  }
  auto finished = worker::RunAlone("trainyard-stage-worker", std::move(job), "", options);
  if (worker::ReasonOf(finished.status()) != "WORKER_CRASHED") return finished;
  return Annotate(finished.status(), absl::StrCat("while reading '", flags.set.folder, "'"));
}

double MetricOf(const worker::Finished& finished, absl::string_view name) {
  for (const v1::Metric& metric : finished.metrics()) {
    if (metric.name() == name) return metric.value();
  }
  return 0;
}

absl::Status Print(const CheckFlags& flags, const std::string& output,
                   const worker::Finished& finished) {
  if (flags.output.json) {
    TY_ASSIGN_OR_RETURN(const std::string findings,
                        ReadFile(JoinPath(output, report::kFindingsFile)));
    fwrite(findings.data(), 1, findings.size(), stdout);
    return absl::OkStatus();
  }
  for (const std::string& note : finished.notes()) printf("%s\n", Printable(note).c_str());
  printf("%.0f errors, %.0f warnings, %.0f notes\n", MetricOf(finished, "errors"),
         MetricOf(finished, "warnings"), MetricOf(finished, "notes"));
  if (!flags.report.empty()) {
    printf("%s\n", JoinPath(flags.report, report::kReviewPage).c_str());
  }
  return absl::OkStatus();
}

absl::StatusOr<worker::Finished> CheckInto(const CheckFlags& flags, const std::string& output) {
  TY_ASSIGN_OR_RETURN(worker::WorkerJob job, JobOf(flags, output));
  TY_ASSIGN_OR_RETURN(const worker::Finished finished, RunWorker(flags, std::move(job)));
  TY_RETURN_IF_ERROR(Print(flags, output, finished));
  return finished;
}

absl::StatusOr<worker::Finished> Check(const CheckFlags& flags) {
  if (flags.report.empty()) {
    TY_ASSIGN_OR_RETURN(const ScratchFolder scratch, ScratchFolder::Make("trainyard-check"));
    return CheckInto(flags, scratch.path());
  }
  TY_RETURN_IF_ERROR(MakeFolders(flags.report));
  return CheckInto(flags, flags.report);
}

int RunCheck(const CheckFlags& flags) {
  const auto finished = Check(flags);
  if (!finished.ok()) return PrintFailure(flags.output, finished.status(), FailedAt::kOperation);
  const bool bad = MetricOf(*finished, "errors") > 0 || MetricOf(*finished, "warnings") > 0;
  return flags.strict && bad ? 1 : 0;
}

}  // namespace

void AddDataCheckCommand(CLI::App& data, Run& run) {
  auto flags = std::make_shared<CheckFlags>();
  CLI::App& check = *data.add_subcommand(
      "check", "find copies, leaks and odd labels in a data set before it is trained on");
  check.add_option("folder", flags->set.folder, "folder of the set")->required();
  check.add_option("--part", flags->set.part, "which part of it, such as train (the only one)");
  check.add_option("--against", flags->against.folder,
                   "a set that must share no picture with it, such as the validation data");
  check.add_option("--against-part", flags->against.part,
                   "which part of that, or of the set itself where --against is not given");
  check.add_option("--format", flags->format, "kitti, coco, voc or yolo (as they look)")
      ->check(CLI::IsMember(std::vector<std::string>{"kitti", "coco", "voc", "yolo"}));
  check.add_option("-e,--experiment_spec_file", flags->spec,
                   "experiment spec: tells how well the boxes fit its network");
  check.add_option("--set", flags->overrides, "change the spec: path=value (repeatable)")
      ->allow_extra_args(false);
  check.add_option("-o,--output", flags->report,
                   "folder for findings.jsonl and review.html, which are replaced");
  check.add_option("--threads", flags->threads, "threads that look pictures through (all)")
      ->check(CLI::Range(1, 256));
  check.add_flag("--strict", flags->strict, "exit with 1 when there is an error or a warning");
  check.add_flag("--json", flags->output.json, "the findings as JSON, one a line");
  check.add_flag("-q,--quiet", flags->output.quiet, "no progress");
  WhenTyped(check, run, flags, RunCheck);
}

}  // namespace trainyard::cli
