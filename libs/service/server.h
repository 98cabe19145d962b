#pragma once

#include <functional>
#include <map>
#include <memory>
#include <stop_token>
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
  /// The service's own folder; made when missing. Made absolute by Start.
  std::string state_dir;
  std::string replica = "r1";
  /// Replica -> host:port, where it is not found in the workspace (`.trainyard/replicas/`).
  std::map<std::string, std::string> peers;
  int max_running = 1;
  int max_queue = 64;
  /// 0 = ThreadBudget().
  int threads = 0;
  /// What one job's worker may have of the memory: off, auto or a size (libs/service/job_memory.h).
  std::string job_memory = "off";
  /// Ended operations are forgotten after this.
  absl::Duration retention = absl::Hours(24 * 30);
  /// Threads for the bodies of calls that start work. Questions, cancels and waits have others.
  int call_threads = 16;
  /// When all of these have been at the same calls for longer, the service's own name is NOT_SERVING, and
  /// such calls are refused.
  absl::Duration stuck_after = absl::Seconds(10);
  /// Connections without a call are closed after this, and those that never say a word of HTTP/2 after
  /// that. A client connects again with its next call, which takes it a moment; a stranger that
  /// holds connections must connect again as well.
  absl::Duration idle_timeout = absl::Seconds(30);
  absl::Duration handshake_timeout = absl::Seconds(10);
  /// How long the bodies of running calls get at a drain.
  absl::Duration drain_grace = absl::Seconds(5);
  /// Called, from a thread of the server's, when it accepts no more connections and never will. May be
  /// empty.
  std::function<void()> listener_died;
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
  /// For calls that start work, or may block for another reason.
  Pool& pool;
  /// For questions and cancels: what it runs takes milliseconds.
  Pool& control_pool;
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
  /// UNAVAILABLE, calls get the grace, leases are kept for the next process. False when calls or work
  /// did not stop in time: then the destructor waits for them, for as long as that takes, and a process
  /// does better to end by _exit. May be called again.
  bool Drain();

 private:
  struct Parts;
  explicit Server(std::unique_ptr<Parts> parts);
  static absl::Status MakeParts(Parts& parts, const ServiceFactory& factory);
  static absl::Status Listen(Parts& parts);
  absl::Status Begin();
  static void KeepReadiness(Parts& parts, const std::stop_token& stop);
  std::unique_ptr<Parts> parts_;
  int port_ = 0;
  std::string address_;
};

}  // namespace trainyard::service
