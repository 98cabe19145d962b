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
    } else if (!absl::c_linear_search(StageServices(), parts.first)) {
      problems.Add("--service", "names '%s'; expected one of %s%s", parts.first,
                   absl::StrJoin(StageServices(), ", "), DidYouMean(parts.first, StageServices()));
    } else {
      services[parts.first].push_back(parts.second);
    }
  }
  TY_RETURN_IF_ERROR(problems.ToStatus());
  return services;
}

service::ServiceProgram OrchestratorServiceProgram(
    std::map<std::string, std::vector<std::string>> default_services) {
  const auto words = std::make_shared<std::vector<std::string>>();
  service::ServiceProgram program;
  program.service = "orchestrator";
  program.description = "runs pipelines over the stage services";
  program.default_port = 7000;
  for (const std::string& kind : StageKindNames()) program.capabilities.add_stages(kind);
  program.capabilities.add_formats("pipeline");
  program.bind = [words](Settings& settings) {
    settings.Bind("service", words.get(),
                  "NAME=HOST:PORT of a stage service, for pipelines that name none; repeatable");
  };
  program.factory = [words, default_services = std::move(default_services)](service::Chassis& chassis)
      -> absl::StatusOr<std::vector<std::unique_ptr<grpc::Service>>> {
    OrchestratorOptions options;
    // Beside the operations' own database, which has its own lock.
    options.state_dir = JoinPath(chassis.options.state_dir, "runs");
    options.workspace = &chassis.workspace;
    TY_ASSIGN_OR_RETURN(options.services, ParseServices(*words));
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
