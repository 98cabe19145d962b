#include "services/orchestrator/orchestrator.h"

#include <utility>

#include "libs/base/status.h"
#include "libs/report/report.h"
#include "services/orchestrator/grpc_stage_client.h"
#include "services/orchestrator/stage_input.h"

namespace trainyard::orchestrator {
namespace {

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
      .store = store_.get(),
      .pool = pool_.get(),
      .read_spec = ReadSpec,
      .resolve = [&workspace](const std::string& uri,
                              const std::map<std::string, std::string>& path_map) {
        return workspace.Resolve(uri, path_map);
      },
      .default_services = options_.services,
      .clock = absl::Now,
      .wait = WaitOrStop,
      .write_report = [&workspace](const Pipeline& pipeline, const v1::Run& run) -> absl::Status {
        TY_ASSIGN_OR_RETURN(const std::string folder, workspace.Resolve(run.results_uri()));
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
  TY_ASSIGN_OR_RETURN(made.store_, RunStore::Open(made.options_.state_dir));
  StageClient* const client = made.options_.client.get();
  made.pool_ = std::make_unique<AddressPool>([client](const std::string& address) {
    const auto capabilities = client->Capabilities(address);
    // Unknown for now: asked again the next time.
    if (!capabilities.ok()) return 0;
    const int capacity = capabilities->running_capacity() + capabilities->queue_capacity();
    return capacity > 0 ? capacity : -1;
  });
  made.environment_ = made.MakeEnvironment();
  made.runs_ = std::make_unique<Runs>(made.environment_);
  TY_RETURN_IF_ERROR(made.runs_->TakeUp());
  return orchestrator;
}

}  // namespace trainyard::orchestrator
