#include "cli/command_line.h"
#include "cli/signal_watch.h"
#include "libs/base/log.h"

int main(int argc, char** argv) {
  // Services in this process log to stderr; a person wants progress there, so only what matters.
  trainyard::StartLogging({.level = trainyard::LogLevel::kWarning}).IgnoreError();
  trainyard::cli::SignalWatch signals;
  return trainyard::cli::RunCommandLine({argv + 1, argv + argc});
}
