#pragma once

#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "grpcpp/channel.h"
#include "libs/service/main_support.h"
#include "libs/service/server.h"

namespace trainyard::cli {

/// The services that a command talks to: in this process by default, each started when it is first
/// asked for, or running elsewhere. Either way the same requests go through the same stubs.
/// Not thread-safe.
class House {
 public:
  struct Options {
    /// host:port of whichever service the command needs; "" = in process.
    std::string endpoint;
    /// Service -> host:port; what it does not name is in process.
    std::map<std::string, std::string> addresses;
    /// Threads of in-process services; 0 = all that the machine gives.
    int threads = 0;
    /// Folder of the in-process services' stores. "" = a temporary one that goes with the command:
    /// one request needs none. A pipeline keeps it, to go on after a crash and to reuse results.
    std::string state_dir;
  };
  explicit House(Options options);
  ~House();
  House(const House&) = delete;
  House& operator=(const House&) = delete;

  /// A channel to `service` ("train"). kInvalidArgument for a name that no service has; what
  /// Server::Start fails with.
  absl::StatusOr<std::shared_ptr<grpc::Channel>> Channel(const std::string& service);
  /// host:port of `service` when it runs elsewhere; "" when it is (or would be) in this process, so
  /// that it ends with the command.
  std::string Elsewhere(const std::string& service) const;
  /// The address by which an embedded service can be reached by another one; starts it with a port.
  absl::StatusOr<std::string> Address(const std::string& service);

 private:
  absl::StatusOr<service::ServiceProgram> Program(const std::string& service);
  absl::StatusOr<service::Server*> Start(const std::string& service);

  Options options_;
  /// Set when it was made for this object and goes with it.
  std::string temporary_dir_;
  std::map<std::string, std::unique_ptr<service::Server>> servers_;
};

/// The program of a service by name; kInvalidArgument lists the names.
absl::StatusOr<service::ServiceProgram> ProgramOf(const std::string& service);

/// OK when the server at `channel` is `service`; else kUnimplemented that says which one it is.
/// Fails as the question does.
absl::Status CheckService(const std::shared_ptr<grpc::Channel>& channel,
                          const std::string& service);
/// `failure` of a call to `service`, made plain when the server there is another service and does
/// not know the method.
absl::Status Explained(const absl::Status& failure, const std::shared_ptr<grpc::Channel>& channel,
                       const std::string& service);

/// Reads `{train: host:port, ...}` (YAML). kInvalidArgument names file and line.
absl::StatusOr<std::map<std::string, std::string>> LoadAddresses(const std::string& path);

}  // namespace trainyard::cli
