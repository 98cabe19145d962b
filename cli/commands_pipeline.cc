#include <unistd.h>

#include <future>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "cli/commands.h"
#include "google/longrunning/operations.grpc.pb.h"
#include "google/protobuf/util/json_util.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/report/ledger.h"
#include "services/orchestrator/orchestrator_program.h"
#include "services/orchestrator/pipeline.h"
#include "trainyard/v1/orchestrator.grpc.pb.h"

namespace trainyard::cli {
namespace {

std::string Json(const google::protobuf::Message& message) {
  std::string text;
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  return google::protobuf::util::MessageToJsonString(message, &text, options).ok() ? text : "{}";
}

bool IsFinal(v1::Run::State state) {
  return state == v1::Run::SUCCEEDED || state == v1::Run::FAILED || state == v1::Run::CANCELLED;
}

// Prints what changed in a run since the last call: states of stages once, progress of those that work
// at most every few seconds.
class RunDisplay {
 public:
  explicit RunDisplay(OutputOptions options) : options_(options) {}

  void Update(const v1::Run& run) {
    if (options_.json) {
      printf("%s\n", Json(run).c_str());
      fflush(stdout);
      return;
    }
    if (options_.quiet) return;
    for (const v1::Run::Stage& stage : run.stages()) ShowStage(stage);
  }

 private:
  void ShowStage(const v1::Run::Stage& stage) {
    const std::string state = v1::Run::State_Name(stage.state());
    const bool changed = states_[stage.name()] != state;
    states_[stage.name()] = state;
    if (changed && stage.state() != v1::Run::PENDING) {
      std::string line = absl::StrCat(stage.name(), ": ", state);
      if (!stage.reason().empty()) absl::StrAppend(&line, " (", stage.reason(), ")");
      if (stage.has_error()) absl::StrAppend(&line, ": ", stage.error().message());
      for (const v1::Metric& metric : stage.metrics()) {
        if (metric.primary()) {
          absl::StrAppend(&line, "  ", metric.name(), " ", absl::StrFormat("%.4g", metric.value()));
        }
      }
      fprintf(stderr, "%s\n", line.c_str());
    }
    if (stage.state() != v1::Run::RUNNING) return;
    const std::string progress = ProgressText(stage.progress());
    const absl::Time now = absl::Now();
    if (progress.empty() || progress == progress_[stage.name()] ||
        now - last_progress_ < absl::Seconds(10)) {
      return;
    }
    progress_[stage.name()] = progress;
    last_progress_ = now;
    fprintf(stderr, "%s: %s\n", stage.name().c_str(), progress.c_str());
  }

