#include "libs/service/server.h"

#include <grpc/support/log.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <unistd.h>

#include <chrono>
#include <climits>
#include <condition_variable>
#include <filesystem>
#include <initializer_list>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "libs/base/files.h"
#include "libs/base/log.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/base/writes.h"
#include "libs/service/internal/listener.h"
#include "libs/service/internal/operation_request.h"
#include "libs/service/job_memory.h"
#include "libs/service/operations_service.h"

namespace trainyard::service {
namespace {

constexpr int kMostMessageBytes = 16 << 20;
constexpr absl::Duration kFlushGrace = absl::Milliseconds(300);
constexpr int kLeastPingIntervalMs = 20000;
// A peer that is gone without a word is noticed after both.
constexpr int kPingIntervalMs = 60000;
constexpr int kPingTimeoutMs = 20000;
// Of one connection: some more than the watches of a busy orchestrator.
constexpr int kMostStreams = 4096;
constexpr size_t kMostCallBytes = size_t{512} << 20;
// For what gRPC answers with a thread a call, its reflection above all: one call more is refused.
constexpr int kMostSyncThreads = 64;
constexpr int kControlThreads = 2;
// A worker ends within seconds unless it writes its checkpoint to a slow disk; what takes longer hangs.
constexpr absl::Duration kWorkGrace = absl::Seconds(60);
constexpr auto kReadinessInterval = std::chrono::milliseconds(250);
constexpr char kVersion[] = TRAINYARD_VERSION;

// `convert-engine` -> `trainyard.v1.ConvertEngineService`: the name under which readiness is asked for.
std::string FullServiceName(absl::string_view service) {
  std::string name = "trainyard.v1.";
  for (absl::string_view word : absl::StrSplit(service, '-', absl::SkipEmpty())) {
    name += absl::ascii_toupper(static_cast<unsigned char>(word[0]));
    absl::StrAppend(&name, word.substr(1));
  }
  return name + "Service";
}

absl::Status Check(const ServerOptions& options) {
  Problems problems;
  if (options.service.empty()) problems.Add("service", "is not set");
  if (options.workspace.empty()) problems.Add("workspace", "is not set; expected the shared folder");
  if (options.state_dir.empty()) problems.Add("state_dir", "is not set; expected a folder of its own");
  if (options.call_threads < 1) {
    problems.Add("call_threads", "is %d; expected at least 1", options.call_threads);
  }
  if (options.retention < absl::Minutes(1)) {
    problems.Add("retention", "is %s; expected at least 1m, so that clients see how operations end",
                 absl::FormatDuration(options.retention));
  }
  return problems.ToStatus();
}

v1::GetCapabilitiesResponse CapabilitiesOf(const ServerOptions& options) {
  v1::GetCapabilitiesResponse capabilities = options.capabilities;
  capabilities.set_service(options.service);
  capabilities.set_version(kVersion);
  capabilities.set_running_capacity(options.max_running);
  capabilities.set_queue_capacity(options.max_queue);
  return capabilities;
}

// The address that was listened on, with the port that was bound; the host's name when it is every
// address of the host.
std::string ReachableAddress(const std::string& address, int port) {
  std::string host = address.substr(0, address.rfind(':'));
  char name[256];
  if ((host == "0.0.0.0" || host == "[::]") && gethostname(name, sizeof(name)) == 0) host = name;
  return absl::StrCat(host, ":", port);
}

// The file in the shared workspace by which replicas of a service find each other.
std::string AnnouncementOf(const ServerOptions& options, const Workspace& workspace,
                           const std::string& replica) {
  return JoinPath(workspace.root(),
                  absl::StrCat(".trainyard/replicas/", options.service, "/", replica));
}

void Announce(const ServerOptions& options, const Workspace& workspace, const std::string& address) {
  if (workspace.root() == "/") return;
  const std::string path = AnnouncementOf(options, workspace, options.replica);
  absl::Status status = MakeFolders(DirName(path));
  if (status.ok()) status = WriteFileAtomically(path, address);
  if (!status.ok()) {
    LogWarning("replica cannot be announced; others need --peers",
               {{"error", status.ToString(absl::StatusToStringMode::kWithNoExtraData)}});
  }
}

std::function<std::string(const std::string&)> PeerFinder(const ServerOptions& options,
                                                          const Workspace& workspace) {
  return [&options, &workspace](const std::string& replica) -> std::string {
    const auto known = options.peers.find(replica);
    if (known != options.peers.end()) return known->second;
    if (workspace.root() == "/") return "";
    const auto address = ReadFile(AnnouncementOf(options, workspace, replica), 1024);
    return address.ok() ? *address : "";
  };
}

// gRPC's own lines in the form of ours. Its errors are mostly a peer's, and are coped with.
void LogOfGrpc(gpr_log_func_args* line) {
  Log(line->severity == GPR_LOG_SEVERITY_ERROR ? LogLevel::kWarning : LogLevel::kDebug, "grpc says",
      {{"text", line->message}});
}

// Whoever reaches the port may do everything that a service can.
void WarnOfOpenAddress(const std::string& address) {
  const std::string host = address.substr(0, address.rfind(':'));
  if (host == "localhost" || host == "[::1]" || absl::StartsWith(host, "127.")) return;
  LogWarning("listens beyond this host, without encryption and without asking who calls; let a "
             "network policy or a firewall say who reaches it",
             {{"listen", address}});
}

// Checks the digests that a request gives for its inputs.
std::function<absl::Status(const google::protobuf::Message&, const std::stop_token&)> InputCheck(
    const Workspace& workspace) {
  return [&workspace](const google::protobuf::Message& request,
                      const std::stop_token& stop) -> absl::Status {
    const v1::StageInput* stage = StageInputOf(request);
    return stage == nullptr ? absl::OkStatus() : workspace.CheckDigests(*stage, stop);
  };
}

void SetUpGrpcOnce() {
  static std::once_flag once;
  std::call_once(once, [] {
    gpr_set_log_function(LogOfGrpc);
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  });
}

}  // namespace

// In the order in which they come to be; destroyed the other way round.
struct Server::Parts {
  explicit Parts(ServerOptions given, Workspace space)
      : options(std::move(given)), workspace(std::move(space)) {}

