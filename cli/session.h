#pragma once

#include <string>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "cli/display.h"
#include "cli/house.h"

namespace trainyard::cli {

/// What every command that talks to services needs.
struct Session {
  House::Options house;
  OutputOptions output;
  /// Submit, print the operation's name, and end.
  bool no_wait = false;
  /// Print what the service says of the request, and end.
  bool validate_only = false;
  std::string log_file;
};

/// The flags of every command that talks to a service: --endpoint, --services, --json, --quiet.
/// `session` must outlive the parse.
void AddServiceFlags(CLI::App& command, Session& session);

/// Those, and the flags of commands that start work, maybe in this process: --no-wait, --dry-run,
/// --threads, --log_file.
void AddSessionFlags(CLI::App& command, Session& session);

/// Sends the log of in-process services to `--log_file`, from level info on; stderr stays as it was
/// when there is none. kInvalidArgument when the file cannot be opened.
absl::Status OpenLogFile(const Session& session);

}  // namespace trainyard::cli
