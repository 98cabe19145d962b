#include "services/orchestrator/orchestrator.h"

#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/report/report.h"
#include "services/orchestrator/grpc_stage_client.h"
#include "services/orchestrator/sqlite_run_store.h"
#include "services/orchestrator/stage_input.h"

namespace trainyard::orchestrator {
namespace {

constexpr absl::Duration kHousekeeping = absl::Minutes(10);
constexpr absl::Duration kDrainWatch = absl::Milliseconds(200);

// The inputs of all stages that ended well, as their services were given them.
std::map<std::string, std::vector<v1::Artifact>> InputsOf(const Pipeline& pipeline,
                                                          const v1::Run& run) {
  std::map<std::string, std::vector<v1::Artifact>> inputs;
  for (const StageSpec& stage : pipeline.stages) {
    const v1::Run::Stage* ended = FindStage(run, stage.name);
    if (ended == nullptr || !IsGood(ended->state())) continue;
    const auto input = BuildStageInput(pipeline, stage, 0, run);
    if (input.ok()) inputs[stage.name] = {input->inputs().begin(), input->inputs().end()};
  }
  return inputs;
}

}  // namespace

Environment Orchestrator::MakeEnvironment() {
  const service::Workspace& workspace = *options_.workspace;
  return {
      .client = options_.client.get(),
      .store = options_.store.get(),
      .pool = pool_.get(),
      .canceller = canceller_.get(),
      .read_spec = ReadSpec,
      .resolve = [&workspace](const std::string& uri,
                              const std::map<std::string, std::string>& path_map) {
        return workspace.Resolve(uri, path_map);
      },
      .default_services = options_.services,
      .clock = absl::Now,
      .wait = WaitOrStop,
      .draining = options_.draining,
      .max_runs = options_.max_runs,
      .max_waiting_runs = options_.max_waiting_runs,
      .write_report = [&workspace](const Pipeline& pipeline, const v1::Run& run) -> absl::Status {
        TY_ASSIGN_OR_RETURN(const std::string folder,
                            workspace.Resolve(run.results_uri(), {pipeline.path_map.begin(),
                                                                  pipeline.path_map.end()}));
        return report::WriteReport(
            {.run = run,
             .inputs = InputsOf(pipeline, run),
             .resolve = [&workspace](const std::string& uri) { return workspace.Resolve(uri); }},
            folder);
      }};
}

absl::StatusOr<std::unique_ptr<Orchestrator>> Orchestrator::Create(OrchestratorOptions options) {
  std::unique_ptr<Orchestrator> orchestrator(new Orchestrator(std::move(options)));
  Orchestrator& made = *orchestrator;
  if (made.options_.client == nullptr) made.options_.client = std::make_unique<GrpcStageClient>();
  if (made.options_.store == nullptr) {
    TY_ASSIGN_OR_RETURN(made.options_.store, OpenSqliteRunStore(made.options_.state_dir));
  }
  StageClient* const client = made.options_.client.get();
  made.pool_ = std::make_unique<AddressPool>([client](const std::string& address) {
    const auto capabilities = client->Capabilities(address);
    // Unknown for now: asked again the next time.
    if (!capabilities.ok()) return 0;
    const int capacity = capabilities->running_capacity() + capabilities->queue_capacity();
    return capacity > 0 ? capacity : -1;
  });
  try {
    made.canceller_ = std::make_unique<Canceller>(*client, *made.options_.store);
    made.environment_ = made.MakeEnvironment();
    made.runs_ = std::make_unique<Runs>(made.environment_);
    if (made.options_.keep_runs != absl::InfiniteDuration()) {
      made.housekeeping_ = std::make_unique<Heartbeat>(kHousekeeping);
    }
    if (made.options_.draining) {
      // Calls that wait for a service would hold up the drain.
      made.drain_watch_ = std::make_unique<Heartbeat>(kDrainWatch);
      made.stopping_ = made.drain_watch_->Add([&made] {
        if (made.options_.draining()) made.Stop();
      });
    }
  } catch (const std::system_error& error) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the system gives the orchestrator no threads: ", error.what()));
  }
  TY_RETURN_IF_ERROR(made.runs_->TakeUp());
  if (made.housekeeping_ != nullptr) {
    made.ForgetOldRuns();
    made.forgetting_ = made.housekeeping_->Add([&made] { made.ForgetOldRuns(); });
  }
  return orchestrator;
}

Orchestrator::~Orchestrator() {
  stopping_.reset();
  forgetting_.reset();
  Stop();
}

// Runs first: they must not take the end of their calls for an answer.
void Orchestrator::Stop() {
  if (runs_ != nullptr) runs_->Stop();
  if (options_.client != nullptr) options_.client->Shutdown();
}

void Orchestrator::ForgetOldRuns() {
  // The clock of the start, moved on by a clock that nobody sets: a clock that is set for a moment to
  // next month must not cost a month's runs.
  const absl::Time now = started_ + (SteadyNow() - started_steady_);
  const auto forgotten = options_.store->ForgetEndedBefore(now - options_.keep_runs);
  if (!forgotten.ok()) {
    LogWarning("old runs cannot be forgotten",
               {{"error", std::string(forgotten.status().message())}});
  } else if (*forgotten > 0) {
    LogInfo("old runs forgotten", {{"runs", *forgotten}});
  }
}

}  // namespace trainyard::orchestrator