  const ServerOptions options;
  const Workspace workspace;
  std::unique_ptr<OperationManager> operations;
  std::unique_ptr<Pool> watch_pool, control_pool, device_pool, pool;
  std::unique_ptr<Chassis> chassis;
  std::vector<std::unique_ptr<grpc::Service>> services;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor;
  std::unique_ptr<grpc::Server> server;
  std::unique_ptr<Listener> listener;
  std::mutex drain_mutex;
  std::optional<bool> drained;
  std::jthread readiness;
};

Server::Server(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(ServerOptions options,
                                                      const ServiceFactory& factory) {
  TY_RETURN_IF_ERROR(Check(options));
  // What answers say of files below it must not look relative to the workspace.
  options.state_dir = std::filesystem::absolute(options.state_dir).lexically_normal().string();
  SetUpGrpcOnce();
  TY_ASSIGN_OR_RETURN(Workspace workspace,
                      Workspace::Create(options.workspace, options.workspace_base));
  GuardWrites(workspace.root());
  auto parts = std::make_unique<Parts>(std::move(options), std::move(workspace));
  TY_RETURN_IF_ERROR(MakeParts(*parts, factory));
  TY_RETURN_IF_ERROR(Listen(*parts));
  auto server = std::unique_ptr<Server>(new Server(std::move(parts)));
  TY_RETURN_IF_ERROR(server->Begin());
  return server;
}

absl::Status Server::MakeParts(Parts& parts, const ServiceFactory& factory) {
  const ServerOptions& set = parts.options;
  const Workspace& workspace = parts.workspace;
  TY_ASSIGN_OR_RETURN(const int64_t job_memory,
                      JobMemory(set.job_memory, set.max_running, MemoryBudget()));
  TY_ASSIGN_OR_RETURN(parts.operations,
                      OperationManager::Create({.service = set.service,
                                                .replica = set.replica,
                                                .state_dir = set.state_dir,
                                                .max_running = set.max_running,
                                                .max_queue = set.max_queue,
                                                .threads = set.threads,
                                                .job_memory = job_memory,
                                                .retention = set.retention,
                                                .find_peer = PeerFinder(set, workspace),
                                                .check_inputs = InputCheck(workspace)}));
  // Calls wait until the operations of an earlier process are taken up.
  parts.watch_pool = std::make_unique<Pool>(1, /*held=*/true);
  parts.control_pool = std::make_unique<Pool>(kControlThreads, /*held=*/true);
  parts.device_pool = std::make_unique<Pool>(1);
  parts.pool = std::make_unique<Pool>(set.call_threads, /*held=*/true,
                                      absl::ToChronoNanoseconds(set.stuck_after));
  parts.chassis.reset(new Chassis{set, workspace, *parts.operations, *parts.pool,
                                  *parts.control_pool});
  TY_ASSIGN_OR_RETURN(parts.services, factory(*parts.chassis));
  parts.services.push_back(std::make_unique<OperationsService>(
      *parts.operations, *parts.control_pool, *parts.watch_pool));
  parts.services.push_back(std::make_unique<WatchService>(*parts.operations, *parts.watch_pool));
  parts.services.push_back(
      std::make_unique<CapabilitiesServer>(*parts.device_pool, CapabilitiesOf(set), set.worker));
  return absl::OkStatus();
}

absl::Status Server::Listen(Parts& parts) {
  const ServerOptions& set = parts.options;
  grpc::ServerBuilder builder;
  if (!set.address.empty()) {
    TY_ASSIGN_OR_RETURN(parts.listener, Listener::Open(set.address));
    parts.acceptor = builder.experimental().AddExternalConnectionAcceptor(
        grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
        grpc::InsecureServerCredentials());
  }
  const auto milliseconds = [](absl::Duration duration) {
    return static_cast<int>(absl::ToInt64Milliseconds(duration));
  };
  for (const auto& [name, value] : std::initializer_list<std::pair<const char*, int>>{
           {GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, kLeastPingIntervalMs},
           {GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1},
           {GRPC_ARG_KEEPALIVE_TIME_MS, kPingIntervalMs},
           {GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kPingTimeoutMs},
           {GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0},
           {GRPC_ARG_MAX_CONCURRENT_STREAMS, kMostStreams},
           // A channel without a socket could not connect again.
           {GRPC_ARG_MAX_CONNECTION_IDLE_MS,
            parts.listener == nullptr ? INT_MAX : milliseconds(set.idle_timeout)},
           {GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, milliseconds(set.handshake_timeout)}}) {
    builder.AddChannelArgument(name, value);
  }
  builder.SetMaxReceiveMessageSize(kMostMessageBytes);
  grpc::ResourceQuota quota;
  quota.Resize(kMostCallBytes);
  quota.SetMaxThreads(kMostSyncThreads);
  builder.SetResourceQuota(quota);
  for (const auto& service : parts.services) builder.RegisterService(service.get());
  parts.server = builder.BuildAndStart();
  if (parts.server == nullptr) return absl::InternalError("gRPC does not start a server");
  return absl::OkStatus();
}

absl::Status Server::Begin() {
  Parts& parts = *parts_;
  const ServerOptions& set = parts.options;
  // Before the first call can come: until then the service would be unknown to a probe of it.
  parts.server->GetHealthCheckService()->SetServingStatus(FullServiceName(set.service), true);
  if (parts.listener != nullptr) {
    port_ = parts.listener->port();
    address_ = set.advertised_address.empty() ? ReachableAddress(set.address, port_)
                                              : set.advertised_address;
    parts.listener->Begin(
        [acceptor = parts.acceptor.get()](int fd) {
          grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
          connection.fd = fd;
          acceptor->HandleNewConnection(&connection);
        },
        [&set](const absl::Status&) {
          if (set.listener_died) set.listener_died();
        });
    Announce(set, parts.workspace, address_);
    WarnOfOpenAddress(set.address);
  }
  TY_RETURN_IF_ERROR(parts.operations->Begin(address_));
  for (const auto& pool : {&parts.pool, &parts.control_pool, &parts.watch_pool}) (*pool)->Release();
  // "" is SERVING since the start; the service's own name says that it is ready.
  parts.readiness = std::jthread([&parts](const std::stop_token& stop) { KeepReadiness(parts, stop); });
  LogInfo("serving", {{"address", address_}, {"replica", set.replica},
                      {"workspace", parts.workspace.root()}, {"version", kVersion}});
  return absl::OkStatus();
}

// Ready is a service whose calls are taken up: one that is asked to start work and cannot is alive only.
void Server::KeepReadiness(Parts& parts, const std::stop_token& stop) {
  const std::string name = FullServiceName(parts.options.service);
  grpc::HealthCheckServiceInterface* health = parts.server->GetHealthCheckService();
  std::mutex mutex;
  std::condition_variable_any never;
  bool was_ready = true;  // as Begin said
  std::unique_lock<std::mutex> lock(mutex);
  while (!stop.stop_requested()) {
    const bool ready = !parts.pool->stuck();
    if (ready != was_ready) {
      health->SetServingStatus(name, ready);
      Log(ready ? LogLevel::kInfo : LogLevel::kError,
          ready ? "calls are taken up again" : "all threads for calls that start work are stuck",
          {{"threads", parts.options.call_threads}});
    }
    was_ready = ready;
    never.wait_for(lock, stop, kReadinessInterval, [] { return false; });
  }
}

Server::~Server() { Drain(); }

std::shared_ptr<grpc::Channel> Server::InProcessChannel() {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMostMessageBytes);
  return parts_->server->InProcessChannel(arguments);
}

OperationManager& Server::operations() { return *parts_->operations; }

bool Server::Drain() {
  Parts& parts = *parts_;
  const std::lock_guard<std::mutex> lock(parts.drain_mutex);
  if (parts.drained.has_value()) return *parts.drained;
  LogInfo("draining", {{"address", address_}});
  if (parts.readiness.joinable()) {
    parts.readiness.request_stop();
    parts.readiness.join();
  }
  parts.server->GetHealthCheckService()->Shutdown();
  const bool work_ended = parts.operations->Drain(kWorkGrace);
  // Still held when the start failed: calls that came meanwhile must end.
  for (const auto& pool : {&parts.pool, &parts.control_pool, &parts.watch_pool}) (*pool)->Release();
  const auto grace = absl::ToChronoNanoseconds(parts.options.drain_grace);
  const bool calls_ended = parts.pool->AwaitIdle(grace) && parts.control_pool->AwaitIdle(grace);
  if (parts.listener != nullptr) parts.listener->Stop();
  parts.drained = work_ended && calls_ended;
  if (!*parts.drained) {
    LogError("not all stopped in time", {{"work", !work_ended}, {"calls", !calls_ended}});
  }
  // Answers are on their way. A longer time would be spent on idle connections: a client that does
  // not poll acknowledges the GOAWAY seconds later. It waits for calls that hang, too.
  if (calls_ended) {
    parts.server->Shutdown(absl::ToChronoTime(absl::Now() + kFlushGrace));
    parts.server->Wait();
  }
  LogInfo("drained", {{"address", address_}});
  return *parts.drained;
}

}  // namespace trainyard::service
