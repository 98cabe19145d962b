#pragma once

#include <functional>
#include <memory>

#include "CLI/CLI.hpp"

namespace trainyard::cli {

/// A command registers itself below `app` and, when it was the one that was typed, leaves in `run`
/// what is to be done; it is called after parsing and gives the exit code.
using Run = std::function<int()>;

/// Leaves `action(*flags)` in `run` when `command` was typed; the flags live as long as the parser.
template <typename Flags>
void WhenTyped(CLI::App& command, Run& run, std::shared_ptr<Flags> flags,
               int (*action)(const Flags&)) {
  command.callback([&run, flags, action] { run = [flags, action] { return action(*flags); }; });
}

/// `NETWORK dataset_convert | train | evaluate | prune | export | inference` with TAO's flags, for
/// every network.
void AddNetworkCommands(CLI::App& app, Run& run);
/// `augment`.
void AddAugmentCommand(CLI::App& app, Run& run);
/// `converter`, with tao-converter's flags.
void AddConverterCommand(CLI::App& app, Run& run);
/// `run`: a pipeline.
void AddRunCommand(CLI::App& app, Run& run);
/// `runs` and `operations`: what works at running services.
void AddRemoteCommands(CLI::App& app, Run& run);
/// `serve`.
void AddServeCommand(CLI::App& app, Run& run);
/// `context`: names for running services.
void AddContextCommands(CLI::App& app, Run& run);
/// `completion` and `man`.
void AddPageCommands(CLI::App& app, Run& run);
/// `spec check`, `inspect`.
void AddToolCommands(CLI::App& app, Run& run);
/// `compare`: two evaluations.
void AddCompareCommand(CLI::App& app, Run& run);
/// `init`, `migrate`: specs to begin with, and those of TAO.
void AddSpecCommands(CLI::App& app, Run& run);
/// `fit`: a first model for a data set.
void AddFitCommand(CLI::App& app, Run& run);
/// `models`: the store of pretrained models.
void AddModelsCommands(CLI::App& app, Run& run);
/// `data inspect`, `data convert`, `data check`.
void AddDataCommands(CLI::App& app, Run& run);
/// `data check`, below `data`.
void AddDataCheckCommand(CLI::App& data, Run& run);
/// `sample-data`.
void AddSampleDataCommand(CLI::App& app, Run& run);

}  // namespace trainyard::cli
