#include "libs/service/internal/listener.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/base/log.h"
#include "libs/base/status.h"

namespace trainyard::service {
namespace {

constexpr int kBacklog = 1024;
// More connections at one time are a mistake or an attack.
constexpr int kMostFiles = 16384;
// For the database, workers' pipes and files that are read.
constexpr int kLeastFree = 64;
constexpr int kRetryMs = 100;
// Refused connections between two lines of the log.
constexpr int kRefusedPerLine = 100;

// The kernel gives the lowest free descriptor, so one of this number says how many are open.
int MostDescriptor() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return kMostFiles;
  const int allowed = static_cast<int>(std::min<rlim_t>(limit.rlim_cur, kMostFiles + kLeastFree));
  return allowed - std::max(kLeastFree, allowed / 8);
}

struct HostPort {
  std::string host, port;
};

absl::StatusOr<HostPort> Split(const std::string& address) {
  const size_t colon = address.rfind(':');
  int port = -1;
  if (colon == std::string::npos || !absl::SimpleAtoi(address.substr(colon + 1), &port) ||
      port < 0 || port > 65535) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", address, "' is no address to listen on; expected host:port, as in "
                     "127.0.0.1:7001, 0.0.0.0:7001 or [::1]:7001"));
  }
  std::string host = address.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  return HostPort{host, absl::StrCat(port)};
}

absl::Status CannotListen(absl::string_view why) {
  return absl::UnavailableError(absl::StrCat("cannot listen: ", why));
}

// A bound socket that listens, or the reason why there is none.
absl::StatusOr<int> Listen(const addrinfo& info, sockaddr_storage address) {
  const int fd = socket(info.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return CannotListen(strerror(errno));
  const int yes = 1, no = 0;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  const auto& six = reinterpret_cast<const sockaddr_in6&>(address);
  const bool any_six = info.ai_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&six.sin6_addr);
  // "::" is every address, also of version 4; any other is one address.
  if (info.ai_family == AF_INET6) {
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, any_six ? &no : &yes, sizeof(yes));
  }
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), info.ai_addrlen) == 0 &&
      listen(fd, kBacklog) == 0) {
    return fd;
  }
  const int error = errno;
  close(fd);
  return CannotListen(strerror(error));
}

int PortOf(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  return ntohs(address.ss_family == AF_INET6
                   ? reinterpret_cast<const sockaddr_in6&>(address).sin6_port
                   : reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

void SetPort(sockaddr_storage& address, int port) {
  auto& field = address.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(address).sin6_port
                                              : reinterpret_cast<sockaddr_in&>(address).sin_port;
  field = htons(static_cast<uint16_t>(port));
}

// What accept says of one connection, or of a lack that passes, and not of the socket that listens.
bool IsPassing(int error) {
  switch (error) {
    case EBADF:
    case EFAULT:
    case EINVAL:
    case ENOTSOCK:
    case EOPNOTSUPP:
      return false;
    default:
      return true;
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Listener>> Listener::Open(const std::string& address) {
  TY_ASSIGN_OR_RETURN(const HostPort parts, Split(address));
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(parts.host.empty() ? nullptr : parts.host.c_str(),
                                parts.port.c_str(), &hints, &found);
  if (error != 0) return CannotListen(absl::StrCat("'", address, "': ", gai_strerror(error)));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> addresses(found, freeaddrinfo);
  auto listener = std::unique_ptr<Listener>(new Listener());
  absl::Status failure;
  for (const addrinfo* info = found; info != nullptr; info = info->ai_next) {
    sockaddr_storage bound{};
    memcpy(&bound, info->ai_addr, info->ai_addrlen);
    // The free port of the first is that of all.
    if (listener->port_ != 0) SetPort(bound, listener->port_);
    const auto fd = Listen(*info, bound);
    if (!fd.ok()) {
      failure.Update(fd.status());
      continue;
    }
    listener->sockets_.push_back(*fd);
    listener->port_ = PortOf(*fd);
  }
  if (listener->sockets_.empty()) {
    return Annotate(failure, absl::StrCat("'", address, "' (is another program there?)"));
  }
  return listener;
}

Listener::~Listener() { Stop(); }

void Listener::Begin(std::function<void(int)> take, std::function<void(absl::Status)> died) {
  take_ = std::move(take);
  died_ = std::move(died);
  thread_ = std::thread([this] { Accept(); });
}

void Listener::Stop() {
  stopping_ = true;
  // Wakes the poll.
  for (const int fd : sockets_) shutdown(fd, SHUT_RDWR);
  if (thread_.joinable()) thread_.join();
  for (const int fd : sockets_) close(fd);
  sockets_.clear();
}

void Listener::Accept() {
  std::vector<pollfd> polled;
  for (const int fd : sockets_) polled.push_back({fd, POLLIN, 0});
  while (!stopping_) {
    poll(polled.data(), polled.size(), -1);
    for (const pollfd& each : polled) {
      absl::Status failure;
      while (!stopping_ && each.revents != 0 && AcceptOne(each.fd, &failure)) {
      }
      if (failure.ok() || stopping_) continue;
      LogError("the listener died", {{"error", std::string(failure.message())}});
      if (died_) died_(failure);
      return;
    }
  }
}

// Whether to try the next one at once.
bool Listener::AcceptOne(int socket, absl::Status* failure) {
  const int fd = accept4(socket, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd >= 0) {
    if (fd > MostDescriptor()) {
      Refuse(fd);
      return true;
    }
    const int yes = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    take_(fd);
    return true;
  }
  const int error = errno;
  if (error == EAGAIN || error == EWOULDBLOCK) return false;
  if (!IsPassing(error)) {
    *failure = absl::UnavailableError(absl::StrCat("accept: ", strerror(error)));
    return false;
  }
  const bool lacking = error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
  if (lacking) {
    LogWarning("connections wait", {{"error", strerror(error)}});
    std::this_thread::sleep_for(std::chrono::milliseconds(kRetryMs));
  }
  return !lacking;
}

void Listener::Refuse(int fd) {
  close(fd);
  if (refused_++ % kRefusedPerLine != 0) return;
  LogWarning("connections are refused, since too many files are open",
             {{"refused", refused_}, {"most", MostDescriptor()}});
}

void RaiseFileLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
    LogWarning("the limit of open files stays as it is", {{"error", strerror(errno)}});
  }
}

}  // namespace trainyard::service
