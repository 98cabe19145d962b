#include "libs/service/health_probe.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <algorithm>
#include <iostream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "libs/base/config.h"

namespace trainyard::service {
namespace {

constexpr int kServing = 0;
constexpr int kBadArguments = 1;
constexpr int kNoConnection = 2;
constexpr int kCallFailed = 3;
constexpr int kNotServing = 4;

int Say(const std::string& line, int exit_code) {
  std::cerr << "healthcheck: " << line << "\n";
  return exit_code;
}

bool IsAsked(const std::vector<std::string>& arguments, const char* flag) {
  return std::find(arguments.begin(), arguments.end(), flag) != arguments.end();
}

}  // namespace

int RunHealthProbe(const std::vector<std::string>& arguments, const std::string& default_address) {
  std::string address = default_address;
  std::string service;
  absl::Duration connect_timeout = absl::Seconds(1);
  absl::Duration rpc_timeout = absl::Seconds(1);
  Settings settings;
  settings.Bind("addr", &address, "host:port");
  settings.Bind("service", &service, "service to ask for; the whole server when empty");
  settings.Bind("connect-timeout", &connect_timeout, "time for the connection");
  settings.Bind("rpc-timeout", &rpc_timeout, "time for the call");
  if (IsAsked(arguments, "--help") || IsAsked(arguments, "-h") || IsAsked(arguments, "-help")) {
    std::cout << "usage: healthcheck [--addr HOST:PORT] [--service NAME] ...\n"
              << "asks a server for its health; exit codes: 0 serving, 1 bad arguments, 2 cannot "
                 "connect, 3 the call failed, 4 not serving\n\n"
              << settings.Help();
    return kServing;
  }
  std::vector<std::string> words;
  for (const std::string& word : arguments) {
    const bool single_dash = absl::StartsWith(word, "-") && !absl::StartsWith(word, "--");
    words.push_back(single_dash ? absl::StrCat("-", word) : word);
  }
  const auto parsed = settings.ParseFlags(words);
  if (!parsed.ok()) return Say(std::string(parsed.status().message()), kBadArguments);
  if (!parsed->rest.empty()) {
    return Say(absl::StrCat("'", parsed->rest[0], "' is no flag"), kBadArguments);
  }
  const absl::Status loaded = settings.Load({.flags = parsed->flags});
  if (!loaded.ok()) return Say(std::string(loaded.message()), kBadArguments);

  const auto channel = grpc::CreateChannel(address, grpc::InsecureChannelCredentials());
  if (!channel->WaitForConnected(absl::ToChronoTime(absl::Now() + connect_timeout))) {
    return Say(absl::StrCat("cannot connect to '", address, "'"), kNoConnection);
  }
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + rpc_timeout));
  grpc::health::v1::HealthCheckRequest request;
  request.set_service(service);
  grpc::health::v1::HealthCheckResponse response;
  const grpc::Status status =
      grpc::health::v1::Health::NewStub(channel)->Check(&context, request, &response);
  if (!status.ok()) return Say(absl::StrCat("the call failed: ", status.error_message()), kCallFailed);
  if (response.status() != grpc::health::v1::HealthCheckResponse::SERVING) {
    return Say(absl::StrCat("status is ", grpc::health::v1::HealthCheckResponse::ServingStatus_Name(
                                              response.status())),
               kNotServing);
  }
  return Say("status is SERVING", kServing);
}

}  // namespace trainyard::service