  OutputOptions options_;
  std::map<std::string, std::string> states_, progress_;
  absl::Time last_progress_ = absl::InfinitePast();
};

// Follows a run by its stream until it is final; a stream that breaks is opened again.
absl::StatusOr<v1::Run> FollowRun(v1::OrchestratorService::Stub& stub, v1::Run run,
                                  OutputOptions output) {
  RunDisplay display(output);
  display.Update(run);
  int failures = 0;
  while (!IsFinal(run.state())) {
    grpc::ClientContext context;
    v1::WatchRunRequest request;
    request.set_name(run.name());
    request.set_after_sequence(run.sequence());
    const auto stream = stub.WatchRun(&context, request);
    v1::WatchRunResponse response;
    while (stream->Read(&response)) {
      failures = 0;
      run = response.run();
      display.Update(run);
    }
    const absl::Status status = service::StatusFrom(stream->Finish());
    absl::Duration delay;
    if (!status.ok() && !service::internal::RetryAfter(status, ++failures, &delay)) return status;
    if (!status.ok()) service::internal::WaitFor(delay);
  }
  return run;
}

struct RunFlags {
  Session session;
  std::string pipeline, key, data, state_dir = ".trainyard";
  std::vector<std::string> parameters;
  bool force = false;
};

absl::StatusOr<v1::StartRunRequest> RequestOf(const RunFlags& flags) {
  v1::StartRunRequest request;
  TY_ASSIGN_OR_RETURN(std::string text, ReadFile(flags.pipeline, 4 << 20));
  request.set_pipeline(std::move(text));
  request.set_pipeline_name(flags.pipeline);
  request.set_key(flags.key);
  request.set_force(flags.force);
  request.set_validate_only(flags.session.validate_only);
  for (const std::string& parameter : flags.parameters) {
    const std::vector<std::string> parts = absl::StrSplit(parameter, absl::MaxSplits('=', 1));
    if (parts.size() != 2 || parts[0].empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("-p is '", parameter, "'; expected name=value"));
    }
    (*request.mutable_parameters())[parts[0]] = parts[1];
  }
  if (!flags.data.empty()) (*request.mutable_parameters())["data"] = flags.data;
  // The specs travel with the pipeline: the orchestrator need not see this folder.
  for (const std::string& spec : orchestrator::SpecFilesOf(request.pipeline())) {
    TY_ASSIGN_OR_RETURN((*request.mutable_parameters())["spec:" + spec],
                        ReadFile(JoinPath(DirName(flags.pipeline), spec), 4 << 20));
  }
  return request;
}

// The ledger is there before the run's final state is seen.
void PrintLedger(const RunFlags& flags, const v1::Run& run) {
  if (flags.session.output.json) return;
  const auto ledger = report::LoadLedger(JoinPath(run.results_uri(), "ledger.json"));
  if (ledger.ok()) printf("%s", report::LedgerTable(*ledger).c_str());
  printf("report: %s\n", JoinPath(run.results_uri(), "report.html").c_str());
}

int RunPipeline(RunFlags& flags) {
  const OutputOptions& output = flags.session.output;
  const auto request = RequestOf(flags);
  if (!request.ok()) return PrintFailure(output, request.status(), FailedAt::kUsage);
  if (const auto log = OpenLogFile(flags.session); !log.ok()) {
    return PrintFailure(output, log, FailedAt::kUsage);
  }
  flags.session.house.state_dir = flags.state_dir;
  House house(flags.session.house);
  const auto channel = house.Channel("orchestrator");
  if (!channel.ok()) return PrintFailure(output, channel.status(), FailedAt::kUsage);
  const auto stub = v1::OrchestratorService::NewStub(*channel);
  const auto started =
      service::Call(*stub, &v1::OrchestratorService::Stub::StartRun, *request);
  if (!started.ok()) return PrintFailure(output, started.status(), FailedAt::kCall);
  if (flags.session.validate_only) {
    printf("the pipeline is valid\n");
    return 0;
  }
  const std::string name = started->run().name();
  if (flags.session.no_wait && !house.Embedded("orchestrator")) {
    printf("%s\n", name.c_str());
    return 0;
  }
  SignalWatch::Current()->OnSignal([&](int count) {
    if (count > 1) _exit(128 + SignalWatch::Current()->signal());
    fprintf(stderr, "\nstopping %s; again to end at once\n", name.c_str());
    v1::CancelRunRequest cancel;
    cancel.set_name(name);
    service::Call(*stub, &v1::OrchestratorService::Stub::CancelRun, cancel).status().IgnoreError();
  });
  const auto run = FollowRun(*stub, started->run(), output);
  SignalWatch::Current()->OnSignal(nullptr);
  if (!run.ok()) return PrintFailure(output, run.status(), FailedAt::kCall);
  PrintLedger(flags, *run);
  if (run->state() == v1::Run::SUCCEEDED) return 0;
  if (run->state() == v1::Run::CANCELLED) return 3;
  return PrintFailure(output, StatusFromRpc(run->error()), FailedAt::kOperation);
}

// --- runs and operations

struct NameFlags {
  Session session;
  std::string service = "orchestrator", name;
};

int Unreachable(const NameFlags& flags) {
  return PrintFailure(flags.session.output,
                      absl::InvalidArgumentError(
                          "name the running service with --endpoint or --services"),
                      FailedAt::kUsage);
}

template <typename Action>
int WithChannel(const NameFlags& flags, Action action) {
  House house(flags.session.house);
  if (house.Embedded(flags.service)) return Unreachable(flags);
  const auto channel = house.Channel(flags.service);
  const absl::Status status = channel.ok() ? action(*channel) : channel.status();
  return status.ok() ? 0 : PrintFailure(flags.session.output, status, FailedAt::kCall);
}

absl::Status ListRuns(const std::shared_ptr<grpc::Channel>& channel) {
  const auto stub = v1::OrchestratorService::NewStub(channel);
  v1::ListRunsRequest request;
  do {
    TY_ASSIGN_OR_RETURN(const v1::ListRunsResponse page,
                        service::Call(*stub, &v1::OrchestratorService::Stub::ListRuns, request));
    for (const v1::Run& run : page.runs()) {
      printf("%s  %-10s %s\n", run.name().c_str(), v1::Run::State_Name(run.state()).c_str(),
             run.pipeline().c_str());
    }
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return absl::OkStatus();
}

absl::Status ListOperations(const std::shared_ptr<grpc::Channel>& channel) {
  const auto stub = google::longrunning::Operations::NewStub(channel);
  google::longrunning::ListOperationsRequest request;
  do {
    TY_ASSIGN_OR_RETURN(
        const auto page,
        service::Call(*stub, &google::longrunning::Operations::Stub::ListOperations, request));
    for (const auto& operation : page.operations()) {
      const v1::OperationMetadata metadata = service::MetadataOf(operation);
      printf("%s  %-10s %-10s %s\n", operation.name().c_str(), metadata.stage().c_str(),
             v1::OperationMetadata::State_Name(metadata.state()).c_str(),
             ProgressText(metadata.progress()).c_str());
    }
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return absl::OkStatus();
}

// operations/<service>/<replica>/<id> names its service.
std::string ServiceOfOperation(const std::string& name) {
  const std::vector<std::string> parts = absl::StrSplit(name, '/');
  return parts.size() == 4 ? parts[1] : "";
}

absl::Status WatchOperation(const NameFlags& flags, const std::shared_ptr<grpc::Channel>& channel) {
  service::OperationClient client(channel);
  TY_ASSIGN_OR_RETURN(const auto operation, client.Get(flags.name));
  ProgressDisplay display(flags.session.output, ServiceOfOperation(flags.name));
  TY_ASSIGN_OR_RETURN(const auto done,
                      client.Wait(operation, {.update = [&](const v1::OperationMetadata& metadata) {
                                    display.Update(metadata);
                                  }}));
  display.Finish();
  TY_ASSIGN_OR_RETURN(const v1::StageResult result, service::ResultOf(done));
  PrintResult(flags.session.output, result);
  return absl::OkStatus();
}

void AddListCommands(CLI::App& app, Run& run) {
  auto runs_flags = std::make_shared<NameFlags>();
  CLI::App& runs = *app.add_subcommand("runs", "list the runs of an orchestrator");
  AddSessionFlags(runs, runs_flags->session);
  runs.callback([&run, runs_flags] {
    run = [runs_flags] { return WithChannel(*runs_flags, ListRuns); };
  });

  CLI::App& operations = *app.add_subcommand("operations", "operations of running services");
  operations.require_subcommand(1);
  const auto add = [&](const char* name, const char* help, bool wants_name, auto action) {
    auto flags = std::make_shared<NameFlags>();
    CLI::App& command = *operations.add_subcommand(name, help);
    AddSessionFlags(command, flags->session);
    if (wants_name) {
      command.add_option("name", flags->name, "operations/<service>/<replica>/<id>")->required();
    } else {
      command.add_option("service", flags->service, "train, convert...")->required();
    }
    command.callback([&run, flags, action, wants_name] {
      run = [flags, action, wants_name] {
        if (wants_name) flags->service = ServiceOfOperation(flags->name);
        return WithChannel(*flags, [&](const auto& channel) { return action(*flags, channel); });
      };
    });
  };
  add("list", "list the operations of a service", false,
      [](const NameFlags&, const auto& channel) { return ListOperations(channel); });
  add("get", "print an operation as JSON", true,
      [](const NameFlags& flags, const auto& channel) -> absl::Status {
        TY_ASSIGN_OR_RETURN(const auto operation,
                            service::OperationClient(channel).Get(flags.name));
        printf("%s\n", Json(operation).c_str());
        return absl::OkStatus();
      });
  add("watch", "follow an operation to its end", true, WatchOperation);
  add("cancel", "ask an operation to stop", true, [](const NameFlags& flags, const auto& channel) {
    return service::OperationClient(channel).Cancel(flags.name);
  });
}

// --- serve

struct ServeFlags {
  std::vector<std::string> services;
  std::string workspace = ".", state_dir = ".trainyard", host = "127.0.0.1";
  int first_port = 7001;
};

int Serve(const ServeFlags& flags) {
  std::vector<std::string> names = flags.services;
  if (names.empty()) names = {"convert", "train", "prune", "export", "convert-engine", "orchestrator"};
  std::vector<std::unique_ptr<service::Server>> servers;
  std::map<std::string, std::vector<std::string>> addresses;
  for (size_t i = 0; i < names.size(); ++i) {
    auto program = names[i] == "orchestrator"
                       ? absl::StatusOr<service::ServiceProgram>(
                             orchestrator::OrchestratorServiceProgram(addresses))
                       : ProgramOf(names[i]);
    if (!program.ok()) return PrintFailure({}, program.status(), FailedAt::kUsage);
    service::ServerOptions options;
    options.service = names[i];
    options.address = absl::StrCat(flags.host, ":", flags.first_port + static_cast<int>(i));
    options.workspace = flags.workspace;
    options.state_dir = JoinPath(flags.state_dir, names[i]);
    options.capabilities = program->capabilities;
    auto server = service::Server::Start(std::move(options), program->factory);
    if (!server.ok()) return PrintFailure({}, server.status(), FailedAt::kOperation);
    addresses[names[i]] = {(*server)->address()};
    printf("%-16s %s\n", names[i].c_str(), (*server)->address().c_str());
    servers.push_back(*std::move(server));
  }
  fflush(stdout);
  std::promise<void> asked_to_stop;
  SignalWatch::Current()->OnSignal([&](int count) {
    if (count > 1) _exit(128 + SignalWatch::Current()->signal());
    asked_to_stop.set_value();
  });
  asked_to_stop.get_future().wait();
  // The orchestrator first: it asks the others.
  while (!servers.empty()) servers.pop_back();
  return 0;
}

}  // namespace

void AddPipelineCommands(CLI::App& app, Run& run) {
  auto flags = std::make_shared<RunFlags>();
  CLI::App& command = *app.add_subcommand("run", "run a pipeline");
  command.add_option("pipeline", flags->pipeline, "pipeline file (YAML)")->required();
  command.add_option("-p,--param", flags->parameters, "name=value of the pipeline (repeatable)");
  command.add_option("--data", flags->data, "the pipeline's parameter `data`");
  command.add_option("-k,--key", flags->key, "key of sealed models: env:NAME, file:PATH or the key");
  command.add_option("--state-dir", flags->state_dir,
                     "where in-process services keep their state (.trainyard)");
  command.add_flag("--force", flags->force, "compute what was computed before, too");
  AddSessionFlags(command, flags->session);
  command.callback([&run, flags] { run = [flags] { return RunPipeline(*flags); }; });

  AddListCommands(app, run);

  auto serve_flags = std::make_shared<ServeFlags>();
  CLI::App& serve = *app.add_subcommand("serve", "run services in this process");
  serve.add_option("services", serve_flags->services, "which (all)");
  serve.add_option("--workspace", serve_flags->workspace, "folder the services share (.)");
  serve.add_option("--state-dir", serve_flags->state_dir, "their own folders (.trainyard)");
  serve.add_option("--host", serve_flags->host, "address to listen on (127.0.0.1)");
  serve.add_option("--first-port", serve_flags->first_port, "port of the first one (7001)");
  serve.callback([&run, serve_flags] { run = [serve_flags] { return Serve(*serve_flags); }; });
}

}  // namespace trainyard::cli
