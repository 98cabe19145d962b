#pragma once

#include <string>
#include <vector>

namespace trainyard::service {

/// `healthcheck [--addr HOST:PORT] [--service NAME] [--connect-timeout 1s] [--rpc-timeout 1s]`: asks a
/// server for its health, with the flags and exit codes of grpc_health_probe: 0 serving, 1 bad
/// arguments, 2 cannot connect, 3 the call failed, 4 not serving. Also `-addr=...`, as that program
/// writes them. One line goes to stderr.
int RunHealthProbe(const std::vector<std::string>& arguments, const std::string& default_address);

}  // namespace trainyard::service
