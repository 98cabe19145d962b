#include <cstdio>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/rewrite_flags.h"
#include "libs/base/log.h"

namespace {

constexpr char kExamples[] = R"(examples:
  trainyard sample-data parts
  trainyard ssd dataset_convert -d convert.txt -o tfrecords/train
  trainyard ssd train -e spec.txt -r results -k env:KEY
  trainyard ssd evaluate -m results/weights/ssd_resnet10_epoch_080.tlt -e spec.txt -k env:KEY
  trainyard run pipeline.yaml -k env:KEY)";

int Main(std::vector<std::string> words) {
  CLI::App app("Trainyard: TAO's workflow, from images to an INT8 engine", "trainyard");
  app.footer(kExamples);
  app.set_version_flag("--version", "trainyard 0.1.0");
  app.require_subcommand(1);
  trainyard::cli::Run run;
  trainyard::cli::AddSsdCommands(app, run);
  trainyard::cli::AddAugmentCommand(app, run);
  trainyard::cli::AddConverterCommand(app, run);
  trainyard::cli::AddPipelineCommands(app, run);
  trainyard::cli::AddToolCommands(app, run);
  try {
    words = trainyard::cli::RewriteFlags(std::move(words));
    // CLI11 takes the words from the back.
    app.parse(std::vector<std::string>(words.rbegin(), words.rend()));
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return run ? run() : 2;
}

}  // namespace

int main(int argc, char** argv) {
  // Services in this process log to stderr; a person wants progress there, so only what matters.
  trainyard::StartLogging({.level = trainyard::LogLevel::kWarning}).IgnoreError();
  trainyard::cli::SignalWatch signals;
  return Main({argv + 1, argv + argc});
}
