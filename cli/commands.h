#pragma once

#include <functional>
#include <memory>

#include "CLI/CLI.hpp"
#include "cli/stage_command.h"

namespace trainyard::cli {

/// A command registers itself below `app` and, when it was the one that was typed, leaves in `run`
/// what is to be done; main calls it after parsing.
using Run = std::function<int()>;

/// `ssd dataset_convert | train | evaluate | prune | export | inference` with TAO's flags.
void AddSsdCommands(CLI::App& app, Run& run);
/// `augment`.
void AddAugmentCommand(CLI::App& app, Run& run);
/// `converter`, with tao-converter's flags.
void AddConverterCommand(CLI::App& app, Run& run);
/// `run`, `runs`, `operations`, `serve`.
void AddPipelineCommands(CLI::App& app, Run& run);
/// `spec check`, `inspect`, `sample-data`.
void AddToolCommands(CLI::App& app, Run& run);

/// Flags of every command that talks to services: --endpoint, --services, --json, --quiet, --no-wait,
/// --dry-run, --threads, --log_file. `session` must outlive the parse.
void AddSessionFlags(CLI::App& command, Session& session);

/// A spec file for a request: read here, so that errors name the file as the user typed it.
absl::Status ReadSpecInto(v1::StageInput& stage, const std::string& path,
                          const std::vector<std::string>& overrides);

}  // namespace trainyard::cli
