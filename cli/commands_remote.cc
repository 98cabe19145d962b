// `runs` and `operations`: what works, waits or has ended at running services.
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cli/commands.h"
#include "cli/run_command.h"
#include "cli/stage_command.h"
#include "google/longrunning/operations.grpc.pb.h"
#include "libs/base/status.h"
#include "trainyard/v1/orchestrator.grpc.pb.h"

namespace trainyard::cli {
namespace {

using RunsStub = v1::OrchestratorService::Stub;
using OperationsStub = google::longrunning::Operations::Stub;

struct Flags {
  Session session;
  std::string service, name;
};

// A service that is asked, and where it is.
struct Place {
  std::string address;
  std::shared_ptr<grpc::Channel> channel;
};

absl::StatusOr<Place> Find(const Flags& flags) {
  TY_ASSIGN_OR_RETURN(House::Options where, WhereServicesAre(flags.session));
  TY_ASSIGN_OR_RETURN(const service::ServiceProgram program, ProgramOf(flags.service));
  // Nothing runs in this process that could be asked about: a service on this machine is meant.
  std::string& address = where.endpoint;
  if (address.empty()) address = where.addresses[flags.service];
  if (address.empty()) address = absl::StrCat("127.0.0.1:", program.default_port);
  House house(where);
  TY_ASSIGN_OR_RETURN(auto channel, house.Channel(flags.service));
  return Place{address, std::move(channel)};
}

// Finds the service and does `action`: StatusOr<exit code>(Place), whose failure is a call's.
template <typename Action>
int AtService(const Flags& flags, Action action) {
  const auto place = Find(flags);
  if (!place.ok()) return PrintFailure(flags.session.output, place.status(), FailedAt::kUsage);
  const absl::StatusOr<int> code = action(*place);
  if (code.ok()) return *code;
  return PrintFailure(flags.session.output, Explained(code.status(), place->channel, flags.service),
                      FailedAt::kCall);
}

// --- runs

absl::StatusOr<int> ListRuns(const OutputOptions& output, const Place& place) {
  const auto stub = v1::OrchestratorService::NewStub(place.channel);
  v1::ListRunsRequest request;
  do {
    TY_ASSIGN_OR_RETURN(const v1::ListRunsResponse page,
                        service::Call(*stub, &RunsStub::ListRuns, request));
    for (const v1::Run& run : page.runs()) {
      if (output.json) {
        PrintJson(run);
        continue;
      }
      printf("%s  %-10s %s\n", run.name().c_str(), v1::Run::State_Name(run.state()).c_str(),
             run.pipeline().c_str());
    }
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return 0;
}

absl::StatusOr<v1::Run> GetRun(RunsStub& stub, const std::string& name) {
  v1::GetRunRequest request;
  request.set_name(name);
  TY_ASSIGN_OR_RETURN(v1::GetRunResponse response, service::Call(stub, &RunsStub::GetRun, request));
  return std::move(*response.mutable_run());
}

int RunsList(const Flags& flags) {
  return AtService(flags,
                   [&](const Place& place) { return ListRuns(flags.session.output, place); });
}

int RunsGet(const Flags& flags) {
  return AtService(flags, [&](const Place& place) -> absl::StatusOr<int> {
    const auto stub = v1::OrchestratorService::NewStub(place.channel);
    TY_ASSIGN_OR_RETURN(const v1::Run run, GetRun(*stub, flags.name));
    PrintJson(run);
    return 0;
  });
}

int RunsWatch(const Flags& flags) {
  return AtService(flags, [&](const Place& place) -> absl::StatusOr<int> {
    const auto stub = v1::OrchestratorService::NewStub(place.channel);
    TY_ASSIGN_OR_RETURN(const v1::Run run, GetRun(*stub, flags.name));
    return FollowRun(flags.session.output, place.address, *stub, run);
  });
}

int RunsCancel(const Flags& flags) {
  return AtService(flags, [&](const Place& place) -> absl::StatusOr<int> {
    const auto stub = v1::OrchestratorService::NewStub(place.channel);
    v1::CancelRunRequest request;
    request.set_name(flags.name);
    TY_RETURN_IF_ERROR(service::Call(*stub, &RunsStub::CancelRun, request).status());
    return 0;
  });
}

// --- operations

absl::StatusOr<int> ListOperations(const Flags& flags, const Place& place) {
  // Every service would list its own.
  TY_RETURN_IF_ERROR(CheckService(place.channel, flags.service));
  const auto stub = google::longrunning::Operations::NewStub(place.channel);
  google::longrunning::ListOperationsRequest request;
  do {
    TY_ASSIGN_OR_RETURN(const auto page,
                        service::Call(*stub, &OperationsStub::ListOperations, request));
    for (const auto& operation : page.operations()) {
      if (flags.session.output.json) {
        PrintJson(operation);
        continue;
      }
      const v1::OperationMetadata metadata = service::MetadataOf(operation);
      printf("%s  %-10s %-10s %s\n", operation.name().c_str(), metadata.stage().c_str(),
             v1::OperationMetadata::State_Name(metadata.state()).c_str(),
             ProgressText(metadata.progress()).c_str());
    }
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return 0;
}

int OperationsList(const Flags& flags) {
  return AtService(flags, [&](const Place& place) { return ListOperations(flags, place); });
}

// As AtService, at the service that the operation's name holds.
template <typename Action>
int AtServiceOf(const Flags& flags, Action action) {
  const std::vector<std::string> parts = absl::StrSplit(flags.name, '/');
  if (parts.size() != 4 || parts[0] != "operations") {
    return PrintFailure(
        flags.session.output,
        absl::InvalidArgumentError(absl::StrCat("name is '", flags.name,
                                                "'; expected operations/<service>/<replica>/<id>")),
        FailedAt::kUsage);
  }
  Flags at = flags;
  at.service = parts[1];
  return AtService(at, [&](const Place& place) { return action(at, place); });
}

int OperationsGet(const Flags& flags) {
  return AtServiceOf(flags, [](const Flags& at, const Place& place) -> absl::StatusOr<int> {
    TY_ASSIGN_OR_RETURN(const auto operation, service::OperationClient(place.channel).Get(at.name));
    PrintJson(operation);
    return 0;
  });
}

int OperationsWatch(const Flags& flags) {
  return AtServiceOf(flags, [](const Flags& at, const Place& place) -> absl::StatusOr<int> {
    TY_ASSIGN_OR_RETURN(const auto operation, service::OperationClient(place.channel).Get(at.name));
    return FollowOperation(at.session.output, at.service, place.address, place.channel, operation);
  });
}

int OperationsCancel(const Flags& flags) {
  return AtServiceOf(flags, [](const Flags& at, const Place& place) -> absl::StatusOr<int> {
    TY_RETURN_IF_ERROR(service::OperationClient(place.channel).Cancel(at.name));
    return 0;
  });
}

// --- the commands

struct Verb {
  const char* name;
  const char* help;
  int (*action)(const Flags&);
  // The one word it takes, and what that looks like.
  std::string Flags::*word = nullptr;
  const char* word_help = "";
};

void AddVerbs(CLI::App& noun, Run& run, const std::shared_ptr<Flags>& flags,
              std::initializer_list<Verb> verbs) {
  for (const Verb& verb : verbs) {
    CLI::App& command = *noun.add_subcommand(verb.name, verb.help);
    if (verb.word != nullptr) {
      const char* const word = verb.word == &Flags::name ? "name" : "service";
      command.add_option(word, (*flags).*verb.word, verb.word_help)->required();
    }
    AddServiceFlags(command, flags->session);
    WhenTyped(command, run, flags, verb.action);
  }
}

}  // namespace

void AddRemoteCommands(CLI::App& app, Run& run) {
  auto run_flags = std::make_shared<Flags>();
  run_flags->service = "orchestrator";
  CLI::App& runs = *app.add_subcommand("runs", "runs of a running orchestrator");
  constexpr char kRunName[] = "runs/<id>";
  AddVerbs(runs, run, run_flags,
           {{"list", "list its runs", RunsList},
            {"get", "print a run as JSON", RunsGet, &Flags::name, kRunName},
            {"watch", "follow a run to its end", RunsWatch, &Flags::name, kRunName},
            {"cancel", "ask a run to stop", RunsCancel, &Flags::name, kRunName}});
  // `runs` alone lists, too.
  AddServiceFlags(runs, run_flags->session);
  runs.callback([&run, &runs, run_flags] {
    if (runs.get_subcommands().empty()) run = [run_flags] { return RunsList(*run_flags); };
  });

  CLI::App& operations = *app.add_subcommand("operations", "operations of running services");
  operations.require_subcommand(1);
  constexpr char kOperationName[] = "operations/<service>/<replica>/<id>";
  AddVerbs(
      operations, run, std::make_shared<Flags>(),
      {{"list", "list the operations of a service", OperationsList, &Flags::service,
        "train, convert..."},
       {"get", "print an operation as JSON", OperationsGet, &Flags::name, kOperationName},
       {"watch", "follow an operation to its end", OperationsWatch, &Flags::name, kOperationName},
       {"cancel", "ask an operation to stop", OperationsCancel, &Flags::name, kOperationName}});
}

}  // namespace trainyard::cli
