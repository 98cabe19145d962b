#pragma once

#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "cli/commands.h"

namespace trainyard::cli {

/// Registers every command below `app`.
void AddCommands(CLI::App& app, Run& run);

/// What a command line that did not parse has that no command knows, with the nearest known name:
/// "'wacth' is no sub-command of 'trainyard runs'; did you mean 'watch'?". "" when each word is
/// known, and something else is wrong. `app` is as the failed parse left it.
std::string UnknownWord(const CLI::App& app);

/// Runs a command line, without the program's name. Returns the exit code; 2 when it is wrong.
int RunCommandLine(std::vector<std::string> words);

}  // namespace trainyard::cli
