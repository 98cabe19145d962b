#include <cstdio>
#include <memory>
#include <string>

#include "cli/commands.h"
#include "cli/display.h"
#include "libs/tasks/detection/compare.h"

namespace trainyard::cli {
namespace {

struct Flags {
  OutputOptions output;
  std::string a, b;
};

int RunCompare(const Flags& flags) {
  const auto comparison = tasks::CompareResults(flags.a, flags.b);
  if (!comparison.ok()) {
    return PrintFailure(flags.output, comparison.status(), FailedAt::kOperation);
  }
  const std::string text = flags.output.json ? tasks::ComparisonJson(*comparison) + "\n"
                                             : tasks::ComparisonTable(*comparison);
  fputs(text.c_str(), stdout);
  return 0;
}

}  // namespace

void AddCompareCommand(CLI::App& app, Run& run) {
  auto flags = std::make_shared<Flags>();
  CLI::App& command = *app.add_subcommand(
      "compare", "hold two evaluations of a detector on the same images side by side");
  command.add_option("a", flags->a, "results folder of an evaluation, or its results.json")
      ->required();
  command.add_option("b", flags->b, "another one")->required();
  command.add_flag("--json", flags->output.json, "one JSON object");
  WhenTyped(command, run, flags, RunCompare);
}

}  // namespace trainyard::cli
