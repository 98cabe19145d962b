#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "grpcpp/channel.h"
#include "grpcpp/impl/codegen/service_type.h"
#include "libs/service/operations.h"
#include "libs/service/pool.h"
#include "libs/service/workspace.h"
#include "trainyard/v1/capabilities.pb.h"

namespace trainyard::service {

/// What a server is made of; libs/service/main_support.h fills it from flags, environment and YAML.
struct ServerOptions {
  /// `train`: the second part of operation names, the `service` of log lines.
  std::string service;
  /// host:port to listen on; port 0 = any free one. "" = in-process only.
  std::string address = "127.0.0.1:0";
  /// What clients reach this replica by; "" = `address` with the port that was bound.
  std::string advertised_address;
  /// The shared folder; required. "/" for a server inside the user's own program.
  std::string workspace;
  /// Where relative paths start; "" = the workspace.
  std::string workspace_base;
  /// The service's own folder (decisions.md B15); made when missing. Made absolute by Start.
  std::string state_dir;
  std::string replica = "r1";
  /// Replica -> host:port, where it is not found in the workspace (`.trainyard/replicas/`).
  std::map<std::string, std::string> peers;
  int max_running = 1;
  int max_queue = 64;
  /// 0 = ThreadBudget().
  int threads = 0;
  /// Threads for the bodies of calls.
  int call_threads = 4;
  /// How long the bodies of running calls get at a drain.
  absl::Duration drain_grace = absl::Seconds(5);
  /// networks, stages, formats, unimplemented; the rest is filled in.
  v1::GetCapabilitiesResponse capabilities;
  /// The program that does the work, which knows the devices (libs/worker/devices.h); "" = none.
  std::string worker;
};

/// What the handlers of a service stand on. Outlives them.
struct Chassis {
  const ServerOptions& options;
  const Workspace& workspace;
  OperationManager& operations;
  Pool& pool;
};

/// Makes the service objects and adds their stages to `chassis.operations`.
using ServiceFactory =
    std::function<absl::StatusOr<std::vector<std::unique_ptr<grpc::Service>>>(Chassis& chassis)>;

/// A running server with Operations, OperationWatchService, CapabilitiesService, health and
/// reflection beside the services of its own. Thread-safe.
class Server {
 public:
  /// Listens when it returns, and operations of an earlier process are taken up again.
  /// kInvalidArgument for options; kUnavailable when the address is taken; what the factory fails with.
  static absl::StatusOr<std::unique_ptr<Server>> Start(ServerOptions options,
                                                       const ServiceFactory& factory);
  /// Drains.
  ~Server();

  /// The port that was bound; 0 for an in-process server.
  int port() const { return port_; }
  /// What clients reach it by.
  const std::string& address() const { return address_; }
  /// A channel without a socket.
  std::shared_ptr<grpc::Channel> InProcessChannel();
  OperationManager& operations();

  /// Health NOT_SERVING, nothing new begins, workers write their checkpoints, streams end with
  /// UNAVAILABLE, calls get the grace, leases are kept for the next process. May be called again.
  void Drain();

 private:
  struct Parts;
  explicit Server(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
  int port_ = 0;
  std::string address_;
};

}  // namespace trainyard::service
