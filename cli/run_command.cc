#include "cli/run_command.h"

#include <map>
#include <stop_token>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/signal_watch.h"
#include "libs/base/files.h"
#include "libs/base/printable.h"
#include "libs/base/status.h"
#include "libs/report/ledger.h"
#include "libs/service/client.h"
#include "libs/worker/rpc_status.h"
#include "services/orchestrator/pipeline.h"

namespace trainyard::cli {
namespace {

using Stub = v1::OrchestratorService::Stub;

constexpr int64_t kMostTextBytes = 4 << 20;

bool IsFinal(v1::Run::State state) {
  return state == v1::Run::SUCCEEDED || state == v1::Run::FAILED || state == v1::Run::CANCELLED;
}

// Prints what changed in a run since the last call: states of stages and their notes once, and what
// works as a live line. With --quiet the notes alone: what a stage left out is no progress.
class RunDisplay {
 public:
  explicit RunDisplay(OutputOptions options) : options_(options) {}

  void Update(const v1::Run& run) {
    if (options_.json) {
      // With --quiet too, the last state only.
      if (options_.quiet && !IsFinal(run.state())) return;
      PrintJson(run);
      fflush(stdout);
      return;
    }
    for (int i = 0; i < run.stages_size(); ++i) {
      if (!options_.quiet) ShowStage(run, i);
      ShowNotes(run, i);
    }
  }

 private:
  // "4 of 16".
  static std::string Count(const v1::Run& run, int index) {
    return absl::StrCat("[", index + 1, " of ", run.stages_size(), "] ");
  }

  void ShowStage(const v1::Run& run, int index) {
    const v1::Run::Stage& stage = run.stages(index);
    const std::string state = v1::Run::State_Name(stage.state());
    const bool changed = states_[stage.name()] != state;
    states_[stage.name()] = state;
    if (changed && stage.state() != v1::Run::PENDING) {
      std::string line = absl::StrCat(Count(run, index), stage.name(), ": ", state);
      if (!stage.reason().empty()) absl::StrAppend(&line, " (", stage.reason(), ")");
      if (stage.has_error()) absl::StrAppend(&line, ": ", stage.error().message());
      for (const v1::Metric& metric : stage.metrics()) {
        if (metric.primary()) {
          absl::StrAppend(&line, "  ", metric.name(), " ", absl::StrFormat("%.4g", metric.value()));
        }
      }
      line_.Say(line);
    }
    if (stage.state() != v1::Run::RUNNING) return;
    const std::string progress = ProgressText(stage.progress());
    if (progress.empty() || progress == progress_[stage.name()]) return;
    progress_[stage.name()] = progress;
    line_.Show(absl::StrCat(Count(run, index), stage.name(), ": ", progress));
  }

  void ShowNotes(const v1::Run& run, int index) {
    const v1::Run::Stage& stage = run.stages(index);
    for (int& shown = notes_shown_[stage.name()]; shown < stage.notes_size(); ++shown) {
      line_.Say(absl::StrCat(Count(run, index), stage.name(), ": ",
                             Printable(stage.notes(shown))));
    }
  }

