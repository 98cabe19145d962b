#pragma once

#include <string>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "cli/display.h"
#include "cli/flag_words.h"
#include "cli/house.h"

namespace trainyard::cli {

/// What every command that talks to services needs.
struct Session {
  /// As typed; WhereServicesAre makes house's options of them.
  std::string endpoint, context, services_file;
  House::Options house;
  OutputOptions output;
  /// Submit, print the operation's name, and end.
  bool no_wait = false;
  /// Print what the service says of the request, and end.
  bool validate_only = false;
  std::string log_file;
  /// The command whose flags these are (AddSessionFlags); not owned.
  const CLI::App* command = nullptr;
  /// How this command calls the fields of its request.
  FlagWords words;
};

/// The flags of every command that talks to a service: --endpoint, --services, --context, --json,
/// --quiet.
/// `session` must outlive the parse.
void AddServiceFlags(CLI::App& command, Session& session);

/// Those, and the flags of commands that start work, maybe in this process: --no-wait, --dry-run,
/// --threads, --log_file.
void AddSessionFlags(CLI::App& command, Session& session);

/// The options of a House, with the services that the user named: by --endpoint and --services,
/// else by
/// --context, $TRAINYARD_ENDPOINT, $TRAINYARD_CONTEXT or the current context. Fails as EndpointOf
/// and Contexts do.
absl::StatusOr<House::Options> WhereServicesAre(const Session& session);

/// Warns on stderr of a key `file:PATH` with more than one line, of which the first is the key. For
/// keys that are read in this process: a service elsewhere has its own files, and its own log.
void WarnOfKeyFile(const std::string& key);
/// Of the command's --key, when it has one.
void WarnOfKeyFile(const Session& session);

/// Sends the log of in-process services to `--log_file`, from level info on; stderr stays as it was
/// when there is none. kInvalidArgument when the file cannot be opened, is what another flag names,
/// or is there and is no log of ours: an append would spoil it.
absl::Status OpenLogFile(const Session& session);

}  // namespace trainyard::cli
