#include "libs/service/server.h"

#include <grpc/support/log.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <unistd.h>

#include <filesystem>
#include <mutex>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "libs/base/files.h"
#include "libs/base/log.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/base/writes.h"
#include "libs/service/operations_service.h"

namespace trainyard::service {
namespace {

constexpr int kMostMessageBytes = 16 << 20;
constexpr absl::Duration kFlushGrace = absl::Milliseconds(300);
constexpr int kLeastPingIntervalMs = 20000;
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
  std::unique_ptr<Pool> watch_pool;
  std::unique_ptr<Pool> pool;
  std::unique_ptr<Chassis> chassis;
  std::vector<std::unique_ptr<grpc::Service>> services;
  std::unique_ptr<grpc::Server> server;
  std::mutex drain_mutex;
  bool drained = false;
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
  const ServerOptions& set = parts->options;
  TY_ASSIGN_OR_RETURN(parts->operations,
                      OperationManager::Create({.service = set.service,
                                                .replica = set.replica,
                                                .state_dir = set.state_dir,
                                                .max_running = set.max_running,
                                                .max_queue = set.max_queue,
                                                .threads = set.threads,
                                                .find_peer = PeerFinder(set, parts->workspace)}));
  // Calls wait until the operations of an earlier process are taken up.
  parts->watch_pool = std::make_unique<Pool>(1, /*held=*/true);
  parts->pool = std::make_unique<Pool>(set.call_threads, /*held=*/true);
  parts->chassis.reset(new Chassis{set, parts->workspace, *parts->operations, *parts->pool});
  TY_ASSIGN_OR_RETURN(parts->services, factory(*parts->chassis));
  parts->services.push_back(
      std::make_unique<OperationsService>(*parts->operations, *parts->pool, *parts->watch_pool));
  parts->services.push_back(std::make_unique<WatchService>(*parts->operations, *parts->watch_pool));
  parts->services.push_back(
      std::make_unique<CapabilitiesServer>(*parts->pool, CapabilitiesOf(set), set.worker));

  grpc::ServerBuilder builder;
  int port = 0;
  if (!set.address.empty()) {
    builder.AddListeningPort(set.address, grpc::InsecureServerCredentials(), &port);
  }
  // Else a second server on a taken port starts, and gets half of the connections.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             kLeastPingIntervalMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.SetMaxReceiveMessageSize(kMostMessageBytes);
  for (const auto& service : parts->services) builder.RegisterService(service.get());
  parts->server = builder.BuildAndStart();
  if (parts->server == nullptr || (!set.address.empty() && port == 0)) {
    return absl::UnavailableError(
        absl::StrCat("cannot listen on '", set.address, "'; is another program there?"));
  }

  auto server = std::unique_ptr<Server>(new Server(std::move(parts)));
  server->port_ = port;
  if (!set.address.empty()) {
    server->address_ =
        set.advertised_address.empty() ? ReachableAddress(set.address, port) : set.advertised_address;
    Announce(set, server->parts_->workspace, server->address_);
  }
  TY_RETURN_IF_ERROR(server->parts_->operations->Begin(server->address_));
  server->parts_->pool->Release();
  server->parts_->watch_pool->Release();
  // "" is SERVING since the start; the service's own name says that it is ready.
  server->parts_->server->GetHealthCheckService()->SetServingStatus(FullServiceName(set.service),
                                                                    true);
  LogInfo("serving", {{"address", server->address_}, {"replica", set.replica},
                      {"workspace", server->parts_->workspace.root()}, {"version", kVersion}});
  return server;
}

Server::~Server() { Drain(); }

std::shared_ptr<grpc::Channel> Server::InProcessChannel() {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMostMessageBytes);
  return parts_->server->InProcessChannel(arguments);
}

OperationManager& Server::operations() { return *parts_->operations; }

void Server::Drain() {
  const std::lock_guard<std::mutex> lock(parts_->drain_mutex);
  if (parts_->drained) return;
  parts_->drained = true;
  LogInfo("draining", {{"address", address_}});
  parts_->server->GetHealthCheckService()->Shutdown();
  parts_->operations->Drain();
  // Still held when the start failed: calls that came meanwhile must end.
  parts_->pool->Release();
  parts_->watch_pool->Release();
  parts_->pool->AwaitIdle(absl::ToChronoNanoseconds(parts_->options.drain_grace));
  // Answers are on their way. A longer time would be spent on idle connections: a client that does
  // not poll acknowledges the GOAWAY seconds later.
  parts_->server->Shutdown(absl::ToChronoTime(absl::Now() + kFlushGrace));
  parts_->server->Wait();
  LogInfo("drained", {{"address", address_}});
}

}  // namespace trainyard::service