  OutputOptions options_;
  LiveLine line_;
  std::map<std::string, std::string> states_, progress_;
  std::map<std::string, int> notes_shown_;
};

// Shows a run by its stream until it is final, or until `stop`; a stream that breaks is opened
// again, as is one that is silent for too long.
absl::StatusOr<v1::Run> ShowToTheEnd(Stub& stub, v1::Run run, const OutputOptions& output,
                                     const std::stop_token& stop) {
  RunDisplay display(output);
  display.Update(run);
  int failures = 0;
  while (!IsFinal(run.state())) {
    v1::WatchRunRequest request;
    request.set_name(run.name());
    request.set_after_sequence(run.sequence());
    const absl::Status status = service::ReadStream<v1::WatchRunResponse>(
        [&](grpc::ClientContext* context, grpc::CompletionQueue* queue) {
          return stub.PrepareAsyncWatchRun(context, request, queue);
        },
        [&](const v1::WatchRunResponse& response) {
          failures = 0;
          run = response.run();
          display.Update(run);
          return true;
        },
        {.stop = stop});
    if (stop.stop_requested()) return run;
    absl::Duration delay;
    if (!status.ok() && !service::internal::RetryAfter(status, ++failures, &delay)) return status;
    if (!status.ok()) service::internal::WaitFor(delay);
  }
  return run;
}

// Which gates did not hold: a run that went on after one is green otherwise.
void PrintBrokenGates(const v1::Run& run) {
  for (const v1::Run::Stage& stage : run.stages()) {
    for (const v1::Run::BrokenGate& gate : stage.broken_gates()) {
      printf("gate of %s did not hold: %s (on_fail: %s)\n", stage.name().c_str(),
             gate.text().c_str(), gate.on_fail().c_str());
    }
  }
}

// The ledger is there before the run's final state is seen. That of an orchestrator elsewhere lies
// in its workspace, which may not be here: what the run itself tells stands in for it.
void PrintLedger(const OutputOptions& output, const std::string& elsewhere, const v1::Run& run) {
  if (output.json) return;
  const auto stored = report::LoadLedger(JoinPath(run.results_uri(), "ledger.json"));
  const bool is_here = stored.ok() && stored->run == run.name();
  printf("%s", report::LedgerTable(is_here ? *stored : report::MakeLedger(run)).c_str());
  PrintBrokenGates(run);
  printf("report: %s%s\n", JoinPath(run.results_uri(), "report.html").c_str(),
         elsewhere.empty() || is_here ? "" : ", in the workspace of the orchestrator");
}

}  // namespace

absl::StatusOr<v1::StartRunRequest> RunRequestOf(const std::string& pipeline) {
  v1::StartRunRequest request;
  TY_ASSIGN_OR_RETURN(std::string text, ReadFile(pipeline, kMostTextBytes));
  request.set_pipeline(std::move(text));
  request.set_pipeline_name(pipeline);
  request.set_request_id(service::NewRequestId());
  for (const std::string& spec : orchestrator::SpecFilesOf(request.pipeline())) {
    TY_ASSIGN_OR_RETURN((*request.mutable_parameters())["spec:" + spec],
                        ReadFile(JoinPath(DirName(pipeline), spec), kMostTextBytes));
  }
  return request;
}

absl::StatusOr<FollowedRun> FollowToTheEnd(const OutputOptions& output,
                                           const std::string& elsewhere, Stub& stub,
                                           const v1::Run& run) {
  std::stop_source detach;
  const Interruptible interruptible([&] {
    if (!elsewhere.empty()) {
      detach.request_stop();
      return;
    }
    fprintf(stderr, "\nstopping %s; again to end at once\n", run.name().c_str());
    v1::CancelRunRequest cancel;
    cancel.set_name(run.name());
    service::Call(stub, &Stub::CancelRun, cancel).status().IgnoreError();
  });
  FollowedRun followed;
  TY_ASSIGN_OR_RETURN(followed.run, ShowToTheEnd(stub, run, output, detach.get_token()));
  followed.exit_code = interruptible.exit_code();
  return followed;
}

int FollowRun(const OutputOptions& output, const std::string& elsewhere, Stub& stub,
              const v1::Run& run) {
  const auto followed = FollowToTheEnd(output, elsewhere, stub, run);
  if (!followed.ok()) return PrintFailure(output, followed.status(), FailedAt::kCall);
  const v1::Run& ended = followed->run;
  if (!IsFinal(ended.state())) {
    PrintWayBack("runs", run.name(), elsewhere);
    return followed->exit_code;
  }
  PrintLedger(output, elsewhere, ended);
  if (ended.state() == v1::Run::SUCCEEDED) return 0;
  // As JSON the run has its error in it.
  if (ended.state() == v1::Run::FAILED && !output.json) {
    PrintFailure(output, worker::StatusFromRpc(ended.error()), FailedAt::kOperation);
  }
  if (followed->exit_code != 0) return followed->exit_code;
  return ended.state() == v1::Run::CANCELLED ? 3 : 1;
}

}  // namespace trainyard::cli
