#include "services/orchestrator/orchestrator_program.h"

#include <memory>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "libs/base/files.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "services/orchestrator/orchestrator.h"
#include "services/orchestrator/orchestrator_service.h"

namespace trainyard::orchestrator {

absl::StatusOr<std::map<std::string, std::vector<std::string>>> ParseServices(
    absl::Span<const std::string> words) {
  std::map<std::string, std::vector<std::string>> services;
  Problems problems;
  for (const std::string& word : words) {
    const std::pair<std::string, std::string> parts = absl::StrSplit(word, absl::MaxSplits('=', 1));
    if (!absl::StrContains(parts.second, ':')) {
      problems.Add("--service", "is '%s'; expected NAME=HOST:PORT", word);
    } else if (!absl::c_linear_search(stages::StageServices(), parts.first)) {
      problems.Add("--service", "names '%s'; expected one of %s%s", parts.first,
                   absl::StrJoin(stages::StageServices(), ", "),
                   DidYouMean(parts.first, stages::StageServices()));
    } else {
      services[parts.first].push_back(parts.second);
    }
  }
  TY_RETURN_IF_ERROR(problems.ToStatus());
  return services;
}

service::ServiceProgram OrchestratorServiceProgram(
    std::map<std::string, std::vector<std::string>> default_services) {
  struct Chosen {
    std::vector<std::string> words;
    int max_runs = 64;
    int max_waiting_runs = 1000;
    absl::Duration keep_runs = absl::InfiniteDuration();
  };
  const auto chosen = std::make_shared<Chosen>();
  service::ServiceProgram program;
  program.service = "orchestrator";
  program.description = "runs pipelines over the stage services";
  program.default_port = 7000;
  for (const std::string& kind : stages::StageKindNames()) program.capabilities.add_stages(kind);
  program.capabilities.add_formats("pipeline");
  program.bind = [chosen](Settings& settings) {
    settings.Bind("service", &chosen->words,
                  "NAME=HOST:PORT of a stage service, for pipelines that name none; repeatable");
    settings.Bind("max-runs", &chosen->max_runs, "runs that work at one time; more wait", 1, 1024);
    settings.Bind("max-waiting-runs", &chosen->max_waiting_runs,
                  "runs that may wait; one more is UNAVAILABLE", 0, 1000000);
    settings.Bind("keep-runs", &chosen->keep_runs,
                  "time after which ended runs are forgotten, with their part of the cache; their "
                  "files stay");
  };
  program.factory = [chosen, default_services = std::move(default_services)](service::Chassis& chassis)
      -> absl::StatusOr<std::vector<std::unique_ptr<grpc::Service>>> {
    OrchestratorOptions options;
    // Beside the operations' own database, which has its own lock.
    options.state_dir = JoinPath(chassis.options.state_dir, "runs");
    options.workspace = &chassis.workspace;
    options.max_runs = static_cast<size_t>(chosen->max_runs);
    options.max_waiting_runs = static_cast<size_t>(chosen->max_waiting_runs);
    options.keep_runs = chosen->keep_runs;
    options.draining = [&operations = chassis.operations] { return operations.draining(); };
    TY_ASSIGN_OR_RETURN(options.services, ParseServices(chosen->words));
    // Those that the words do not name.
    options.services.insert(default_services.begin(), default_services.end());
    TY_ASSIGN_OR_RETURN(auto orchestrator, Orchestrator::Create(std::move(options)));
    std::vector<std::unique_ptr<grpc::Service>> services;
    services.push_back(
        std::make_unique<OrchestratorService>(std::move(orchestrator), chassis.pool));
    return services;
  };
  return program;
}

}  // namespace trainyard::orchestrator
