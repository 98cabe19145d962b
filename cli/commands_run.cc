#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cli/commands.h"
#include "cli/run_command.h"
#include "cli/session.h"
#include "cli/stage_command.h"
#include "libs/base/status.h"
#include "libs/service/client.h"
#include "trainyard/v1/orchestrator.grpc.pb.h"

namespace trainyard::cli {
namespace {

struct Flags {
  Session session;
  std::string pipeline, key, data, state_dir = ".trainyard";
  std::vector<std::string> parameters;
  bool force = false;
};

absl::StatusOr<v1::StartRunRequest> RequestOf(const Flags& flags) {
  TY_ASSIGN_OR_RETURN(v1::StartRunRequest request, RunRequestOf(flags.pipeline));
  request.set_key(flags.key);
  request.set_force(flags.force);
  request.set_validate_only(flags.session.validate_only);
  for (const std::string& parameter : flags.parameters) {
    const std::vector<std::string> parts = absl::StrSplit(parameter, absl::MaxSplits('=', 1));
    if (parts.size() != 2 || parts[0].empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("-p is '", parameter, "'; expected name=value"));
    }
    if (!request.mutable_parameters()->insert({parts[0], parts[1]}).second) {
      return absl::InvalidArgumentError(absl::StrCat("-p names '", parts[0], "' twice"));
    }
  }
  if (!flags.data.empty() && !request.mutable_parameters()->insert({"data", flags.data}).second) {
    return absl::InvalidArgumentError("--data and -p data=... name two; give one of them");
  }
  return request;
}

int RunPipeline(const Flags& flags) {
  const OutputOptions& output = flags.session.output;
  const auto request = RequestOf(flags);
  if (!request.ok()) return PrintFailure(output, request.status(), FailedAt::kUsage);
  if (const auto log = OpenLogFile(flags.session); !log.ok()) {
    return PrintFailure(output, log, FailedAt::kUsage);
  }
  auto where = WhereServicesAre(flags.session);
  if (!where.ok()) return PrintFailure(output, where.status(), FailedAt::kUsage);
  where->state_dir = flags.state_dir;
  House house(*std::move(where));
  const std::string elsewhere = house.Elsewhere("orchestrator");
  if (elsewhere.empty()) WarnOfKeyFile(flags.session);
  const auto channel = house.Channel("orchestrator");
  if (!channel.ok()) return PrintFailure(output, channel.status(), FailedAt::kOperation);
  const auto stub = v1::OrchestratorService::NewStub(*channel);
  const auto started =
      service::Call(*stub, &v1::OrchestratorService::Stub::StartRun, *request, kStart);
  if (!started.ok()) {
    return PrintFailure(output, Explained(started.status(), *channel, "orchestrator"),
                        FailedAt::kCall);
  }
  if (flags.session.validate_only) {
    PrintValid(output, "the pipeline");
    return 0;
  }
  if (flags.session.no_wait && !elsewhere.empty()) {
    PrintName(output, started->run().name());
    return 0;
  }
  return FollowRun(output, elsewhere, *stub, started->run());
}

}  // namespace

void AddRunCommand(CLI::App& app, Run& run) {
  auto flags = std::make_shared<Flags>();
  CLI::App& command = *app.add_subcommand("run", "run a pipeline");
  command.add_option("pipeline", flags->pipeline, "pipeline file (YAML)")->required();
  // One word each, since the pipeline may follow.
  command.add_option("-p,--param", flags->parameters, "name=value of the pipeline (repeatable)")
      ->allow_extra_args(false);
  command.add_option("--data", flags->data, "the pipeline's parameter `data`");
  command.add_option("-k,--key", flags->key,
                     "key of sealed models: env:NAME, file:PATH or the key");
  command.add_option("--state-dir", flags->state_dir,
                     "where in-process services keep their state (.trainyard)");
  command.add_flag("--force", flags->force, "compute what was computed before, too");
  AddSessionFlags(command, flags->session);
  WhenTyped(command, run, flags, RunPipeline);
}

}  // namespace trainyard::cli
