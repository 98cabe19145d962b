#pragma once

#include <functional>
#include <string>

#include "libs/base/config.h"
#include "libs/service/server.h"

namespace trainyard::service {

/// What tells one service program from another.
struct ServiceProgram {
  /// `train`.
  std::string service;
  /// One line for --help.
  std::string description;
  /// The port of --listen when none is given.
  int default_port = 0;
  v1::GetCapabilitiesResponse capabilities;
  /// As ServerOptions::worker.
  std::string worker;
  /// What ServerOptions::job_memory is when nothing is set.
  std::string job_memory = "auto";
  /// Binds settings of its own; may be empty.
  std::function<void(Settings&)> bind;
  ServiceFactory factory;
};

/// The main function of every service:
///
///     trainyard-train [--config FILE] [--listen HOST:PORT] [--port-file FILE] [--workspace DIR]
///                     [--state-dir DIR] [--replica NAME] [--max-running N] [--max-queue N]
///                     [--log-format text|json] [--log-file FILE] ...
///     trainyard-train healthcheck [--addr HOST:PORT] [--service NAME] [--connect-timeout 1s]
///                                 [--rpc-timeout 1s]
///
/// Settings: flags, then TRAINYARD_* variables, then the YAML file. --port-file is written, whole,
/// once the server serves. Serves until SIGTERM or SIGINT, drains, returns 0; a second signal ends at
/// once with 128 + n. Bad or missing settings: 2. A server that cannot start, whose calls or work do not
/// stop in time, or that accepts no more connections: 1. `healthcheck` has the exit codes
/// of grpc_health_probe (0 serving, 1 arguments, 2 cannot connect, 3 the call failed, 4 not serving).
int RunServiceMain(int argc, char** argv, const ServiceProgram& program);

}  // namespace trainyard::service
