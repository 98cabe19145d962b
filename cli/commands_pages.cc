#include <cstdio>
#include <memory>
#include <string>

#include "cli/command_pages.h"
#include "cli/commands.h"
#include "cli/display.h"

namespace trainyard::cli {
namespace {

struct Flags {
  CLI::App* app = nullptr;
  std::string shell;
};

int Complete(const Flags& flags) {
  const auto script = CompletionScript(*flags.app, flags.shell);
  if (!script.ok()) return PrintFailure({}, script.status(), FailedAt::kUsage);
  fputs(script->c_str(), stdout);
  return 0;
}

int Manual(const Flags& flags) {
  fputs(ManualPage(*flags.app, TRAINYARD_VERSION).c_str(), stdout);
  return 0;
}

}  // namespace

void AddPageCommands(CLI::App& app, Run& run) {
  auto flags = std::make_shared<Flags>();
  flags->app = &app;
  CLI::App& completion =
      *app.add_subcommand("completion", "print the script that completes commands in a shell");
  completion.add_option("shell", flags->shell, "bash, zsh or fish")->required();
  WhenTyped(completion, run, flags, Complete);
  WhenTyped(*app.add_subcommand("man", "print the manual page"), run, flags, Manual);
}

}  // namespace trainyard::cli
