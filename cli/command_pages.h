#pragma once

#include <string>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"

namespace trainyard::cli {

/// Puts into the help of every command below `app` its own examples, and the flags that are there
/// for TAO's scripts alone into groups at its end.
void ArrangeHelp(CLI::App& app);

/// The script that completes sub-commands and flags in `shell`: bash, zsh or fish. kInvalidArgument
/// for another one.
absl::StatusOr<std::string> CompletionScript(CLI::App& app, const std::string& shell);

/// A manual page (man 7 man) of everything below `app`.
std::string ManualPage(CLI::App& app, const std::string& version);

}  // namespace trainyard::cli
