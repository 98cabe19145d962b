#include "libs/service/internal/listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/status_matchers.h"

namespace trainyard::service {
namespace {

using ::testing::HasSubstr;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::StatusIs;

// A connection to a port of this host, or -1.
int Connect(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0) return -1;
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) return fd;
  close(fd);
  return -1;
}

TEST(ListenerTest, GivesConnectionsAway) {
  std::promise<int> taken;  // outlives the listener's thread
  const auto listener = Listener::Open("127.0.0.1:0");
  ASSERT_THAT(listener, IsOk());
  (*listener)->Begin([&](int fd) { taken.set_value(fd); }, nullptr);
  const int client = Connect((*listener)->port());
  ASSERT_GE(client, 0);
  const int server = taken.get_future().get();
  ASSERT_EQ(send(client, "x", 1, 0), 1);
  char byte = 0;
  while (recv(server, &byte, 1, 0) < 0) {
  }
  EXPECT_EQ(byte, 'x');
  close(client);
  close(server);
}

TEST(ListenerTest, SaysWhyItCannotListen) {
  const auto first = Listener::Open("127.0.0.1:0");
  ASSERT_THAT(first, IsOk());
  EXPECT_THAT(Listener::Open(absl::StrCat("127.0.0.1:", (*first)->port())).status(),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("in use")));
  for (const char* bad : {"127.0.0.1", "127.0.0.1:http", "127.0.0.1:70000", ""}) {
    EXPECT_THAT(Listener::Open(bad).status(),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("expected host:port")))
        << bad;
  }
}

TEST(ListenerTest, TellsWhenItDies) {
  std::promise<absl::Status> died;
  const auto listener = Listener::Open("127.0.0.1:0");
  ASSERT_THAT(listener, IsOk());
  (*listener)->Begin([](int fd) { close(fd); },
                     [&](absl::Status status) { died.set_value(std::move(status)); });
  shutdown((*listener)->sockets()[0], SHUT_RDWR);
  EXPECT_THAT(died.get_future().get(), StatusIs(absl::StatusCode::kUnavailable));
}

TEST(ListenerTest, KeepsFilesFreeAndListensOn) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit low{256, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
  std::atomic<int> highest = 0;
  const auto listener = Listener::Open("127.0.0.1:0");
  ASSERT_THAT(listener, IsOk());
  (*listener)->Begin([&](int fd) { highest = fd; }, nullptr);  // kept open
  std::vector<int> clients;
  // Both ends are this process's; the refused end is closed, which the client reads.
  bool refused = false;
  while (!refused && clients.size() < 300) {
    const int client = Connect((*listener)->port());
    if (client < 0) break;
    clients.push_back(client);
    pollfd ended{client, POLLIN, 0};
    refused = clients.size() > 90 && poll(&ended, 1, 200) == 1;
  }
  EXPECT_TRUE(refused);
  EXPECT_LT(highest, 256 - 60);
  for (const int client : clients) close(client);
  setrlimit(RLIMIT_NOFILE, &before);
}

}  // namespace
}  // namespace trainyard::service
