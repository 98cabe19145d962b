#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace trainyard::service {

/// Accepts TCP connections for a gRPC server, which would stop to listen for good when the process is
/// once out of file descriptors. This one keeps some free: what comes beyond is accepted and closed.
class Listener {
 public:
  /// Binds `address`, host:port with port 0 for any free one, and listens on every address that the host's
  /// name has. kInvalidArgument: it is no host:port; kUnavailable: the name is not known, or the address
  /// is taken.
  static absl::StatusOr<std::unique_ptr<Listener>> Open(const std::string& address);
  /// Stops.
  ~Listener();

  int port() const { return port_; }

  /// Accepts on a thread of its own. `take` owns the descriptor that it gets, a socket that does not
  /// block. `died` is called, once and from that thread, when the socket listens no more. Once.
  void Begin(std::function<void(int fd)> take, std::function<void(absl::Status)> died);
  /// Closes the sockets; no call comes when it has returned.
  void Stop();

  /// The sockets that listen: for tests.
  const std::vector<int>& sockets() const { return sockets_; }

 private:
  Listener() = default;
  void Accept();
  bool AcceptOne(int socket, absl::Status* failure);
  void Refuse(int fd);

  std::vector<int> sockets_;
  int port_ = 0;
  std::function<void(int)> take_;
  std::function<void(absl::Status)> died_;
  std::atomic<bool> stopping_ = false;
  int refused_ = 0;
  std::thread thread_;
};

/// Raises the number of files that this process may open to what it is allowed.
void RaiseFileLimit();

}  // namespace trainyard::service
