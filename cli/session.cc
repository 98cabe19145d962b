#include "cli/session.h"

#include "libs/base/log.h"

namespace trainyard::cli {

void AddServiceFlags(CLI::App& command, Session& session) {
  command.add_option("--endpoint", session.house.endpoint,
                     "host:port of a running service (in process otherwise)");
  command.add_option_function<std::string>(
      "--services",
      [&session](const std::string& path) {
        auto addresses = LoadAddresses(path);
        if (!addresses.ok()) {
          throw CLI::ValidationError("--services", std::string(addresses.status().message()));
        }
        session.house.addresses = *std::move(addresses);
      },
      "YAML file of running services: {train: host:port, ...}");
  command.add_flag("--json", session.output.json, "one JSON object a line on stdout");
  command.add_flag("-q,--quiet", session.output.quiet, "no progress");
}

void AddSessionFlags(CLI::App& command, Session& session) {
  AddServiceFlags(command, session);
  command.add_option("--threads", session.house.threads, "threads of in-process services (all)");
  command.add_flag("--no-wait", session.no_wait, "print the operation's name and end (--endpoint)");
  command.add_flag("--dry-run", session.validate_only, "only check the request");
  command.add_option("--log_file", session.log_file, "write the log there");
}

absl::Status OpenLogFile(const Session& session) {
  if (session.log_file.empty()) return absl::OkStatus();
  return StartLogging({.file = session.log_file});
}

}  // namespace trainyard::cli
