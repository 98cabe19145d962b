#include <algorithm>
#include <future>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/commands.h"
#include "cli/display.h"
#include "cli/house.h"
#include "cli/signal_watch.h"
#include "libs/base/files.h"
#include "libs/stages/stage_kinds.h"
#include "services/orchestrator/orchestrator_program.h"

namespace trainyard::cli {
namespace {

struct Flags {
  std::vector<std::string> services;
  std::string workspace = ".", state_dir = ".trainyard", host = "127.0.0.1";
  int first_port = 7001;
};

int Serve(const Flags& flags) {
  std::vector<std::string> names = flags.services;
  if (names.empty()) {
    names = stages::StageServices();
    names.push_back("orchestrator");
  }
  // In the order in which they start; the ports follow the names as they are typed.
  std::vector<std::pair<std::string, int>> ports;
  for (size_t i = 0; i < names.size(); ++i) {
    ports.emplace_back(names[i], flags.first_port + static_cast<int>(i));
  }
  // The orchestrator is told where the others are.
  std::stable_partition(ports.begin(), ports.end(),
                        [](const auto& named) { return named.first != "orchestrator"; });
  std::vector<std::unique_ptr<service::Server>> servers;
  std::map<std::string, std::vector<std::string>> addresses;
  for (const auto& [name, port] : ports) {
    auto program = name == "orchestrator" ? absl::StatusOr<service::ServiceProgram>(
                                                orchestrator::OrchestratorServiceProgram(addresses))
                                          : ProgramOf(name);
    if (!program.ok()) return PrintFailure({}, program.status(), FailedAt::kUsage);
    service::ServerOptions options;
    options.service = name;
    options.address = absl::StrCat(flags.host, ":", port);
    options.workspace = flags.workspace;
    options.state_dir = JoinPath(flags.state_dir, name);
    options.capabilities = program->capabilities;
    options.worker = program->worker;
    options.job_memory = program->job_memory;
    auto server = service::Server::Start(std::move(options), program->factory);
    if (!server.ok()) return PrintFailure({}, server.status(), FailedAt::kOperation);
    addresses[name] = {(*server)->address()};
    printf("%-16s %s\n", name.c_str(), (*server)->address().c_str());
    servers.push_back(*std::move(server));
  }
  fflush(stdout);
  std::promise<void> asked_to_stop;
  const Interruptible interruptible([&] { asked_to_stop.set_value(); });
  asked_to_stop.get_future().wait();
  // The orchestrator first: it asks the others.
  while (!servers.empty()) servers.pop_back();
  return 0;
}

}  // namespace

void AddServeCommand(CLI::App& app, Run& run) {
  auto flags = std::make_shared<Flags>();
  CLI::App& command = *app.add_subcommand("serve", "run services in this process");
  command.add_option("services", flags->services, "which (all)");
  command.add_option("--workspace", flags->workspace, "folder the services share (.)");
  command.add_option("--state-dir", flags->state_dir, "their own folders (.trainyard)");
  command.add_option("--host", flags->host, "address to listen on (127.0.0.1)");
  command.add_option("--first-port", flags->first_port, "port of the first one (7001)");
  WhenTyped(command, run, flags, Serve);
}

}  // namespace trainyard::cli
